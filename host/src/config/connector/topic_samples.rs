//! Sample topic names that a pattern matches, to check what the configuration does with them.

use regex_syntax::{
    Parser, ParserBuilder,
    hir::{Class, Hir, HirKind, Literal, Look},
};

/// Enough to cover the branches of a hand-written pattern.
const MAX_SAMPLES: usize = 64;

/// Names that `pattern` matches and `allowed` accepts.
pub(super) fn of(pattern: &str, allowed: impl Fn(&str) -> bool) -> Vec<String> {
    let Ok(hir) = parser().parse(pattern) else { return vec![] };
    let mut names = texts(&hir);
    names.retain(|name| allowed(name));
    names
}

/// Whether `pattern` may match elsewhere than at the beginning of a name.
pub(super) fn match_anywhere(pattern: &str) -> bool {
    let hir = parser().parse(pattern);
    hir.is_ok_and(|hir| !hir.properties().look_set_prefix().contains(Look::Start))
}

/// A parser with the options of `TopicPattern`.
fn parser() -> Parser {
    ParserBuilder::new().unicode(false).utf8(false).build()
}

/// Short texts that match, some for each branch.
fn texts(hir: &Hir) -> Vec<String> {
    let mut texts = match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => vec![String::new()],
        HirKind::Literal(Literal(bytes)) => String::from_utf8(bytes.to_vec()).into_iter().collect(),
        HirKind::Class(class) => characters(class).map(String::from).collect(),
        HirKind::Capture(capture) => texts(&capture.sub),
        HirKind::Alternation(branches) => branches.iter().flat_map(texts).collect(),
        HirKind::Concat(parts) => {
            parts.iter().fold(vec![String::new()], |before, part| joined(&before, &texts(part)))
        }
        HirKind::Repetition(repetition) => {
            let once = texts(&repetition.sub);
            let most = repetition.max.unwrap_or(u32::MAX).min(repetition.min.saturating_add(1));
            (repetition.min..=most).flat_map(|count| repeated(&once, count)).collect()
        }
    };
    texts.truncate(MAX_SAMPLES);
    texts
}

fn joined(before: &[String], after: &[String]) -> Vec<String> {
    let pairs = before.iter().flat_map(|left| after.iter().map(move |right| format!("{left}{right}")));
    pairs.take(MAX_SAMPLES).collect()
}

fn repeated(once: &[String], count: u32) -> Vec<String> {
    // A topic name has at most 249 characters.
    let count = count.min(249) as usize;
    once.iter().map(|text| text.repeat(count)).take(MAX_SAMPLES).collect()
}

/// One or two characters of a class that are allowed in topic names.
fn characters(class: &Class) -> impl Iterator<Item = char> {
    let has = |wanted: &char| match class {
        Class::Unicode(class) => {
            class.ranges().iter().any(|range| (range.start()..=range.end()).contains(wanted))
        }
        Class::Bytes(class) => class.ranges().iter().any(|range| {
            u8::try_from(*wanted).is_ok_and(|wanted| (range.start()..=range.end()).contains(&wanted))
        }),
    };
    let letters = ('a'..='z').chain('A'..='Z').chain('0'..='9').find(has);
    letters.into_iter().chain(['.', '_', '-'].into_iter().find(has))
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    #[test]
    fn samples_are_taken_by_their_pattern_and_meet_its_branches() {
        for (pattern, expected) in [
            (r"^cdc\.", "cdc."),
            ("^cdc[.](orders|customers)$", "cdc.customers"),
            ("^(dlq[.])?cdc", "dlq.cdc"),
            ("^.*", "a"),
            ("^[^.]+[.]x{2,}$", "a.xxx"),
            (r"^\w+$", "a"),
        ] {
            let regex = Regex::new(pattern).unwrap();
            let names = of(pattern, |name| !name.is_empty());
            assert!(names.iter().all(|name| regex.is_match(name)), "{pattern}: {names:?}");
            assert!(names.iter().any(|name| name == expected), "{pattern}: {names:?}");
        }
        assert!(of("^(a|b|c|d)(a|b|c|d)(a|b|c|d)(a|b|c|d)(a|b|c|d)", |_| true).len() <= MAX_SAMPLES);
        assert!(of("^a{1000}{1000}", |name| name.len() < 250).is_empty());
    }
}
