//! Histories with violations that the oracle must find, and correct ones.

use super::*;

/// Ten records in each of two partitions, all delivered in order, and three samples.
fn flawless(is_exact: bool) -> History {
    let places: Vec<Place> = (0..10).flat_map(|offset| [(0, offset), (1, offset)]).collect();
    let logged = |place: &Place| Logged { place: *place, content: content(*place), is_bad: false };
    let row = |place: &Place| Row { place: *place, content: content(*place) };
    let sample = |next: i64| Sample {
        committed: [(0, next), (1, next)].into(),
        rows: 2 * next as usize,
        letters: BTreeMap::new(),
    };
    History {
        is_exact,
        log: places.iter().map(logged).collect(),
        rows: places.iter().map(row).collect(),
        letters: Vec::new(),
        samples: [0, 4, 10].map(sample).into(),
    }
}

fn content((partition, offset): Place) -> u64 {
    1000 * partition as u64 + offset as u64
}

fn letter(place: Place, offset: i64) -> DeadLetter {
    DeadLetter { place, content: content(place), letter: (0, offset) }
}

impl History {
    /// Removes the first row of a record.
    fn without_row(mut self, place: Place) -> Self {
        let found = self.rows.iter().position(|row| row.place == place).unwrap();
        self.rows.remove(found);
        self
    }

    /// The record was dead-lettered before the last sample.
    fn refused(mut self, place: Place) -> Self {
        let number = self.letters.len() as i64;
        self.letters.push(letter(place, number));
        let last = self.samples.last_mut().unwrap();
        last.letters.insert(0, number + 1);
        self
    }

    /// All rows existed at every sample.
    fn looked_at_late(mut self) -> Self {
        for sample in &mut self.samples {
            sample.rows = self.rows.len();
        }
        self
    }

    fn broken(&self) -> Vec<Broken> {
        self.judge().broken
    }
}

#[test]
fn a_correct_history_has_no_violations() {
    for is_exact in [false, true] {
        let verdict = flawless(is_exact).judge();
        assert_eq!(verdict, Verdict { records: 20, in_sink: 20, samples: 3, ..Verdict::default() });
    }
}

#[test]
fn a_lost_record_is_detected() {
    let history = flawless(false).without_row((1, 9)).looked_at_late();
    assert_eq!(history.broken(), [Broken::Lost((1, 9))]);
}

#[test]
fn a_dead_lettered_record_is_not_lost() {
    let verdict = flawless(true).without_row((1, 9)).refused((1, 9)).judge();
    assert_eq!(verdict.broken, []);
    assert_eq!((verdict.in_sink, verdict.in_letters, verdict.in_both), (19, 1, 0));
}

#[test]
fn a_duplicate_breaks_exactly_once_only() {
    for (is_exact, broken) in [(true, vec![Broken::Doubled((0, 9))]), (false, vec![])] {
        let mut history = flawless(is_exact);
        history.rows.push(Row { place: (0, 9), content: content((0, 9)) });
        let verdict = history.judge();
        assert_eq!((verdict.broken, verdict.repeated), (broken, 1));
    }
}

#[test]
fn a_record_first_written_after_a_later_one_is_out_of_order() {
    let mut history = flawless(false);
    // Swaps offsets 7 and 8 of partition 0.
    history.rows.swap(14, 16);
    assert_eq!(history.broken(), [Broken::Reordered((0, 7))]);
}

#[test]
fn redelivered_records_are_in_order() {
    let mut history = flawless(false);
    // After offset 4 of both partitions, everything from offset 2 on is redelivered.
    let again: Vec<Row> = history.rows[4..10].to_vec();
    history.rows.splice(10..10, again);
    assert_eq!(history.looked_at_late().broken(), []);
}

#[test]
fn a_sink_without_offsets_may_write_a_dead_lettered_record_later() {
    for (is_exact, broken) in [(false, vec![]), (true, vec![Broken::Reordered((0, 7))])] {
        let mut history = flawless(is_exact).without_row((0, 7)).refused((0, 7));
        history.rows.push(Row { place: (0, 7), content: content((0, 7)) });
        let verdict = history.looked_at_late().judge();
        assert_eq!((verdict.broken, verdict.in_both), (broken, 1));
    }
}

#[test]
fn a_commit_past_a_missing_record_is_detected_even_if_it_arrives_later() {
    let mut history = flawless(false);
    // Nine were committed when eight were written.
    history.samples.insert(2, Sample { committed: [(1, 9)].into(), rows: 17, letters: BTreeMap::new() });
    assert_eq!(history.broken(), [Broken::Uncovered((1, 8), 2)]);
}

#[test]
fn a_commit_before_its_dead_letter_is_detected() {
    let history = flawless(true).without_row((0, 2)).refused((0, 2)).looked_at_late();
    assert_eq!(history.broken(), [Broken::Uncovered((0, 2), 1)]);
}

#[test]
fn a_bad_record_must_be_dead_lettered_and_not_in_the_sink() {
    let mut history = flawless(false);
    history.log[0].is_bad = true;
    assert_eq!(history.broken(), [Broken::Taken((0, 0))]);
}

#[test]
fn altered_and_unknown_records_are_detected() {
    let mut history = flawless(false);
    history.rows[0].content += 1;
    history.rows.push(Row { place: (2, 0), content: 0 });
    history.letters.push(DeadLetter { content: 0, ..letter((1, 3), 0) });
    assert_eq!(
        history.broken(),
        [Broken::Altered((0, 0)), Broken::Invented((2, 0)), Broken::Altered((1, 3))]
    );
}
