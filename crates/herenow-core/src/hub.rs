//! The door of the core.
