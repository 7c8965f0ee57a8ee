//! Deadlines: a machine that is woken when it wants to be misses nothing and never spins.

use std::time::Duration;

use proptest::prelude::*;

use super::conversation::{Conversation, SUBJECT, Step, machine_config, steps};
use super::rig::Rig;
use crate::deadline::LATE_MAX;
use crate::{Effect, Event};

/// Calls after which a machine that wants to be called again at once does not rest.
const RESTLESS: usize = 1_000;

/// Wakes the machine as long as it wants that at once; each call must bring it on.
fn settle(talk: &mut Conversation) -> Result<Vec<Effect>, TestCaseError> {
    let (now, mut all) = (talk.rig.now.monotonic, Vec::new());
    for _ in 0..RESTLESS {
        let Some(at) = talk.rig.machine.next_wakeup().filter(|at| *at <= now) else {
            return Ok(all);
        };
        prop_assert!(at <= now);
        all.extend(talk.handle(Event::Wakeup));
    }
    Err(TestCaseError::fail("it never rests"))
}

/// Lets time pass, and wakes the machine when it wants to be; somewhere before each of those times,
/// as `early` says, it is woken in vain and must have nothing to do.
fn pass(talk: &mut Conversation, ms: u64, early: u32) -> Result<(), TestCaseError> {
    let end = talk.rig.now.monotonic + Duration::from_millis(ms);
    let mut calls = 0;
    loop {
        let now = talk.rig.now.monotonic;
        let due = talk.rig.machine.next_wakeup();
        prop_assert!(due.is_none_or(|at| at > now), "time stands still");
        let until = due.map_or(end, |at| at.min(end));
        let between = now + (until - now) * early / 100;
        if between > now && between < until {
            talk.set_time(between);
            // Whom to dial when is remembered; it is found again.
            talk.rig.machine.address_book.look_again();
            let effects = talk.handle(Event::Wakeup);
            // Only what the wall clock brings about may be noticed late.
            let in_time = effects.is_empty() || due.is_some_and(|at| at <= between + LATE_MAX);
            prop_assert!(in_time, "due at {between:?}, not at {due:?}: {effects:?}");
            settle(talk)?;
        }
        let Some(at) = talk.rig.machine.next_wakeup().filter(|at| *at <= end) else {
            break;
        };
        talk.set_time(at);
        talk.handle(Event::Wakeup);
        settle(talk)?;
        calls += 1;
        prop_assert!(calls < 5 * (ms / 1_000 + 10), "{calls} calls in {ms} ms");
    }
    talk.set_time(end);
    talk.handle(Event::Wakeup);
    settle(talk)?;
    Ok(())
}

proptest! {
    #[test]
    fn a_machine_is_woken_for_what_is_due_and_nothing_is_due_before(
        config in machine_config(),
        steps in steps(),
        early in 0u32..100,
    ) {
        let mut talk = Conversation::new(config);
        for step in &steps {
            if let Step::Pass { ms } = step {
                pass(&mut talk, *ms, early)?;
            }
            if let Some(event) = talk.event(step) {
                talk.handle(event);
                settle(&mut talk)?;
            }
            if let Step::Join { role: Some(role), .. } = step
                && let Some(hello) = talk.hello(*role)
            {
                talk.handle(hello);
                settle(&mut talk)?;
            }
        }
        pass(&mut talk, 400_000, early)?;
    }
}

#[test]
fn a_wall_clock_that_jumps_is_noticed_within_five_seconds() {
    let forge = &SUBJECT.forge;
    let mut rig = Rig::new(forge);
    let peer = rig.peer();
    let right = rig.machine.tree().len();
    rig.now.wall_s -= 90_000;
    // The clock was wrong: genesis is ten thousand seconds old, its children are ahead.
    let mut own = super::forge::Forge::new();
    let limit = own.network.spec.future_limit_s();
    let ahead = u32::try_from(rig.now.wall_s).unwrap() + limit + 5_000;
    let hash = own.mine_with(own.genesis(), &[], |block| block.header.time = ahead);
    rig.give(peer, own.bytes(hash));
    rig.settle(Event::Disconnected { peer });
    rig.pass(Duration::from_secs(62));
    assert_eq!(rig.machine.tree().len(), right);
    rig.now.wall_s += 90_000;
    let at = rig.machine.next_wakeup().unwrap();
    assert!(at <= rig.now.monotonic + Duration::from_secs(5));
    rig.now.monotonic = at;
    rig.settle(Event::Wakeup);
    assert_eq!(rig.tip(), hash);
}
