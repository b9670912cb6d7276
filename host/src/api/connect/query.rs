//! Parameters of requests, read as leniently as Kafka Connect reads them.

/// The part of a URL behind the question mark.
pub(super) type Query = axum::extract::Query<Vec<(String, String)>>;

/// Whether a parameter is `true`; everything else is false.
pub(super) fn is_set(query: &Query, name: &str) -> bool {
    let value = query.iter().find(|(parameter, _)| parameter == name);
    value.is_some_and(|(_, value)| value.eq_ignore_ascii_case("true"))
}
