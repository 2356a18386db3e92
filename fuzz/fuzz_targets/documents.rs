#![no_main]
waloy_fuzz::program!("documents");
