//! A model of a database that drives the lanes through kills, takeovers, late COMMITs, and changes of their number.
//!
//! The tables of the model keep every row that is ever committed, as tables without a key do. So a record that is lost or
//! written twice shows.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;

const PARTITIONS: [Partition<'static>; 2] =
    [Partition { topic: "t", partition: 0 }, Partition { topic: "t", partition: 1 }];
/// Names of tables, some of which share a bucket.
const TABLES: [&str; 7] = ["orders", "page_views", "a", "b", "c", "d", "e"];
/// Records of each partition.
const RECORDS: i64 = 60;

/// The table of a record. Records of both partitions belong to all tables.
fn table_of(partition: i32, offset: i64) -> &'static str {
    let spread = (offset * 5 + i64::from(partition) * 3 + offset / 7) as usize;
    TABLES[spread % TABLES.len()]
}

/// Row of an offsets table: epoch, next offset, state.
type Stored = (u64, Option<i64>, Option<String>);

/// What the database has committed.
#[derive(Clone, Debug, Default)]
struct Store {
    /// By lane, then by partition.
    offsets: Vec<BTreeMap<i32, Stored>>,
    /// Table, partition and offset of every row.
    rows: Vec<(&'static str, i32, i64)>,
}

impl Store {
    fn answers(&self) -> Vec<Answer> {
        let row = |(partition, (epoch, next, state)): (&i32, &Stored)| {
            let text = |text: String| Some(text);
            vec![
                text("t".to_owned()),
                text(partition.to_string()),
                text(String::new()),
                text(epoch.to_string()),
                next.map(|next| next.to_string()),
                state.clone(),
            ]
        };
        let of_lane = |lane: &BTreeMap<i32, Stored>| Answer {
            rows: lane.iter().map(row).collect(),
            ..Answer::default()
        };
        self.offsets.iter().map(of_lane).collect()
    }

    /// Sets higher epochs, as the MERGE of a claim does.
    fn claim(&mut self, epochs: &[u64]) {
        (0..self.offsets.len()).for_each(|lane| self.claim_lane(lane, epochs));
    }

    fn claim_lane(&mut self, lane: usize, epochs: &[u64]) {
        for (partition, stored) in &mut self.offsets[lane] {
            stored.0 = stored.0.max(epochs[*partition as usize]);
        }
    }

