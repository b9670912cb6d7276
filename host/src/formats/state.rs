//! All that a decoder has to know of the records of a partition before an offset, as the bytes that are stored with it: the
//! order of its events, and in topics of flattened rows what a tombstone means there.

use tidegate_abi::host::HostState;

use super::{change::FlattenedTopic, order};

/// First byte of a state that begins with what is known of flattened rows; the order's own states begin with theirs.
const WITH_FLATTENED: u8 = 128;

/// Longer descriptions are not stored, so that the whole fits into Kafka's commit metadata. Only names of absurd length make
/// one.
const MAX_FLATTENED_BYTES: usize = 700;

/// Joins both parts.
pub(super) fn join(order: HostState, flattened: Option<&FlattenedTopic>) -> HostState {
    let Some(text) = flattened.and_then(|topic| serde_json::to_vec(topic).ok()) else { return order };
    let Ok(length) = u16::try_from(text.len()) else { return order };
    if text.len() > MAX_FLATTENED_BYTES {
        return order;
    }
    let mut bytes = vec![WITH_FLATTENED];
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&text);
    bytes.extend_from_slice(order.as_deref().unwrap_or_default());
    Some(bytes.into())
}

/// Both parts of a state: the order's bytes, and what is known of flattened rows.
pub(super) fn split(state: &[u8]) -> (&[u8], Option<FlattenedTopic>) {
    let parts = || {
        let rest = state.strip_prefix(&[WITH_FLATTENED])?;
        let (length, rest) = rest.split_first_chunk()?;
        rest.split_at_checked(u16::from_le_bytes(*length).into())
    };
    match parts() {
        Some((text, order)) => (order, serde_json::from_slice(text).ok()),
        None => (state, None),
    }
}

/// The state of a partition whose log in Kafka began again under the same name: whatever comes is newer than all before.
#[must_use]
pub fn state_of_new_topic(state: Option<&[u8]>) -> HostState {
    order::in_new_topic(state.map(|state| split(state).0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_come_back() {
        let topic =
            FlattenedTopic { announces_deletes: true, table: "jobs".into(), ..FlattenedTopic::default() };
        let order: HostState = Some([1, 2, 3].into());
        let joined = join(order.clone(), Some(&topic)).unwrap();
        assert_eq!(split(&joined), (&[1, 2, 3][..], Some(topic)));
        assert_eq!(join(order, None).as_deref(), Some(&[1, 2, 3][..]));
        assert_eq!(split(&[1, 2, 3]), (&[1, 2, 3][..], None));
        assert_eq!(split(&[WITH_FLATTENED, 255, 255]).1, None, "a damaged state");
    }

    #[test]
    fn a_name_of_absurd_length_is_not_stored() {
        let topic = FlattenedTopic { table: "t".repeat(1_000).into(), ..FlattenedTopic::default() };
        assert_eq!(join(None, Some(&topic)), None);
    }
}
