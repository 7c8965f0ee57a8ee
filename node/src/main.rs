//! The `lode` program.
fn main() {}
