//! How programs tell what they found out: text for people, objects for programs, where both go, and
//! by which code the program ends.
//!
//! Every program of the house speaks through here, so that one thing looks the same everywhere. It
//! knows values, and nobody who has them: no wallet, no node and no connection.

pub mod amounts;
pub mod columns;
pub mod exit;
pub mod ids;
pub mod misread;
pub mod report;
pub mod streams;
pub mod style;
pub mod times;
