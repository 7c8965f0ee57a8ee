//! `lode verify`: replays a data directory from genesis and compares with what is stored.

use std::collections::{BTreeSet, VecDeque};
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chain::amount::Amount;
use chain::genesis::Network;
use chain::hash::{BlockHash, UtxoHash};
use client::data_directory::pinned_network;
use serde_json::json;

use crate::cli::VerifyOptions;
use command::failure::{Failure, ThreadsError};
use command::print;
use machine::replay::{BlockIndex, ReplayError, Sums, replay};
use machine::store::{Cut, Store, StoreError};
use machine::{Effect, Event, Machine, MachineConfig, Now, Surroundings, Verifier};
use output::progress::{OpeningBar, of_blocks};
use server::runtime::RayonVerifier;
use show::exit::Exit;
use show::streams::note;

/// What a directory holds, and whether it is what it should be.
struct Verdict {
    tip: BlockHash,
    height: u32,
    sums: Sums,
    /// Blocks stored, those of lost branches among them.
    blocks: usize,
    problem: Option<String>,
}

pub(super) fn run(options: &VerifyOptions) -> Result<Exit, Failure> {
    let network = Arc::new(pinned_network(&options.dir)?);
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let verifier = RayonVerifier::new(threads);
    let verifier = verifier.map_err(|error| ThreadsError(error.to_string()))?;
    if options.reindex {
        reindex(&options.dir, &network, &verifier)?;
    }
    let store = open(&options.dir, &network)?;
    tell_cut(store.cut());
    let verdict = verify(&store, &network, &verifier)?;
    print(&if options.json { verdict.to_json() } else { verdict.to_text() })?;
    Ok(if verdict.problem.is_none() { Exit::Ok } else { Exit::Directory })
}

fn open(dir: &Path, network: &Network) -> Result<Store, StoreError> {
    let bar = OpeningBar::default();
    Store::open_watched(dir, network, &bar.watcher())
}

/// Drops everything but the blocks, then lets a machine connect them again, without any network.
fn reindex(dir: &Path, network: &Arc<Network>, verifier: &RayonVerifier) -> Result<(), Failure> {
    let bar = OpeningBar::default();
    let rebuilt = Store::rebuild_and_report(dir, network, &bar.watcher())?;
    drop(bar);
    tell_cut(rebuilt.cut.as_ref());
    let (nobody, nowhere) = (MachineConfig::new("verify", [0; 32]), Surroundings::default());
    let since_1970 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = Now { wall_s: since_1970.as_secs(), monotonic: Duration::ZERO };
    let store = open(dir, network)?;
    let mut machine = Machine::new(nobody, nowhere, Arc::clone(network), store, now)?;
    let bar = of_blocks(rebuilt.blocks, "connecting");
    let mut events = VecDeque::new();
    // Time stands still, so that only what can be done at once is done.
    let is_due = |machine: &Machine| machine.next_wakeup().is_some_and(|at| at <= now.monotonic);
    while let Some(event) = events.pop_front().or_else(|| is_due(&machine).then_some(Event::Wakeup))
    {
        for effect in machine.handle(now, event)? {
            match effect {
                Effect::Verify { id, checks } => {
                    let first_invalid = verifier.first_invalid(&checks);
                    events.push_back(Event::Verified { id, first_invalid });
                }
                Effect::Write(writes) => {
                    let outcome = writes.run().map_err(Arc::new);
                    events.push_back(Event::Written { outcome });
                }
                _ => {}
            }
        }
        bar.set_position(u64::from(machine.ledger().height()) + 1);
    }
    bar.finish_and_clear();
    machine.shutdown()?;
    note(&format!("rebuilt from {} blocks", rebuilt.blocks));
    Ok(())
}

fn tell_cut(cut: Option<&Cut>) {
    if let Some(cut) = cut {
        let Cut { file, offset, bytes, copies } = cut;
        note(&format!(
            "cut {bytes} bytes of {} from byte {offset} on: no whole record begins there",
            file.display()
        ));
        for copy in copies {
            note(&format!("a copy is kept in {}", copy.display()));
        }
    }
}

/// Replays the best valid chain, and the one that the store stands on where that is another.
fn verify(
    store: &Store,
    network: &Network,
    verifier: &RayonVerifier,
) -> Result<Verdict, ReplayError> {
    let index = BlockIndex::new(store);
    let mut invalid = BTreeSet::new();
    loop {
        let tip = index.best(&invalid).unwrap_or(network.genesis_hash());
        let path = index.path_to(tip);
        match follow(store, network, verifier, &path) {
            Err(ReplayError::Invalid { hash, height, .. }) if height > 0 => {
                invalid.insert(hash);
            }
            Err(error) => return Err(error),
            Ok(followed) => {
                let at_position = match followed.at_position {
                    Some(sums) => Some(sums),
                    None => {
                        let path = index.path_to(store.position());
                        follow(store, network, verifier, &path)?.at_position
                    }
                };
                return Ok(Verdict {
                    tip,
                    height: u32::try_from(path.len().saturating_sub(1)).unwrap_or(u32::MAX),
                    sums: followed.last,
                    blocks: store.blocks().count(),
                    problem: problem(store, at_position),
                });
            }
        }
    }
}

struct Followed {
    last: Sums,
    /// After the block that the store stands on, if it is on the way.
    at_position: Option<Sums>,
}

fn follow(
    store: &Store,
    network: &Network,
    verifier: &RayonVerifier,
    path: &[BlockHash],
) -> Result<Followed, ReplayError> {
    let bar = of_blocks(path.len() as u64, "checking");
    let mut followed = Followed {
        last: Sums { supply: Amount::ZERO, coins: 0, utxo_hash: UtxoHash::ZERO },
        at_position: None,
    };
    let replayed = replay(store, network, verifier, path, |hash, sums| {
        bar.inc(1);
        followed.last = sums;
        if hash == store.position() {
            followed.at_position = Some(sums);
        }
    });
    bar.finish_and_clear();
    replayed.map(|()| followed)
}

fn problem(store: &Store, replayed: Option<Sums>) -> Option<String> {
    let totals = store.totals();
    let stored = Sums { supply: totals.supply, coins: totals.coins, utxo_hash: totals.utxo_hash };
    let Some(replayed) = replayed else {
        return Some(format!("the coins stand at block {}, which is not stored", store.position()));
    };
    (replayed != stored).then(|| {
        format!(
            "the stored coins (supply {}, hash {}) are not those of the blocks \
             (supply {}, hash {}); \
             run `lode verify --reindex`",
            stored.supply, stored.utxo_hash, replayed.supply, replayed.utxo_hash
        )
    })
}

impl Verdict {
    fn to_json(&self) -> String {
        let object = json!({
            "v": 1,
            "command": "verify",
            "height": self.height,
            "tip": self.tip.to_string(),
            "utxo_hash": self.sums.utxo_hash.to_string(),
            "supply": self.sums.supply.to_string(),
            "blocks": self.blocks,
            "ok": self.problem.is_none(),
            "problem": self.problem,
        });
        format!("{object}\n")
    }

    fn to_text(&self) -> String {
        let result =
            self.problem.as_deref().unwrap_or("every block holds, and the stored coins agree");
        format!(
            "height     {}\ntip        {}\nutxo hash  {}\nsupply     {} in {} coins\n\
             blocks     {}\nresult     {result}\n",
            self.height,
            self.tip,
            self.sums.utxo_hash,
            self.sums.supply,
            self.sums.coins,
            self.blocks
        )
    }
}
