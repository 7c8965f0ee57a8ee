//! What `lode` tells of nodes and their chains: as text for people, as objects for programs.
//!
//! Here stands what more than one command, or a screen, may tell: events, the first and the last
//! line, how it goes, and tables of a node's answers. It takes values and gives text; who asks the
//! nodes, and when, is above. How amounts, ids, times, colors and columns look is the crate
//! [`show`]'s.

pub mod events;
mod paths;
pub mod progress;
pub mod ready;
pub mod restraint;
pub mod status;
pub mod summary;
pub mod tables;
pub mod terminal;
