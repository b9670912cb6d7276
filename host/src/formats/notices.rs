//! What decoding changed, passed over or had to guess, counted by cause. The pipeline logs and measures it.
//!
//! Nothing is altered or left out silently: code that does so notes it here. The message of a cause is made once for each
//! thing that it is about; from then on only a count grows.

use std::collections::HashMap;

use tidegate_abi::printable;

/// Things that are remembered at most, so that hostile names cannot make the memory grow; what is about others is counted
/// under their cause alone.
const MAX_SUBJECTS: usize = 1_000;

/// Bytes of a subject that are remembered. Longer ones that begin alike are counted together.
const MAX_SUBJECT_BYTES: usize = 512;

/// Why a notice was made: the label `cause` of the metric.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Cause(pub &'static str);

/// Whether a notice is about something to look at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// It is normal, and worth a count.
    Info,
    /// Something was altered, passed over or had to be guessed.
    Warning,
}

/// What happened since the last time somebody asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Notice {
    /// Why.
    pub cause: Cause,
    /// Whether it is about something to look at.
    pub severity: Severity,
    /// What it is about, such as a table, a column or a type.
    pub subject: Box<str>,
    /// The message for people, when this is the first time.
    pub message: Option<String>,
    /// How many times.
    pub count: u64,
}

/// The notices of one decoder.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    entries: Vec<Notice>,
    by_subject: HashMap<Cause, HashMap<Box<str>, usize>>,
    subjects: usize,
    has_new: bool,
}

impl Notices {
    /// Counts one more case of `cause` about `subject`; `message` is asked for the first time only, and says what
    /// happened, why, and what to do about it.
    pub(crate) fn note(&mut self, cause: Cause, subject: &str, message: impl FnOnce() -> String) {
        self.add(Severity::Warning, cause, subject, message);
    }

    /// As [`Notices::note`], for what is normal.
    pub(crate) fn inform(&mut self, cause: Cause, subject: &str, message: impl FnOnce() -> String) {
        self.add(Severity::Info, cause, subject, message);
    }

    fn add(&mut self, severity: Severity, cause: Cause, subject: &str, message: impl FnOnce() -> String) {
        self.has_new = true;
        let subject = printable::beginning(subject, MAX_SUBJECT_BYTES);
        if let Some(index) = self.by_subject.get(&cause).and_then(|known| known.get(subject)) {
            self.entries[*index].count += 1;
            return;
        }
        // One entry for all subjects beyond the bound: their first message stands for them.
        let subject = if self.subjects < MAX_SUBJECTS { subject } else { "" };
        let known = self.by_subject.entry(cause).or_default();
        if let Some(index) = known.get(subject) {
            self.entries[*index].count += 1;
            return;
        }
        known.insert(subject.into(), self.entries.len());
        self.subjects += 1;
        let message = Some(message());
        self.entries.push(Notice { cause, severity, subject: subject.into(), message, count: 1 });
    }

    /// Hands out what happened since the last call, if anything did.
    pub(crate) fn drain(&mut self, mut take: impl FnMut(Notice)) {
        if !std::mem::take(&mut self.has_new) {
            return;
        }
        for entry in self.entries.iter_mut().filter(|entry| entry.count > 0) {
            let (message, count) = (entry.message.take(), std::mem::take(&mut entry.count));
            let Notice { cause, severity, ref subject, .. } = *entry;
            take(Notice { cause, severity, subject: subject.clone(), message, count });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CAUSE: Cause = Cause("test");

    fn drained(notices: &mut Notices) -> Vec<Notice> {
        let mut all = Vec::new();
        notices.drain(|notice| all.push(notice));
        all
    }

    #[test]
    fn the_message_comes_once_and_the_counts_go_on() {
        let mut notices = Notices::default();
        notices.note(CAUSE, "a", || "first".to_owned());
        notices.note(CAUSE, "a", || unreachable!("made once"));
        let (severity, subject) = (Severity::Warning, Box::from("a"));
        let first = Notice { cause: CAUSE, severity, subject, message: Some("first".to_owned()), count: 2 };
        assert_eq!(drained(&mut notices), std::slice::from_ref(&first));
        assert_eq!(drained(&mut notices), []);
        notices.note(CAUSE, "a", || unreachable!("made once"));
        assert_eq!(drained(&mut notices), [Notice { message: None, count: 1, ..first }]);
    }

    #[test]
    fn subjects_beyond_the_bound_are_counted_together() {
        let mut notices = Notices::default();
        for subject in 0..MAX_SUBJECTS + 10 {
            notices.note(CAUSE, &subject.to_string(), || "message".to_owned());
        }
        let all = drained(&mut notices);
        assert_eq!((all.len(), all.last().unwrap().count), (MAX_SUBJECTS + 1, 10));
    }

    #[test]
    fn long_subjects_are_cut() {
        let mut notices = Notices::default();
        for end in ["a", "b"] {
            notices.note(CAUSE, &("é".repeat(1_000) + end), || "message".to_owned());
        }
        let all = drained(&mut notices);
        assert_eq!((all.len(), all[0].count, &*all[0].subject), (1, 2, &*"é".repeat(MAX_SUBJECT_BYTES / 2)));
    }
}
