//! Connecting and leaving, which costs the node a connection and a line of its log each.

use std::sync::Arc;
use std::thread;

use wire::hello::Role;

use crate::Attack;
use crate::line::Line;

/// Threads that connect at once.
const THREADS: usize = 8;

pub(crate) fn begin(attack: &Arc<Attack>) -> anyhow::Result<()> {
    for _ in 0..THREADS {
        let attack = Arc::clone(attack);
        thread::spawn(move || {
            while !attack.is_over() {
                // Refused or not, the next one comes at once.
                if Line::greet(&attack.target, Role::Peer).is_ok() {
                    attack.count();
                }
            }
        });
    }
    Ok(())
}
