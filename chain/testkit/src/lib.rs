//! For tests only: small networks, keys, and blocks with work in them.

pub mod samples;
