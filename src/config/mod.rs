//! What people write into flags and variables: durations, sizes, times. Pure; now and time zone are arguments.

pub mod duration;
pub mod size;
pub mod time;
