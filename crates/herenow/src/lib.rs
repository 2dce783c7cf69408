//! To come.
pub mod problem;
