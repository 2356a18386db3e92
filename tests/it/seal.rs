//! Sealing from outside: the negatives of the known answers, round trips, cuts, changed bytes, random access.

mod negatives;
mod objects;
mod secrets;
