#![no_main]
waloy_fuzz::program!("page_file");
