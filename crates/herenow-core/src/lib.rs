//! The decisions of presence: who is in a room, since when, who types, who left and when that is told.
//!
//! [`hub::Hub`] is a plain value. It is told what happened and at what time, and answers with what to do. It holds
//! no socket, clock, thread, random source or hash map, so one list of inputs gives one list of outputs, always.
//! Sockets, timers and bytes belong to the crates around it.

mod ask;
mod behind;
mod belongings;
pub mod cluster;
pub mod command;
pub mod cursors;
mod deadlines;
pub mod event;
pub mod explain;
mod gear;
pub mod history;
pub mod hub;
pub mod id;
mod keepsakes;
pub mod limits;
pub mod listeners;
pub mod locks;
pub mod look;
pub mod luggage;
pub mod message;
pub mod pattern;
pub mod people;
pub mod profile;
pub mod reason;
pub mod refusal;
mod room;
pub mod roster;
mod ruled;
pub mod rules;
mod settle;
mod spacing;
mod speech;
pub mod time;
pub mod typing;
pub mod version;
