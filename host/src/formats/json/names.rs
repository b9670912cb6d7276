//! Names that come twice in one object: the last value counts, in the place of the first, as in most readers.

use std::{
    hash::{BuildHasher, RandomState},
    sync::LazyLock,
};

use tidegate_abi::Field;

/// Fields up to which an object's names are compared one by one, where [`Names`] does not rule it out.
pub(super) const FEW: usize = 64;

/// Names of an object's first fields, as one bit each.
#[derive(Default)]
pub(super) struct Names([u64; 4]);

impl Names {
    /// Adds a name; false if it has not been there for sure.
    #[inline]
    pub(super) fn may_repeat(&mut self, name: &str) -> bool {
        // The upper bits of a product depend on all of the lower ones (Fibonacci hashing).
        let bit = (mark(name.as_bytes()) ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
        let word = &mut self.0[(bit >> 6) as usize];
        let mask = 1 << (bit & 63);
        let known = *word & mask != 0;
        *word |= mask;
        known
    }
}

/// All of a short name, the end of a long one, where most names of a table differ.
#[inline]
fn mark(name: &[u8]) -> u64 {
    if let Some(end) = name.last_chunk() {
        return u64::from_le_bytes(*end);
    }
    if let (Some(start), Some(end)) = (name.first_chunk(), name.last_chunk()) {
        return u64::from(u32::from_le_bytes(*start)) << 32 | u64::from(u32::from_le_bytes(*end));
    }
    name.iter().fold(0, |mark, byte| mark << 8 | u64::from(*byte))
}

/// Keeps the last value of each name in the place of its first, and calls `doubled` for each value that is passed over.
/// `slots` is memory to work in.
pub(super) fn merge<'b>(
    fields: &mut Vec<Field<'b>>,
    base: usize,
    slots: &mut Vec<u32>,
    mut doubled: impl FnMut(&'b str),
) {
    let count = fields.len() - base;
    let mask = (count * 2).next_power_of_two() - 1;
    slots.clear();
    slots.resize(mask + 1, 0);
    let mut kept = 0;
    for index in 0..count {
        let field = fields[base + index];
        let mut slot = hash(field.name()) as usize & mask;
        // A slot holds one more than the place of a field; half of the slots stay empty.
        while slots[slot] != 0 && fields[base + slots[slot] as usize - 1].name() != field.name() {
            slot = (slot + 1) & mask;
        }
        if slots[slot] == 0 {
            fields[base + kept] = field;
            kept += 1;
            slots[slot] = kept as u32;
        } else {
            fields[base + slots[slot] as usize - 1] = field;
            doubled(field.name());
        }
    }
    fields.truncate(base + kept);
}

/// Eight bytes at a time, with a seed of the process: names cannot be chosen so that all of them meet in one slot.
fn hash(name: &str) -> u64 {
    static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0) | 1);
    let mix = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(*SEED ^ 0x9e37_79b9_7f4a_7c15);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let (words, rest) = name.as_bytes().as_chunks::<8>();
    let hash =
        words.iter().fold(*SEED ^ name.len() as u64, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(hash, u64::from_le_bytes(last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tidegate_abi::Value;

    use super::*;

    #[test]
    fn a_name_that_comes_again_is_never_ruled_out() {
        let mut names = Names::default();
        for name in ["", "a", "id", "customer_id", "é"] {
            names.may_repeat(name);
            assert!(names.may_repeat(name), "{name}");
        }
    }

    proptest! {
        #[test]
        fn the_last_value_stays_at_the_first_place(names in prop::collection::vec("[a-c]{0,12}", 1..200), base in 0usize..3) {
            let mut fields = vec![Field::new("before", Value::NULL); base];
            fields.extend(names.iter().zip(0..).map(|(name, index)| Field::new(name, Value::int(index))));
            let mut expected: Vec<(&str, i64)> = Vec::new();
            let mut passed_over = 0;
            for (name, index) in names.iter().zip(0..) {
                match expected.iter_mut().find(|(known, _)| known == name) {
                    Some(entry) => { entry.1 = index; passed_over += 1; }
                    None => expected.push((name, index)),
                }
            }
            let mut doubled = 0;
            merge(&mut fields, base, &mut vec![7; 3], |_| doubled += 1);
            let kept: Vec<(&str, i64)> =
                fields[base..].iter().map(|field| (field.name(), field.value().as_i64().unwrap())).collect();
            prop_assert_eq!(kept, expected);
            prop_assert_eq!(doubled, passed_over);
        }
    }
}
