//! To come.
pub mod auth;
pub mod problem;