    /// Commits a transaction unless an offset is not as expected, as the MERGE of the offsets does.
    fn commit(&mut self, rows: &[(&'static str, i32, i64)], moves: &[(usize, String)]) -> bool {
        let mut offsets = self.offsets.clone();
        for (lane, payload) in moves {
            let rows: Vec<Vec<Json>> = serde_json::from_str(payload).unwrap();
            for row in rows {
                let number = |index: usize| row[index].as_str().map(|text| text.parse::<i64>().unwrap());
                let Some(stored) = offsets[*lane].get_mut(&(number(1).unwrap() as i32)) else { return false };
                if number(3) != Some(stored.0 as i64) || number(4) != stored.1 {
                    return false;
                }
                (stored.1, stored.2) = (number(5), row[6].as_str().map(str::to_owned));
            }
        }
        self.offsets = offsets;
        self.rows.extend_from_slice(rows);
        true
    }
}

/// A task that owns both partitions.
struct Task {
    lanes: Lanes,
    epoch: u64,
    next: [i64; 2],
}

/// A transaction: its rows, and the offsets that it moves by lane.
type Transaction = (Vec<(&'static str, i32, i64)>, Vec<(usize, Moves)>);

impl Task {
    fn claim(store: &mut Store, wanted: usize) -> Self {
        // The number of the task is different each time, too.
        let task =
            store.offsets.iter().flat_map(BTreeMap::values).map(|stored| stored.0).max().unwrap_or_default();
        let mut lanes = Lanes::new(&[None], task as usize % 3, wanted);
        lanes.grow(store.offsets.len());
        store.offsets.resize_with(lanes.count(), BTreeMap::new);
        let missing = lanes.missing(&PARTITIONS, &store.answers()).unwrap();
        for (lane, payload) in missing.into_iter().enumerate() {
            let rows: Vec<Vec<Json>> =
                payload.map(|text| serde_json::from_str(&text).unwrap()).unwrap_or_default();
            for row in rows {
                let next = row[3].as_str().map(|next| next.parse().unwrap());
                let stored = (0, next, row[4].as_str().map(str::to_owned));
                store.offsets[lane].insert(row[1].as_str().unwrap().parse().unwrap(), stored);
            }
        }
        let epochs = Lanes::new_epochs(&PARTITIONS, &store.answers(), 0).unwrap();
        store.claim(&epochs);
        assert!(Lanes::holds_claim(&PARTITIONS, &epochs, &store.answers()).unwrap());
        let claims = lanes.claimed(&PARTITIONS, &store.answers()).unwrap();
        let start = |index: usize| claims[index].next_offset.unwrap_or_default();
        // The state belongs to the offset: the model stores the offset as state.
        for claim in &claims {
            let state = claim.next_offset.map(|next| next.to_string()).unwrap_or_default();
            assert_eq!(claim.state, state.as_bytes());
        }
        Self { lanes, epoch: claims[0].epoch, next: [start(0), start(1)] }
    }

    /// The transactions of the next batch.
    fn batch(&self, sizes: [i64; 2]) -> (Vec<Transaction>, [i64; 2]) {
        let end = [0, 1].map(|index: usize| (self.next[index] + sizes[index]).min(RECORDS));
        let states = end.map(|next| next.to_string());
        let positions: Vec<NextOffset<'_>> = [0, 1]
            .map(|index: usize| NextOffset {
                topic: "t",
                partition: index as i32,
                next_offset: end[index],
                epoch: self.epoch,
                state: states[index].as_bytes(),
            })
            .into_iter()
            .filter(|position| sizes[position.partition as usize] > 0)
            .collect();
        let mut tables: BTreeMap<&'static str, Vec<(i32, i64)>> = BTreeMap::new();
        for partition in &PARTITIONS {
            let index = partition.partition as usize;
            for offset in self.next[index]..end[index] {
                let table = table_of(partition.partition, offset);
                if !self.lanes.holds(0, table, partition, offset) {
                    tables.entry(table).or_default().push((partition.partition, offset));
                }
            }
        }
        let weighed: Vec<(&str, usize)> = tables.iter().map(|(table, rows)| (*table, rows.len())).collect();
        let shares = self.lanes.shares(&positions, &weighed, &[0]);
        let transaction = |share: Share| {
            let rows = tables.iter().filter(|(table, _)| share.tables.iter().any(|own| own == *table));
            let rows = rows.flat_map(|(table, rows)| {
                rows.iter().map(|(partition, offset)| (*table, *partition, *offset))
            });
            let moves = share.moved.iter().map(|lane| (lane.0, self.lanes.moves(&positions, &[0], *lane)));
            (rows.collect(), moves.collect())
        };
        (shares.into_iter().map(transaction).collect(), end)
    }

    /// Writes a batch. If a late COMMIT has moved an offset, the batch is planned again.
    fn write(&mut self, store: &mut Store, sizes: [i64; 2]) {
        for _ in 0..3 {
            let (transactions, end) = self.batch(sizes);
            if transactions.into_iter().all(|transaction| self.commit(store, transaction, true)) {
                self.next = end;
                return;
            }
            self.refresh(store);
        }
        panic!("the batch was never committed");
    }

    /// Determines the outcome of transactions without an answer.
    fn refresh(&mut self, store: &Store) {
        self.lanes.doubt();
        self.lanes.refresh(&PARTITIONS, &store.answers(), |_| true).unwrap();
    }

    /// Commits a transaction, and returns whether it was.
    fn commit(&mut self, store: &mut Store, (rows, moves): Transaction, is_answered: bool) -> bool {
        let payloads: Vec<(usize, String)> =
            moves.iter().map(|(lane, moves)| (*lane, moves.payload())).collect();
        if !store.commit(&rows, &payloads) {
            return false;
        }
        if is_answered {
            moves.into_iter().for_each(|(lane, moves)| self.lanes.moved(lane, moves));
        }
        true
    }
}

/// What happens to a batch.
#[derive(Clone, Debug)]
enum Step {
    /// All transactions are committed.
    Write([i64; 2]),
    /// Some transactions, counted from the end, are committed, and one more if its answer is lost. Then the task repeats.
    Fail([i64; 2], usize, bool),
    /// Some transactions, from a position on, are committed, and the task is killed. The next one has this number of lanes.
    Kill([i64; 2], usize, usize),
    /// Another task claims the partitions after some transactions, while this one goes on.
    TakeOver([i64; 2], usize, usize),
    /// One transaction gets no answer, and is committed late, while the task repeats the batch with another size: after
    /// some of its transactions.
    Late([i64; 2], usize, [i64; 2], usize),
    /// All transactions are committed, and the database loses some of them, counted from the end, together with the sessions.
    Lose([i64; 2], usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let sizes = || [0_i64..9, 0_i64..9];
    let step = prop_oneof![
        2 => sizes().prop_map(Step::Write),
        1 => (sizes(), 0_usize..6, any::<bool>()).prop_map(|(sizes, done, lost)| Step::Fail(sizes, done, lost)),
        2 => (sizes(), 0_usize..6, 1_usize..6).prop_map(|(sizes, done, lanes)| Step::Kill(sizes, done, lanes)),
        1 => (sizes(), 0_usize..6, 1_usize..6).prop_map(|(sizes, done, lanes)| Step::TakeOver(sizes, done, lanes)),
        1 => (sizes(), 0_usize..6, sizes(), 0_usize..6)
            .prop_map(|(sizes, which, again, at)| Step::Late(sizes, which, again, at)),
        1 => (sizes(), 1_usize..6).prop_map(|(sizes, lost)| Step::Lose(sizes, lost)),
    ];
    proptest::collection::vec(step, 0..30)
}

fn run(steps: Vec<Step>, mut store: Store, lanes: usize) -> Store {
    let mut task = Task::claim(&mut store, lanes);
    for step in steps {
        let (Step::Write(sizes)
        | Step::Fail(sizes, ..)
        | Step::Kill(sizes, ..)
        | Step::TakeOver(sizes, ..)
        | Step::Late(sizes, ..)
        | Step::Lose(sizes, ..)) = step;
        let (mut transactions, end) = task.batch(sizes);
        match step {
            Step::Write(_) => task.write(&mut store, sizes),
            Step::Fail(_, done, is_lost) => {
                for number in 0..done {
                    let Some(transaction) = transactions.pop() else { break };
                    let _committed = task.commit(&mut store, transaction, !(is_lost && number + 1 == done));
                }
                task.refresh(&store);
            }
            Step::Late(_, which, again, at) => {
                let late = transactions.swap_remove(which % transactions.len());
                late.1.iter().for_each(|(lane, _)| task.lanes.unsettle(*lane));
                task.refresh(&store);
                let mut late = Some(late);
                for (number, transaction) in task.batch(again).0.into_iter().enumerate() {
                    if let Some(late) = late.take_if(|_| number == at) {
                        let _committed = task.commit(&mut store, late, false);
                    }
                    if !task.commit(&mut store, transaction, true) {
                        task.refresh(&store);
                    }
                }
                if let Some(late) = late {
                    let _committed = task.commit(&mut store, late, false);
                }
            }
            Step::Lose(_, lost) => {
                let mut states = vec![store.clone()];
                let is_written = transactions.into_iter().all(|transaction| {
                    let is_committed = task.commit(&mut store, transaction, true);
                    states.push(store.clone());
                    is_committed
                });
                if is_written {
                    task.next = end;
                }
                store = states.swap_remove(states.len().saturating_sub(lost + 1));
                task.lanes.doubt();
                // A task that notices nothing has lost nothing, and goes on.
                if task.lanes.refresh(&PARTITIONS, &store.answers(), |_| false).is_err() {
                    let lanes = task.lanes.wanted;
                    task = Task::claim(&mut store, lanes);
                }
            }
            Step::Kill(_, done, lanes) => {
                let count = transactions.len();
                transactions.rotate_left(done % count);
                transactions.into_iter().take(done).for_each(|transaction| {
                    let _committed = task.commit(&mut store, transaction, true);
                });
                task = Task::claim(&mut store, lanes);
            }
            Step::TakeOver(_, done, lanes) => {
                let late = transactions.split_off(done.min(transactions.len()));
                for transaction in transactions {
                    let _committed = task.commit(&mut store, transaction, true);
                }
                let other = Task::claim(&mut store, lanes);
                for transaction in late {
                    let is_empty = transaction.1.iter().all(|(_, moves)| moves.is_empty());
                    assert!(
                        !task.commit(&mut store, transaction, true) || is_empty,
                        "a fenced task has written"
                    );
                }
                task = other;
            }
        }
    }
    while task.next != [RECORDS; 2] {
        task.write(&mut store, [7, 11]);
    }
    store
}

fn expect_every_record_once(mut store: Store) {
    store.rows.sort_by_key(|(_, partition, offset)| (*partition, *offset));
    let all = [0, 1].into_iter().flat_map(|partition| (0..RECORDS).map(move |offset| (partition, offset)));
    let expected: Vec<_> =
        all.map(|(partition, offset)| (table_of(partition, offset), partition, offset)).collect();
    assert_eq!(store.rows, expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn every_record_is_written_once(steps in steps(), lanes in 1_usize..6) {
        expect_every_record_once(run(steps, Store::default(), lanes));
    }

    #[test]
    fn states_of_versions_without_lanes_are_read(steps in steps(), lanes in 1_usize..6, written in 1..RECORDS) {
        let mut store = Store::default();
        let state = STANDARD.encode(written.to_string());
        store.offsets.push(BTreeMap::from([(0, (3, Some(written), Some(state))), (1, (5, None, None))]));
        store.rows = (0..written).map(|offset| (table_of(0, offset), 0, offset)).collect();
        expect_every_record_once(run(steps, store, lanes));
    }
}

mod claims {
    use super::*;

    proptest! {
        /// Lanes are claimed one by one, in any order, by two tasks. Each reads a lane after it has claimed it.
        #[test]
        fn of_two_claims_at_the_same_time_at_most_one_holds_and_it_holds_all_lanes(
            order in proptest::collection::vec(any::<bool>(), 8),
            random: [u64; 2],
        ) {
            let mut store = Store::default();
            let row = || BTreeMap::from([(0, (3, Some(5), None)), (1, (3, Some(5), None))]);
            store.offsets.resize_with(4, row);
            let epochs = random.map(|random| Lanes::new_epochs(&PARTITIONS, &store.answers(), random).unwrap());
            prop_assume!(epochs[0] != epochs[1]);
            let mut read: [Vec<Answer>; 2] = Default::default();
            let turns = order.into_iter().map(usize::from).chain([0; 4]).chain([1; 4]);
            for task in turns {
                let lane = read[task].len();
                if lane < 4 {
                    store.claim_lane(lane, &epochs[task]);
                    read[task].push(store.answers().swap_remove(lane));
                }
            }
            let holds = [0, 1].map(|task| Lanes::holds_claim(&PARTITIONS, &epochs[task], &read[task]).unwrap());
            let owner = usize::from(epochs[1] > epochs[0]);
            prop_assert!(holds[owner], "the higher claim holds");
            // The other one may have read all lanes before. It has lost all of them by now.
            prop_assert!(Lanes::holds_claim(&PARTITIONS, &epochs[owner], &store.answers()).unwrap());
        }
    }

    const PARTITION: Partition<'static> = Partition { topic: "t", partition: 0 };

    fn warehouses() -> [Option<String>; 2] {
        [Some("A".to_owned()), Some("B".to_owned())]
    }

    /// Rows of partition 0 in a lane: warehouse, epoch, next offset, state.
    fn lane(rows: &[(&str, u64, Option<i64>, &str)]) -> Answer {
        let row = |(warehouse, epoch, next, state): &(&str, u64, Option<i64>, &str)| {
            let text = |text: &str| Some(text.to_owned());
            let next = next.map(|next| next.to_string());
            vec![text("t"), text("0"), text(warehouse), text(&epoch.to_string()), next, text(state)]
        };
        Answer { rows: rows.iter().map(row).collect(), ..Answer::default() }
    }

    fn claim(lanes: &[Answer]) -> Result<Claim> {
        let mut owned = Lanes::new(&warehouses(), 0, 1);
        owned.grow(lanes.len());
        owned.claimed(&[PARTITION], lanes).map(|claims| claims.into_iter().next().unwrap())
    }

    #[test]
    fn a_task_starts_at_the_lowest_offset_of_the_warehouses() {
        let start = |rows: &[(&str, u64, Option<i64>, &str)]| claim(&[lane(rows)]).unwrap();
        let claimed = start(&[("A", 3, Some(100), ""), ("B", 4, Some(80), "")]);
        assert_eq!((claimed.next_offset, claimed.epoch), (Some(80), 4));
        let claimed = start(&[("A", 1, Some(100), ""), ("B", 1, None, "")]);
        assert_eq!(claimed.next_offset, None, "what B has not written must be read");
    }

    #[test]
    fn a_task_starts_at_the_offset_that_all_lanes_cover_together() {
        let (some, others) = ("00000000ffffffff", "ffffffff00000000");
        let start = |lanes: &[(i64, &str)]| {
            let of =
                |(next, state): &(i64, &str)| lane(&[("A", 1, Some(*next), state), ("B", 1, Some(99), "")]);
            let lanes: Vec<Answer> = lanes.iter().map(of).collect();
            claim(&lanes).unwrap().next_offset
        };
        let stated = |buckets: &str, level: &str| format!("{buckets}:{level}::");
        let (one, two) = (stated(some, "5"), stated(others, "5"));
        assert_eq!(start(&[(9, &one), (9, &two)]), Some(9));
        assert_eq!(start(&[(9, &one), (9, &two), (2, "")]), Some(9), "a lane without rows is behind");
        assert_eq!(start(&[(9, &one), (5, "")]), Some(5), "the second lane has not finished");
        assert_eq!(start(&[(9, &one), (2, "")]), Some(5), "all tables were written up to 5 before");
        assert_eq!(start(&[(9, &one)]), Some(5), "the table of the other lane was dropped");
        assert_eq!(start(&[(9, &stated(some, ""))]), None);
    }

    #[test]
    fn a_removed_warehouse_must_have_written_everything_and_goes_along() {
        let rows = |former: i64| {
            [lane(&[("A", 1, Some(9), ""), ("B", 1, Some(9), ""), ("OLD", 1, Some(former), "")])]
        };
        let error = claim(&rows(5)).unwrap_err();
        assert!(error.message().contains("warehouse \"OLD\" has not written all of t-0"), "{error}");
        let mut lanes = Lanes::new(&warehouses(), 0, 1);
        lanes.grow(1);
        let _claims = lanes.claimed(&[PARTITION], &rows(9)).unwrap();
        let end = NextOffset { topic: "t", partition: 0, next_offset: 12, epoch: 1, state: b"" };
        let moving = lanes.idle(|warehouse| warehouse == 0);
        assert_eq!(moving, [1, 2]);
        let payload = lanes.moves(&[end], &moving, (0, Buckets::ALL)).payload();
        assert!(payload.contains(r#"["t","0","OLD","1","9","12",null]"#), "{payload}");
    }
}
