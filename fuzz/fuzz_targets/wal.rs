#![no_main]
waloy_fuzz::program!("wal");
