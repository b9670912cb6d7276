//! "Did you mean": the known name that is nearest to a misspelt one.

/// The candidate that `name` was most likely meant to be, if one is near enough.
pub(super) fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let normal = |text: &str| text.to_lowercase().replace('-', "_");
    let wanted = normal(name);
    let length = wanted.chars().count();
    // A typo in the first letter is rare, so such a name must be nearer.
    let allowed = |candidate: &str| {
        let same_start = wanted.chars().next() == candidate.chars().next();
        1 + length / if same_start { 4 } else { 8 }
    };
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &normal(candidate)), candidate))
        .filter(|(distance, candidate)| {
            *distance <= allowed(candidate) && *distance < candidate.chars().count()
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The help for an unknown name: the nearest candidate, or all of them. `what` names them in the plural.
pub(super) fn help(name: &str, what: &str, candidates: &[&str]) -> String {
    if let Some(near) = nearest(name, candidates.iter().copied()) {
        return format!("did you mean {near:?}?");
    }
    match candidates {
        [] => format!("there are no {what} here"),
        known => format!("{what}: {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_found_and_far_ones_are_not() {
        let known = ["topics", "topics_regex", "group_id", "start"];
        assert_eq!(nearest("tpoics", known), Some("topics"));
        assert_eq!(nearest("group-id", known), Some("group_id"));
        assert_eq!(nearest("topics_regexp", known), Some("topics_regex"));
        assert_eq!(nearest("eror", ["errors"]), Some("errors"));
        assert_eq!(nearest("upsert", ["insert", "update"]), None);
        assert_eq!(nearest("password", known), None);
        assert_eq!(nearest("x", ["y"]), None);
    }

    #[test]
    fn help_lists_what_there_is_when_nothing_is_near() {
        assert_eq!(help("tpoics", "known keys", &["topics"]), "did you mean \"topics\"?");
        assert_eq!(help("zzz", "known keys", &["a_key", "b_key"]), "known keys: a_key, b_key");
        assert_eq!(help("zzz", "known keys", &[]), "there are no known keys here");
    }
}
