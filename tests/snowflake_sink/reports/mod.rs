//! Cases from bug reports of similar systems: events, and the source's table after them. They run with several batch
//! sizes, in threads and in processes, with a restart of the host between any two batches.

mod bits;
mod case;
mod documents;
mod envelopes;
mod failovers;
mod flattened;
mod folder;
mod generated;
mod interrupted;
mod key_changes;
mod record;
mod replays;
mod reserved;
mod scene;
mod snapshots;
mod source;
mod stopped;
