//! The store: blocks in flat files, everything derived from them in redb under a write-back cache.
