//! To come.
pub mod auth;
pub mod config;
pub mod problem;
