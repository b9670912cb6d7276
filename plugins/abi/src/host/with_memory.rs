//! A value together with the memory that it borrows from.

use super::{chunks::Chunks, kept::Keep};
use crate::arena::Arena;

/// Size of the first chunk: most schemas are small.
const FIRST_CHUNK: usize = 1 << 10;

/// A type that borrows from an arena.
pub trait Borrows {
    /// The type, borrowing for `'m`.
    type Of<'m>;

    /// Shortens the lifetime: returns its argument. That this compiles shows that the type is covariant.
    fn shorten<'s, 'm: 's>(value: &'s Self::Of<'m>) -> &'s Self::Of<'s>;
}

/// A value that borrows from memory of its own, such as a compiled schema with its names and defaults.
pub struct WithMemory<B: Borrows> {
    // Dropped before the memory.
    value: B::Of<'static>,
    memory: Chunks,
}

impl<B: Borrows> WithMemory<B> {
    /// Builds a value in new memory.
    ///
    /// # Errors
    /// When `build` fails; the memory is freed.
    pub fn try_new<E>(build: impl for<'m> FnOnce(Arena<'m>) -> Result<B::Of<'m>, E>) -> Result<Self, E> {
        let mut memory = Chunks::starting_with(FIRST_CHUNK);
        // SAFETY: `build` works for any lifetime, so it can hand the arena and what it allocates to nobody but its result. That is
        // dropped before the memory, and lent for no longer than `self`. Chunks do not move.
        let value = build(unsafe { memory.arena() })?;
        Ok(Self { value, memory })
    }

    /// The value.
    #[must_use]
    pub fn get(&self) -> &B::Of<'_> {
        B::shorten(&self.value)
    }

    /// Bytes of the memory, without what the value has elsewhere.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.memory.capacity()
    }
}

impl<B: Borrows + 'static> Keep for WithMemory<B>
where
    B::Of<'static>: Send + Sync,
{
    /// As [`WithMemory::memory_bytes`].
    fn bytes(&self) -> usize {
        self.memory_bytes()
    }
}

impl<B: Borrows> std::fmt::Debug for WithMemory<B>
where
    for<'m> B::Of<'m>: std::fmt::Debug,
{
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.get().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Schema, SchemaDef};

    struct Name;

    impl Borrows for Name {
        type Of<'m> = (&'m str, Schema<'m>);

        fn shorten<'s, 'm: 's>(value: &'s Self::Of<'m>) -> &'s Self::Of<'s> {
            value
        }
    }

    #[test]
    fn a_value_borrows_from_memory_that_moves_and_is_shared_with_it() {
        let long = "name ".repeat(10_000);
        let built: Result<_, ()> = WithMemory::<Name>::try_new(|arena| {
            let schema = SchemaDef { name: long.clone(), ..SchemaDef::default() };
            Ok((arena.str(&long), schema.create(arena)))
        });
        let built = std::sync::Arc::new(built.unwrap());
        let there = std::sync::Arc::clone(&built);
        let seen = std::thread::spawn(move || there.get().1.name().len()).join().unwrap();
        assert_eq!((built.get().0, seen), (&*long, long.len()));
        assert!((100_000..250_000).contains(&built.memory_bytes()), "{}", built.memory_bytes());
    }

    #[test]
    fn a_small_value_takes_little_memory_and_a_failed_one_none() {
        let small = WithMemory::<Name>::try_new(|arena| {
            Ok::<_, ()>((arena.str("a"), SchemaDef::default().create(arena)))
        });
        assert_eq!(small.unwrap().memory_bytes(), FIRST_CHUNK);
        assert_eq!(WithMemory::<Name>::try_new(|_| Err("why")).unwrap_err(), "why");
    }
}
