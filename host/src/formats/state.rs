//! All that has to be known of the records of a partition before an offset, as the bytes that are stored with it: the ids of
//! cluster and topic, the order of its events, and in topics of flattened rows what a tombstone means there.

use std::sync::Arc;

use tidegate_abi::host::HostState;

use super::{change::FlattenedTopic, order};

/// First byte of a state that begins with what is known of flattened rows; the order's own states begin with theirs.
const WITH_FLATTENED: u8 = 128;

/// First byte of a state that begins with the ids of cluster and topic.
const WITH_IDS: u8 = 129;

/// Longer ids of clusters are cut.
const MAX_CLUSTER_BYTES: usize = 64;

/// Longer descriptions are not stored, so that the whole fits into Kafka's commit metadata. Only names of absurd length make
/// one.
const MAX_FLATTENED_BYTES: usize = 700;

/// Which topic the records of a partition are in; another one may have the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicIdentity<'a> {
    /// The id of the Kafka cluster; empty if it is unknown.
    pub cluster: &'a str,
    /// The id of the topic (KIP-516).
    pub topic: [u8; 16],
}

/// The state of a partition of this topic, with what `state` says of the records before.
#[must_use]
pub fn with_ids(state: Option<&[u8]>, ids: TopicIdentity<'_>) -> Arc<[u8]> {
    let rest = state.map_or(&[][..], |state| split_ids(state).1);
    // Ids of clusters have 22 characters.
    let cluster = ids.cluster.get(..ids.cluster.len().min(MAX_CLUSTER_BYTES)).unwrap_or_default();
    [&[WITH_IDS], &ids.topic[..], &[cluster.len() as u8], cluster.as_bytes(), rest].concat().into()
}

/// The topic that a state belongs to; `None` if it was unknown.
#[must_use]
pub fn ids(state: &[u8]) -> Option<TopicIdentity<'_>> {
    split_ids(state).0
}

/// A state that holds nothing but the topic that `state` belongs to.
pub(super) fn only_ids(state: Option<&[u8]>) -> HostState {
    Some(with_ids(None, ids(state?)?))
}

fn split_ids(state: &[u8]) -> (Option<TopicIdentity<'_>>, &[u8]) {
    let parts = || {
        let (topic, rest) = state.strip_prefix(&[WITH_IDS])?.split_first_chunk()?;
        let (length, rest) = rest.split_first()?;
        let (cluster, rest) = rest.split_at_checked(usize::from(*length))?;
        Some((TopicIdentity { cluster: str::from_utf8(cluster).ok()?, topic: *topic }, rest))
    };
    parts().map_or((None, state), |(ids, rest)| (Some(ids), rest))
}

/// Joins the parts. `ids` is a state that holds only these.
pub(super) fn join(ids: HostState, order: HostState, flattened: Option<&FlattenedTopic>) -> HostState {
    let rest = join_rest(order, flattened);
    match (ids, rest) {
        (Some(ids), Some(rest)) => Some([&*ids, &*rest].concat().into()),
        (ids, rest) => ids.or(rest),
    }
}

fn join_rest(order: HostState, flattened: Option<&FlattenedTopic>) -> HostState {
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

/// The parts of a state without the ids: the order's bytes if there are any, and what is known of flattened rows.
pub(super) fn split(state: &[u8]) -> (Option<&[u8]>, Option<FlattenedTopic>) {
    let (_, state) = split_ids(state);
    let parts = || {
        let rest = state.strip_prefix(&[WITH_FLATTENED])?;
        let (length, rest) = rest.split_first_chunk()?;
        rest.split_at_checked(u16::from_le_bytes(*length).into())
    };
    let (order, flattened) = match parts() {
        Some((text, order)) => (order, serde_json::from_slice(text).ok()),
        None => (state, None),
    };
    ((!order.is_empty()).then_some(order), flattened)
}

/// The state of a partition whose log in Kafka began again under the same name: whatever comes is newer than all before.
#[must_use]
pub fn state_of_new_topic(state: Option<&[u8]>) -> HostState {
    order::in_new_topic(state.and_then(|state| split(state).0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_come_back() {
        let topic =
            FlattenedTopic { announces_deletes: true, table: "jobs".into(), ..FlattenedTopic::default() };
        let order: HostState = Some([1, 2, 3].into());
        let joined = join(None, order.clone(), Some(&topic)).unwrap();
        assert_eq!(split(&joined), (Some(&[1, 2, 3][..]), Some(topic.clone())));
        assert_eq!(join(None, order.clone(), None).as_deref(), Some(&[1, 2, 3][..]));
        assert_eq!(split(&[1, 2, 3]), (Some(&[1, 2, 3][..]), None));
        let without_order = join(None, None, Some(&topic)).unwrap();
        assert_eq!(split(&without_order), (None, Some(topic.clone())));
        assert_eq!(split(&[WITH_FLATTENED, 255, 255]).1, None, "a damaged state");
    }

    #[test]
    fn the_ids_go_with_the_other_parts() {
        let here = TopicIdentity { cluster: "MkU3OEVBNTcwNTJENDM2Qk", topic: [7; 16] };
        let topic = FlattenedTopic { table: "jobs".into(), ..FlattenedTopic::default() };
        let bare: HostState = Some(with_ids(None, here));
        assert_eq!(join(bare.clone(), None, None), bare);
        let joined = join(bare.clone(), Some([1, 2, 3].into()), Some(&topic)).unwrap();
        assert_eq!(ids(&joined), Some(here));
        assert_eq!(split(&joined), (Some(&[1, 2, 3][..]), Some(topic)));
        assert_eq!(only_ids(Some(&joined)), bare);
        let other = TopicIdentity { cluster: "", topic: [8; 16] };
        let moved = with_ids(Some(&joined), other);
        assert_eq!((ids(&moved), split(&moved)), (Some(other), split(&joined)));
        assert_eq!((ids(&[1, 2, 3]), only_ids(Some(&[1, 2, 3]))), (None, None));
        assert_eq!(split(bare.as_deref().unwrap_or_default()), (None, None));
        assert_eq!(ids(&[WITH_IDS, 1, 2]), None, "a damaged state");
        let long = with_ids(None, TopicIdentity { cluster: &"x".repeat(1_000), ..here });
        assert!(long.len() < 100);
    }

    #[test]
    fn a_name_of_absurd_length_is_not_stored() {
        let topic = FlattenedTopic { table: "t".repeat(1_000).into(), ..FlattenedTopic::default() };
        assert_eq!(join(None, None, Some(&topic)), None);
    }
}
