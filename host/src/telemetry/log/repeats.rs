//! Decides which log lines are left out because like ones were written shortly before: a state machine without a clock.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    time::{Duration, Instant},
};

/// Lines with the same text, apart from numbers, that a task writes in an interval.
const LIKE_LINES: u32 = 100;
/// Lines from the same place in the code, whatever their text, that a task writes in an interval. Texts may contain values of
/// records, so the first limit alone would not bound the log.
const LINES_OF_A_PLACE: u32 = 1_000;
/// Texts and places that are remembered at most.
const MAX_TEXTS: usize = 2_000;
const MAX_PLACES: usize = 20_000;

/// Where a line comes from, and its text.
#[derive(Clone, Copy)]
pub(super) struct Origin<'l> {
    pub(super) connector: Option<&'l str>,
    pub(super) task: Option<u64>,
    /// Identifies the place in the code.
    pub(super) place: &'l dyn Fn(&mut DefaultHasher),
    pub(super) message: &'l str,
    /// The fields of a plugin's line. What a plugin logs may be what it is used for, so only lines that are the same in everything
    /// count as like ones.
    pub(super) plugin_fields: Option<&'l str>,
}

/// Lines that were left out: how many, and the last of them.
#[derive(Debug, PartialEq)]
pub(super) struct LeftOut<L> {
    pub(super) count: u64,
    pub(super) last: L,
}

/// What to do with a line.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// Write it.
    Write,
    /// It is left out. If it is the first one of its interval, the time of the next summary may have changed.
    LeftOut { is_first: bool },
}

/// The lines of the current intervals. `L` is what is kept of a line that is left out.
pub(super) struct Repeats<L> {
    interval: Duration,
    texts: Windows<L>,
    /// Of plugins, whose texts must not take the space of others.
    plugin_texts: Windows<L>,
    places: Windows<L>,
    /// Summaries of intervals that were followed by another one before they were taken.
    overdue: Vec<LeftOut<L>>,
}

/// Lines by their hash, each with an interval that begins with its first line.
struct Windows<L> {
    limit: u32,
    capacity: usize,
    by_hash: HashMap<u64, Window<L>>,
    /// When the windows that are over were removed last.
    purged: Option<Instant>,
}

struct Window<L> {
    ends: Instant,
    count: u32,
    left_out: Option<LeftOut<L>>,
}

impl<L> Repeats<L> {
    /// Limits the lines in each interval of this length; none with a length of zero.
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            interval,
            texts: Windows::new(LIKE_LINES, MAX_TEXTS),
            plugin_texts: Windows::new(LIKE_LINES, MAX_TEXTS),
            places: Windows::new(LINES_OF_A_PLACE, MAX_PLACES),
            overdue: Vec::new(),
        }
    }

    /// Whether a line is written at `now`; if it is left out, `keep` returns what is kept of it. If it is written, summaries that
    /// are overdue have to be taken and written before it.
    pub(super) fn admit(&mut self, origin: Origin<'_>, now: Instant, keep: impl FnOnce() -> L) -> Verdict {
        if self.interval.is_zero() {
            return Verdict::Write;
        }
        let ends = now + self.interval;
        let is_plugins = origin.plugin_fields.is_some();
        let texts = if is_plugins { &mut self.plugin_texts } else { &mut self.texts };
        let mut window = texts.exceeded(origin.hash_with_text(), now, ends, &mut self.overdue);
        // Records cannot cause lines that no connector writes.
        if window.is_none() && origin.connector.is_some() && !is_plugins {
            window = self.places.exceeded(origin.hash(), now, ends, &mut self.overdue);
        }
        let Some(window) = window else { return Verdict::Write };
        match &mut window.left_out {
            Some(left_out) => {
                left_out.count += 1;
                left_out.last = keep();
                Verdict::LeftOut { is_first: false }
            }
            none => {
                *none = Some(LeftOut { count: 1, last: keep() });
                Verdict::LeftOut { is_first: true }
            }
        }
    }

    /// Takes the summaries of intervals that were followed by another one.
    pub(super) fn take_overdue(&mut self) -> Vec<LeftOut<L>> {
        std::mem::take(&mut self.overdue)
    }

    /// Takes the summaries that are due.
    pub(super) fn take_due(&mut self, now: Instant) -> Vec<LeftOut<L>> {
        let mut due = self.take_overdue();
        due.extend(self.windows().flat_map(|windows| windows.take(|window| window.ends <= now)));
        due
    }

    /// Takes all summaries, whether due or not.
    pub(super) fn take_all(&mut self) -> Vec<LeftOut<L>> {
        let mut all = self.take_overdue();
        all.extend(self.windows().flat_map(|windows| windows.take(|_| true)));
        all
    }

    /// When the next summary is due, if there is one.
    pub(super) fn next_due(&self) -> Option<Instant> {
        [&self.texts, &self.plugin_texts, &self.places].into_iter().filter_map(Windows::next_due).min()
    }

    fn windows(&mut self) -> impl Iterator<Item = &mut Windows<L>> {
        [&mut self.texts, &mut self.plugin_texts, &mut self.places].into_iter()
    }
}

