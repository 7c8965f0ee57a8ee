//! `Templates`: the one place where templates go out to whoever searches, however many they are.
//!
//! The latest takes the place of all before it: a slow taker misses some and needs none of them.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use chain::hash::BlockHash;
use engine::{Cancel, Meter};
use tokio::sync::watch;

use super::Node;
use machine::template::Template;

/// What is to be searched now.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Where the best chain ends.
    pub tip: BlockHash,
    /// The block to mine on it; `None` when nothing shall be searched.
    pub template: Option<Arc<Template>>,
    /// Goes up as soon as another offer takes the place of this one, before anybody is told of the
    /// other: a search with this flag stops without any thread in between.
    pub replaced: Cancel,
    /// Hashes of the node's own pool at the moment when another node's block made the template
    /// worthless; nothing as long as that has not happened.
    pub(super) stale_from: Arc<OnceLock<u64>>,
}

/// Where the machine's thread leaves its templates.
pub(super) struct Templates {
    wanted: Mutex<Wanted>,
    offers: watch::Sender<Offer>,
    /// What the node's own pool counts, if it has one.
    meter: Option<Arc<Meter>>,
}

struct Wanted {
    tip: BlockHash,
    /// What the machine wants searched.
    template: Option<Arc<Template>>,
    /// Templates above this height do not go out.
    height_max: u32,
}

impl Node {
    /// What is to be searched, from now on, by whoever searches with a lease of [`Node::leases`].
    /// Clone what is borrowed and let go of it at once: the machine's thread waits meanwhile.
    /// Solutions go to [`super::Handle::submit_solution`]. `None` on a node that is stopping.
    pub fn templates(&self) -> Option<watch::Receiver<Offer>> {
        self.parts.as_ref().map(|parts| parts.templates.subscribe())
    }

    /// Lets no template above `height` be searched from now on; zero lets all miners of the node
    /// rest. A block that was found already is not taken back.
    pub fn mine_up_to(&self, height: u32) {
        if let Some(parts) = &self.parts {
            parts.templates.limit(height);
        }
    }
}

impl Templates {
    /// At rest on `tip`. `meter` counts the hashes of the node's own pool.
    pub fn new(tip: BlockHash, height_max: u32, meter: Option<Arc<Meter>>) -> Self {
        let wanted = Wanted { tip, template: None, height_max };
        let (offers, _) = watch::channel(wanted.offer());
        Self { wanted: Mutex::new(wanted), offers, meter }
    }

    /// Another taker; it sees the latest offer first.
    pub fn subscribe(&self) -> watch::Receiver<Offer> {
        let mut offers = self.offers.subscribe();
        offers.mark_changed();
        offers
    }

    /// Search `template` from now on and no other. Whatever is being searched stops within a batch.
    pub fn set(&self, template: Arc<Template>) {
        self.publish(template.header.previous, Some(template));
    }

    /// Search nothing from now on; the best chain ends at `tip`.
    pub fn rest(&self, tip: BlockHash) {
        self.publish(tip, None);
    }

    /// Lets out no template above `height_max` from now on. A search that is still allowed goes on
    /// undisturbed.
    pub fn limit(&self, height_max: u32) {
        let mut wanted = self.lock();
        wanted.height_max = height_max;
        let is_out = self.offers.borrow().template.is_some();
        if wanted.allowed().is_some() != is_out {
            self.replace(wanted.offer());
        }
    }

    fn publish(&self, tip: BlockHash, template: Option<Arc<Template>>) {
        let mut wanted = self.lock();
        (wanted.tip, wanted.template) = (tip, template);
        self.replace(wanted.offer());
    }

    /// With `wanted` locked, so that the last to change it is also the last to be heard of.
    fn replace(&self, offer: Offer) {
        {
            let old = self.offers.borrow();
            let is_stale = |template: &Arc<Template>| template.header.previous != offer.tip;
            if let (Some(meter), true) = (&self.meter, old.template.as_ref().is_some_and(is_stale))
            {
                // Each offer is replaced once.
                let _ = old.stale_from.set(meter.snapshot().total);
            }
            old.replaced.cancel();
        }
        self.offers.send_replace(offer);
    }

    fn lock(&self) -> MutexGuard<'_, Wanted> {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Templates {
    /// Nobody says any more what is worth searching.
    fn drop(&mut self) {
        self.offers.borrow().replaced.cancel();
    }
}

impl Wanted {
    fn allowed(&self) -> Option<&Arc<Template>> {
        self.template.as_ref().filter(|template| template.height <= self.height_max)
    }

    fn offer(&self) -> Offer {
        Offer {
            tip: self.tip,
            template: self.allowed().cloned(),
            replaced: Cancel::new(),
            stale_from: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests;
