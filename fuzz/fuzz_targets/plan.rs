#![no_main]
waloy_fuzz::program!("plan");