impl<L> Windows<L> {
    fn new(limit: u32, capacity: usize) -> Self {
        Self { limit, capacity, by_hash: HashMap::new(), purged: None }
    }

    /// Counts a line. Returns its window if the limit is exceeded. An interval that begins now is over at `ends`.
    fn exceeded(
        &mut self,
        hash: u64,
        now: Instant,
        ends: Instant,
        overdue: &mut Vec<LeftOut<L>>,
    ) -> Option<&mut Window<L>> {
        if !self.by_hash.contains_key(&hash) && !self.has_space(now) {
            return None;
        }
        let window = self.by_hash.entry(hash).or_insert_with(|| Window { ends, count: 0, left_out: None });
        if window.ends <= now {
            overdue.extend(window.left_out.take());
            (window.ends, window.count) = (ends, 0);
        }
        if window.count < self.limit {
            window.count += 1;
            return None;
        }
        Some(window)
    }

    /// Whether another window can be remembered. Windows that are over are removed, once a second at most.
    fn has_space(&mut self, now: Instant) -> bool {
        let is_recent = |purged: Instant| now.saturating_duration_since(purged) < Duration::from_secs(1);
        if self.by_hash.len() >= self.capacity && !self.purged.is_some_and(is_recent) {
            self.purged = Some(now);
            self.by_hash.retain(|_, window| window.ends > now || window.left_out.is_some());
        }
        self.by_hash.len() < self.capacity
    }

    fn take(&mut self, is_due: impl Fn(&Window<L>) -> bool) -> Vec<LeftOut<L>> {
        let due = self.by_hash.extract_if(|_, window| window.left_out.is_some() && is_due(window));
        due.filter_map(|(_, window)| window.left_out).collect()
    }

    fn next_due(&self) -> Option<Instant> {
        self.by_hash.values().filter(|window| window.left_out.is_some()).map(|window| window.ends).min()
    }
}

