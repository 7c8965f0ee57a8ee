//! The Lode node: a pure state machine, its store, and the bodies that drive it.

pub mod machine;
pub mod store;
