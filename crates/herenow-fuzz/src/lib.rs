//! Every parser of herenow that reads foreign bytes, as a plain function from bytes to whether they were taken.
//!
//! A target never fails on what it is given; it panics where the parser does, or where the parser breaks a promise that
//! the target checks (the same messages however the bytes are split, what was taken is taken again once written anew).
//! [`campaign`] feeds them inputs that follow from a seed; the folder `fuzz` feeds the same functions from libFuzzer.

pub mod campaign;
pub mod corpus;
pub mod make;
pub mod make_outside;
pub mod maker;
pub mod targets;
