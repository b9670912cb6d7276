//! Random sources, with restarts of the connector, failovers and restores, against the real decisions: tables end up equal
//! to the source whatever is sent again, and wherever the host is restarted.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    codec,
    event::{Event, Writer},
    log::Placed,
    partition::PartitionOrder,
};

const SOURCE: u64 = 7;

/// What a source does next.
#[derive(Clone, Debug)]
enum Step {
    /// Commits changes of these rows in one transaction.
    Commit { rows: Vec<u8>, later_ms: i64 },
    /// The connector restarts and sends its last events again.
    Resend { events: usize },
    /// The source is replaced: positions go on from here, and what tells so besides.
    Replace { position: u64, evidence: Evidence },
    /// The host is restarted.
    Restart,
}

#[derive(Clone, Copy, Debug)]
enum Evidence {
    Nothing,
    LaterTime,
    OtherWriter,
}

fn steps(most_resent: usize) -> impl Strategy<Value = Vec<Step>> {
    let evidence =
        prop_oneof![Just(Evidence::Nothing), Just(Evidence::LaterTime), Just(Evidence::OtherWriter)];
    let step = prop_oneof![
        6 => (proptest::collection::vec(0u8..5, 1..4), 0i64..3)
            .prop_map(|(rows, later_ms)| Step::Commit { rows, later_ms }),
        2 => (1..most_resent).prop_map(|events| Step::Resend { events }),
        1 => (1u64..60, evidence).prop_map(|(position, evidence)| Step::Replace { position, evidence }),
        2 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 1..60)
}

/// A change of a row: its key and new value.
#[derive(Clone, Copy, Debug)]
struct Sent {
    event: Event,
    key: u8,
    value: u32,
}

#[derive(Default)]
struct Source {
    position: u64,
    now_ms: i64,
    writer: u64,
    transaction: u64,
    value: u32,
    rows: BTreeMap<u8, u32>,
    inserted: Vec<u32>,
    sent: Vec<Sent>,
}

impl Source {
    fn commit(&mut self, rows: &[u8], later_ms: i64) -> Vec<Sent> {
        self.now_ms += later_ms;
        self.transaction += 1;
        let sent: Vec<Sent> = rows.iter().map(|key| self.change(*key)).collect();
        self.sent.extend(&sent);
        sent
    }

    fn change(&mut self, key: u8) -> Sent {
        self.position += 1;
        self.value += 1;
        self.rows.insert(key, self.value);
        self.inserted.push(self.value);
        let writer = Writer { id: self.writer, sequence: self.transaction };
        let event = Event {
            words: [self.position, 0, 0, 0],
            check: self.value,
            transaction: self.transaction as u32,
            committed_ms: Some(self.now_ms),
            writer: (self.writer > 0).then_some(writer),
            is_snapshot: false,
            is_unique: true,
        };
        Sent { event, key, value: self.value }
    }

    fn replace(&mut self, position: u64, evidence: Evidence) {
        self.position = position;
        match evidence {
            Evidence::Nothing => {}
            Evidence::LaterTime => self.now_ms += 1,
            Evidence::OtherWriter => self.writer += 1,
        }
    }
}

/// What sinks hold: a table by key with its guard, and one without a key.
#[derive(Default)]
struct Tables {
    rows: BTreeMap<u8, (u64, [u64; 4], u32)>,
    appended: Vec<u32>,
}

impl Tables {
    fn apply(&mut self, sent: &Sent, placed: Placed) {
        if !placed.resent {
            self.appended.push(sent.value);
        }
        let position = (placed.generation, sent.event.words);
        let is_newer =
            self.rows.get(&sent.key).is_none_or(|(generation, words, _)| position > (*generation, *words));
        if is_newer {
            self.rows.insert(sent.key, (position.0, position.1, sent.value));
        }
    }
}

fn restarted(order: &PartitionOrder) -> PartitionOrder {
    codec::decode(&codec::encode(order)).expect("a state that was just encoded")
}

fn run(steps: &[Step], mut restart: impl FnMut(&PartitionOrder) -> PartitionOrder) -> (Source, Tables) {
    let (mut source, mut tables) = (Source { writer: 1, ..Source::default() }, Tables::default());
    let mut order = PartitionOrder::read_from(0);
    for step in steps {
        let sent = match step {
            Step::Commit { rows, later_ms } => source.commit(rows, *later_ms),
            Step::Resend { events } => {
                let from = source.sent.len().saturating_sub(*events);
                source.sent[from..].to_vec()
            }
            Step::Replace { position, evidence } => {
                source.replace(*position, *evidence);
                continue;
            }
            Step::Restart => {
                order = restart(&order);
                continue;
            }
        };
        for sent in &sent {
            let placed = order.place(SOURCE, &sent.event);
            tables.apply(sent, placed);
        }
    }
    (source, tables)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn tables_equal_the_source_whatever_is_sent_again(steps in steps(40)) {
        let (source, tables) = run(&steps, restarted);
        let rows: BTreeMap<u8, u32> = tables.rows.iter().map(|(key, (_, _, value))| (*key, *value)).collect();
        prop_assert_eq!(rows, source.rows);
        prop_assert_eq!(tables.appended, source.inserted);
    }

    #[test]
    fn restarts_change_nothing(steps in steps(300)) {
        let (_, with) = run(&steps, restarted);
        let (_, without) = run(&steps, PartitionOrder::clone);
        prop_assert_eq!(with.rows, without.rows);
        prop_assert_eq!(with.appended, without.appended);
    }

    #[test]
    fn a_damaged_state_is_refused_or_read_and_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(order) = codec::decode(&bytes) {
            prop_assert!(codec::decode(&codec::encode(&order)).is_ok());
        }
    }

    #[test]
    fn a_state_is_short_and_comes_back(steps in steps(300)) {
        run(&steps, |order| {
            let bytes = codec::encode(order);
            assert!(bytes.len() <= codec::MAX_BYTES, "{} bytes", bytes.len());
            let decoded = restarted(order);
            assert!(decoded == *order);
            decoded
        });
    }
}