impl Origin<'_> {
    fn hash(&self) -> u64 {
        self.hasher().finish()
    }

    /// Numbers, such as offsets, do not make two texts different.
    fn hash_with_text(&self) -> u64 {
        let mut hasher = self.hasher();
        if let Some(fields) = self.plugin_fields {
            (self.message, fields).hash(&mut hasher);
            return hasher.finish();
        }
        for (index, text) in self.message.split(|character: char| character.is_ascii_digit()).enumerate() {
            if index == 0 || !text.is_empty() {
                text.hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    fn hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        (self.connector, self.task).hash(&mut hasher);
        (self.place)(&mut hasher);
        hasher
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const INTERVAL: Duration = Duration::from_secs(30);

    fn origin<'l>(task: u64, message: &'l str) -> Origin<'l> {
        Origin { connector: Some("orders"), task: Some(task), place: &|_| {}, message, plugin_fields: None }
    }

    /// The number of `count` lines that are written at once.
    fn written(repeats: &mut Repeats<u32>, count: u32, message: impl Fn(u32) -> String, now: Instant) -> u32 {
        let verdicts = (0..count).map(|index| repeats.admit(origin(0, &message(index)), now, || index));
        verdicts.filter(|verdict| matches!(verdict, Verdict::Write)).count() as u32
    }

    #[test]
    fn like_lines_of_an_interval_are_counted_and_the_last_is_kept() {
        let (mut repeats, start) = (Repeats::new(INTERVAL), Instant::now());
        let message = |offset| format!("orders-0 offset {offset}: no key");
        assert_eq!(written(&mut repeats, 1_000, message, start), LIKE_LINES);
        assert!(matches!(repeats.admit(origin(1, "orders-0 offset 5: no key"), start, || 0), Verdict::Write));
        assert_eq!(written(&mut repeats, 1, |_| "another text".to_owned(), start), 1);
        assert_eq!(repeats.next_due(), Some(start + INTERVAL));
        assert_eq!(repeats.take_due(start + INTERVAL / 2), []);
        let left_out = LeftOut { count: u64::from(1_000 - LIKE_LINES), last: 999 };
        assert_eq!(repeats.take_due(start + INTERVAL), [left_out]);
        assert_eq!(repeats.next_due(), None);
        assert_eq!(written(&mut repeats, 1, message, start + INTERVAL), 1, "the next interval has begun");
    }

    #[test]
    fn a_summary_that_nobody_has_taken_is_overdue_with_the_next_line() {
        let (mut repeats, start) = (Repeats::new(INTERVAL), Instant::now());
        written(&mut repeats, LIKE_LINES, |_| "a".to_owned(), start);
        assert_eq!(repeats.admit(origin(0, "a"), start, || 7), Verdict::LeftOut { is_first: true });
        assert_eq!(repeats.admit(origin(0, "a"), start, || 8), Verdict::LeftOut { is_first: false });
        assert_eq!(repeats.admit(origin(0, "a"), start + INTERVAL, || 9), Verdict::Write);
        assert_eq!(repeats.take_overdue(), [LeftOut { count: 2, last: 8 }]);
    }

    #[test]
    fn lines_with_ever_new_texts_are_limited_as_well() {
        let (mut repeats, start) = (Repeats::new(INTERVAL), Instant::now());
        let random = |index| format!("bad value {}", "x".repeat(index as usize));
        assert_eq!(written(&mut repeats, 5_000, random, start), LINES_OF_A_PLACE);
        let left_out = repeats.take_all();
        assert_eq!(left_out, [LeftOut { count: u64::from(5_000 - LINES_OF_A_PLACE), last: 4_999 }]);
    }

    #[test]
    fn a_plugin_may_log_as_much_as_it_likes_unless_it_repeats_itself() {
        let (mut repeats, now) = (Repeats::new(INTERVAL), Instant::now());
        let mut admit = |fields: &str| {
            let origin = Origin { plugin_fields: Some(fields), ..origin(0, "price changed") };
            repeats.admit(origin, now, || 0)
        };
        assert!((0..1_500).all(|key| admit(&format!(" key={key}")) == Verdict::Write));
        let written = (0..5_000).filter(|_| admit(" key=x") == Verdict::Write).count();
        assert_eq!(written, LIKE_LINES as usize);
        let more = 2 * MAX_TEXTS;
        assert!((0..more).all(|key| admit(&format!(" more={key}")) == Verdict::Write), "memory is bounded");
    }

    #[test]
    fn no_line_is_left_out_without_an_interval() {
        let mut repeats = Repeats::new(Duration::ZERO);
        assert_eq!(written(&mut repeats, 5_000, |_| "a".to_owned(), Instant::now()), 5_000);
    }

    proptest! {
        #[test]
        fn every_line_is_written_or_counted_and_memory_is_bounded(
            steps in prop::collection::vec((0..4_u64, 0..3_usize, 0..12_u64), 1..400),
        ) {
            let mut repeats = Repeats {
                interval: INTERVAL,
                texts: Windows::new(2, 3),
                plugin_texts: Windows::new(2, 3),
                places: Windows::new(4, 2),
                overdue: Vec::new(),
            };
            let count = |taken: Vec<LeftOut<()>>| taken.iter().map(|left_out| left_out.count).sum::<u64>();
            let (mut now, mut accounted) = (Instant::now(), 0);
            for (task, text, seconds) in &steps {
                now += Duration::from_secs(*seconds);
                if seconds % 2 == 0 {
                    accounted += count(repeats.take_due(now));
                }
                match repeats.admit(origin(*task, ["a", "b", "c"][*text]), now, || ()) {
                    Verdict::Write => accounted += 1 + count(repeats.take_overdue()),
                    Verdict::LeftOut { .. } => prop_assert!(repeats.next_due().is_some_and(|due| due <= now + INTERVAL)),
                }
                prop_assert!(repeats.texts.by_hash.len() <= 3 && repeats.places.by_hash.len() <= 2);
            }
            accounted += count(repeats.take_all());
            prop_assert_eq!(repeats.next_due(), None);
            prop_assert_eq!(accounted, steps.len() as u64);
        }
    }
}
