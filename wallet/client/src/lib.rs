//! What a program needs that talks to nodes and runs none: conversations, joining, durable files.
//!
//! Blocking sockets, and no thread of its own. No answer is believed further than it can be
//! checked here.

pub mod data_directory;
pub mod directory_client;
pub mod durable_file;
pub mod joining;
pub mod membership;
pub mod node_client;
pub mod operator_client;
