//! The ids of the schemas that plugins see. Equal ones have one id, whichever format and message they came with.

use std::{
    collections::HashMap,
    fmt::{self, Write as _},
    sync::{LazyLock, Mutex, PoisonError},
};

use sha2::{Digest, Sha256};
use tidegate_abi::{Arena, Schema, SchemaDef};

/// Ids that the process remembers, with 50 bytes each. Beyond that, all are forgotten, and schemas get new ids: plugins that cache
/// by id then compute their entries again.
const MAX_IDS: usize = 50_000;

static IDS: LazyLock<Mutex<Ids>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Ids {
    /// By a hash of the content that nobody can choose two schemas for.
    known: HashMap<[u8; 32], u64>,
    last: u64,
}

/// Creates the schema with this content, in `arena`.
pub(crate) fn create<'m>(mut definition: SchemaDef<'m>, arena: Arena<'m>) -> Schema<'m> {
    definition.id = 0;
    let mut content = Hasher(Sha256::new());
    // Nested schemas have ids already, which stand for their content. Hashing cannot fail.
    let _infallible = write!(content, "{definition:?}");
    let mut ids = IDS.lock().unwrap_or_else(PoisonError::into_inner);
    definition.id = ids.of(content.0.finalize().into());
    drop(ids);
    definition.create(arena)
}

impl Ids {
    fn of(&mut self, content: [u8; 32]) -> u64 {
        if let Some(id) = self.known.get(&content) {
            return *id;
        }
        if self.known.len() >= MAX_IDS {
            self.known.clear();
        }
        self.last += 1;
        self.known.insert(content, self.last);
        self.last
    }
}

struct Hasher(Sha256);

impl fmt::Write for Hasher {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_forgotten_and_never_used_again() {
        let mut ids = Ids::default();
        let content = |number: usize| {
            let mut content = [0; 32];
            content[..8].copy_from_slice(&number.to_le_bytes());
            content
        };
        let first = ids.of(content(0));
        assert_eq!(ids.of(content(0)), first);
        let others: Vec<u64> = (1..=MAX_IDS).map(|number| ids.of(content(number))).collect();
        assert!(ids.known.len() <= MAX_IDS);
        let again = ids.of(content(0));
        assert!(again != first && !others.contains(&again));
    }
}
