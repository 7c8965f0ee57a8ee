//! Mining policy: when a template is worth searching.
