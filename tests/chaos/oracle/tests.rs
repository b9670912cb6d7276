//! Histories with violations that the oracle must find, and correct ones.

use super::*;

/// Ten records in each of two partitions, all delivered in order, and three samples.
fn correct(is_exact: bool) -> History {
    let positions: Vec<Position> = (0..10).flat_map(|offset| [(0, offset), (1, offset)]).collect();
    let logged =
        |position: &Position| Logged { position: *position, content: content(*position), is_bad: false };
    let row = |position: &Position| Row { position: *position, content: content(*position) };
    let sample = |next: i64| Sample {
        committed: [(0, next), (1, next)].into(),
        rows: 2 * next as usize,
        dead_letters: BTreeMap::new(),
    };
    History {
        is_exact,
        log: positions.iter().map(logged).collect(),
        rows: positions.iter().map(row).collect(),
        dead_letters: Vec::new(),
        samples: [0, 4, 10].map(sample).into(),
    }
}

fn content((partition, offset): Position) -> u64 {
    1000 * partition as u64 + offset as u64
}

fn dead_letter(position: Position, offset: i64) -> DeadLetter {
    DeadLetter { position, content: content(position), dead_letter: (0, offset) }
}

impl History {
    /// Removes the first row of a record.
    fn without_row(mut self, position: Position) -> Self {
        let found = self.rows.iter().position(|row| row.position == position).unwrap();
        self.rows.remove(found);
        self
    }

    /// The record was dead-lettered before the last sample.
    fn dead_lettered(mut self, position: Position) -> Self {
        let number = self.dead_letters.len() as i64;
        self.dead_letters.push(dead_letter(position, number));
        let last = self.samples.last_mut().unwrap();
        last.dead_letters.insert(0, number + 1);
        self
    }

    /// All rows existed at every sample.
    fn with_late_samples(mut self) -> Self {
        for sample in &mut self.samples {
            sample.rows = self.rows.len();
        }
        self
    }

    fn violations(&self) -> Vec<Violation> {
        self.check().violations
    }
}

#[test]
fn a_correct_history_has_no_violations() {
    for is_exact in [false, true] {
        let result = correct(is_exact).check();
        assert_eq!(result, CheckResult { records: 20, in_sink: 20, samples: 3, ..CheckResult::default() });
    }
}

#[test]
fn a_lost_record_is_detected() {
    let history = correct(false).without_row((1, 9)).with_late_samples();
    assert_eq!(history.violations(), [Violation::Lost((1, 9))]);
}

#[test]
fn a_dead_lettered_record_is_not_lost() {
    let result = correct(true).without_row((1, 9)).dead_lettered((1, 9)).check();
    assert_eq!(result.violations, []);
    assert_eq!((result.in_sink, result.in_dead_letters, result.in_both), (19, 1, 0));
}

#[test]
fn a_duplicate_breaks_exactly_once_only() {
    for (is_exact, violations) in [(true, vec![Violation::Duplicated((0, 9))]), (false, vec![])] {
        let mut history = correct(is_exact);
        history.rows.push(Row { position: (0, 9), content: content((0, 9)) });
        let result = history.check();
        assert_eq!((result.violations, result.repeated), (violations, 1));
    }
}

#[test]
fn a_record_first_written_after_a_later_one_is_out_of_order() {
    let mut history = correct(false);
    // Swaps offsets 7 and 8 of partition 0.
    history.rows.swap(14, 16);
    assert_eq!(history.violations(), [Violation::Reordered((0, 7))]);
}

#[test]
fn redelivered_records_are_in_order() {
    let mut history = correct(false);
    // After offset 4 of both partitions, everything from offset 2 on is redelivered.
    let again: Vec<Row> = history.rows[4..10].to_vec();
    history.rows.splice(10..10, again);
    assert_eq!(history.with_late_samples().violations(), []);
}

#[test]
fn a_sink_without_offsets_may_write_a_dead_lettered_record_later() {
    for (is_exact, violations) in [(false, vec![]), (true, vec![Violation::Reordered((0, 7))])] {
        let mut history = correct(is_exact).without_row((0, 7)).dead_lettered((0, 7));
        history.rows.push(Row { position: (0, 7), content: content((0, 7)) });
        let result = history.with_late_samples().check();
        assert_eq!((result.violations, result.in_both), (violations, 1));
    }
}

#[test]
fn a_commit_past_a_missing_record_is_detected_even_if_it_arrives_later() {
    let mut history = correct(false);
    // Nine were committed when eight were written.
    history.samples.insert(2, Sample { committed: [(1, 9)].into(), rows: 17, dead_letters: BTreeMap::new() });
    assert_eq!(history.violations(), [Violation::CommittedTooFar((1, 8), 2)]);
}

#[test]
fn a_commit_before_its_dead_letter_is_detected() {
    let history = correct(true).without_row((0, 2)).dead_lettered((0, 2)).with_late_samples();
    assert_eq!(history.violations(), [Violation::CommittedTooFar((0, 2), 1)]);
}

#[test]
fn a_bad_record_must_be_dead_lettered_and_not_in_the_sink() {
    let mut history = correct(false);
    history.log[0].is_bad = true;
    assert_eq!(history.violations(), [Violation::BadRecordWritten((0, 0))]);
}

#[test]
fn altered_and_unknown_records_are_detected() {
    let mut history = correct(false);
    history.rows[0].content += 1;
    history.rows.push(Row { position: (2, 0), content: 0 });
    history.dead_letters.push(DeadLetter { content: 0, ..dead_letter((1, 3), 0) });
    assert_eq!(
        history.violations(),
        [Violation::Altered((0, 0)), Violation::Unknown((2, 0)), Violation::Altered((1, 3))]
    );
}
