//! To come.
pub mod assets;
pub mod auth;
pub mod demo;
pub mod problem;
