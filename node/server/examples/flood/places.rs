//! Callers that hold every place of every role and say nothing, and come again at once when they
//! lose one.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use wire::hello::Role;

use crate::Attack;
use crate::line::Line;

/// The places that a node has, by role.
const PLACES: [(Role, usize); 4] =
    [(Role::Peer, 64), (Role::Wallet, 128), (Role::Directory, 96), (Role::Operator, 8)];

/// How often somebody comes for one place.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) fn begin(attack: &Arc<Attack>) -> anyhow::Result<()> {
    for (role, count) in PLACES {
        let attack = Arc::clone(attack);
        thread::spawn(move || {
            let mut lines: Vec<Option<Line>> = (0..count).map(|_| None).collect();
            while !attack.is_over() {
                for line in &mut lines {
                    if line.as_mut().is_none_or(|line| !line.is_open()) {
                        *line = Line::greet(&attack.target, role).ok();
                        attack.count();
                    }
                }
                thread::sleep(PAUSE);
            }
        });
    }
    Ok(())
}
