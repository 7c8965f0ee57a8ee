//! What takers see of the templates, and what stops their searches.

use proptest::prelude::*;

use super::*;
use crate::runtime::miner::tests::template;

fn templates(meter: Option<Arc<Meter>>) -> Templates {
    Templates::new(BlockHash::ZERO, u32::MAX, meter)
}

fn height(offer: &Offer) -> Option<u32> {
    offer.template.as_ref().map(|template| template.height)
}

proptest! {
    #[test]
    fn every_taker_has_the_latest_that_the_limit_allows_and_all_before_it_is_stopped(
        steps in prop::collection::vec((0u8..4, 0u32..6), 1..40),
    ) {
        let templates = templates(None);
        let (mut first, second) = (templates.subscribe(), templates.subscribe());
        let (mut latest, mut limit) = (None, u32::MAX);
        for (step, at) in steps {
            let old = first.borrow_and_update().clone();
            let was_out = height(&old);
            match step {
                0 => {
                    templates.rest(BlockHash::ZERO);
                    latest = None;
                }
                1 => {
                    templates.limit(at);
                    limit = at;
                }
                _ => {
                    templates.set(Arc::new(Template { height: at, ..template(1, 8) }));
                    latest = Some(at);
                }
            }
            let new = first.borrow().clone();
            prop_assert_eq!(height(&new), latest.filter(|height| *height <= limit));
            prop_assert_eq!(height(&second.borrow()), height(&new));
            prop_assert!(!new.replaced.is_cancelled());
            // A limit that changes nothing leaves the search alone.
            let is_new = step != 1 || was_out.is_some() != height(&new).is_some();
            prop_assert_eq!(first.has_changed().unwrap(), is_new);
            prop_assert_eq!(old.replaced.is_cancelled(), is_new);
        }
        let last = first.borrow().clone();
        drop(templates);
        prop_assert!(last.replaced.is_cancelled());
        prop_assert!(second.has_changed().is_err());
    }
}

#[test]
fn a_flag_is_up_before_anybody_sees_the_next_offer() {
    let templates = templates(None);
    let mut offers = templates.subscribe();
    let taker = std::thread::spawn(move || {
        let tokio = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut seen = 0;
        let mut before: Option<Offer> = None;
        while tokio.block_on(offers.changed()).is_ok() {
            let offer = offers.borrow_and_update().clone();
            assert!(before.is_none_or(|before| before.replaced.is_cancelled()));
            before = Some(offer);
            seen += 1;
        }
        seen
    });
    for id in 0..20_000 {
        templates.set(Arc::new(template(id % 200, 8)));
    }
    drop(templates);
    assert!(taker.join().unwrap() > 0);
}

#[test]
fn the_hashes_are_noted_when_another_block_makes_a_template_worthless_and_only_then() {
    let meter = Arc::new(Meter::new(1));
    let templates = templates(Some(Arc::clone(&meter)));
    let offers = templates.subscribe();
    let on = |tip: u64| {
        templates.set(Arc::new(template(tip, 8)));
        offers.borrow().clone()
    };
    let replaced = on(1);
    meter.add(0, 10);
    let stale = on(1);
    meter.add(0, 10);
    let rested = on(2);
    meter.add(0, 10);
    templates.rest(BlockHash([2; 32]));
    let noted = [&replaced, &stale, &rested].map(|offer| offer.stale_from.get().copied());
    assert_eq!(noted, [None, Some(20), None]);
}
