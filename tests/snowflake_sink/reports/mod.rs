//! Events as bug reports of comparable systems describe them, each with what the source's table holds after them, for
//! several sizes of batches, in threads and in processes, with a restart of the host between any two batches.

mod bits;
mod case;
mod documents;
mod envelopes;
mod failovers;
mod flattened;
mod folder;
mod interrupted;
mod moves;
mod others;
mod record;
mod replays;
mod scene;
mod snapshots;
mod source;
mod stopped;
