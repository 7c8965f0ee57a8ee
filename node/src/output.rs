//! What `lode` tells of nodes and their chains: as text for people, as objects for programs.
//!
//! Here stands what more than one command, or a screen, may tell: events, the first and the last
//! line, how it goes, and tables of a node's answers. It takes values and gives text; who asks the
//! nodes, and when, is above. How amounts, ids, times, colors and columns look is the crate
//! [`show`]'s.

pub(crate) mod events;
mod paths;
pub(crate) mod progress;
pub(crate) mod ready;
pub(crate) mod status;
pub(crate) mod summary;
pub(crate) mod tables;
pub(crate) mod terminal;
