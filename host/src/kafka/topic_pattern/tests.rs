//! Which names patterns take, by hand and over random patterns.

use proptest::prelude::*;

use super::*;

fn takes(pattern: &str, topic: &str) -> bool {
    TopicPattern::parse(pattern).unwrap().takes(topic)
}

#[test]
fn a_pattern_is_searched_for_in_the_name_as_a_rust_regex() {
    for (pattern, topic, taken) in [
        ("^cdc[.]public[.]", "cdc.public.orders", true),
        ("^cdc[.]public[.]", "old.cdc.public.orders", false),
        ("^cdc$", "cdc", true),
        ("^cdc$", "cdc.public", false),
        ("^.*orders", "cdc.public.orders.archive", true),
        // What POSIX's rules do not know, or know as something else.
        (r"^shard\d+$", "shard12", true),
        (r"^shard\d+$", "shardd", false),
        (r"^\w+$", "cdc_orders", true),
        ("^a.*?b$", "a.b.b", true),
        ("^(?i)CDC", "cdc.orders", true),
        ("^(?i:cdc)[.]Orders$", "CDC.Orders", true),
        ("^(?:orders|customers)$", "customers", true),
        ("^(?:orders|customers)$", "old.customers", false),
        (r"^cdc\.\b", "cdc.a", true),
        // Only the first alternative is anchored: `validate` warns of that.
        ("^orders|customers", "old.customers", true),
    ] {
        assert_eq!(takes(pattern, topic), taken, "{pattern} {topic}");
    }
}

#[test]
fn topics_that_begin_with_two_underscores_are_read_when_the_pattern_does_and_kafkas_own_never() {
    let heartbeat = "__debezium-heartbeat.cdc";
    assert!(takes("^__debezium", heartbeat) && takes("^__", heartbeat));
    for pattern in ["^", "^.*", r"^\w", "^_", "^(__debezium|cdc)", "^(?:__)?debezium", "^.*cdc$"] {
        assert!(!takes(pattern, heartbeat), "{pattern}");
    }
    assert!(takes("^_", "_schemas") && takes("^.*", "_confluent"));
    for internal in ["__consumer_offsets", "__transaction_state", "__share_group_state", "__cluster_metadata"]
    {
        for pattern in ["^.*", "^__", "^__.*", "^__consumer_offsets$", "^__transaction_state"] {
            assert!(!takes(pattern, internal), "{pattern} {internal}");
        }
    }
}

#[test]
fn topics_of_the_connectors_own_letters_are_left_out() {
    let dead_letters = |template: &str, topic: &str| {
        TopicPattern::parse("^(dlq[.])?cdc").unwrap().without_dead_letter_topics(template).takes(topic)
    };
    assert!(dead_letters("dlq.{topic}", "cdc.orders"));
    assert!(!dead_letters("dlq.{topic}", "dlq.cdc.orders"));
    // No dead letters are written there: the pattern does not match the topic "x".
    assert!(
        TopicPattern::parse("^(dlq[.]x|cdc)")
            .unwrap()
            .without_dead_letter_topics("dlq.{topic}")
            .takes("dlq.x")
    );
    assert!(!dead_letters("cdc.letters", "cdc.letters"));
    assert!(dead_letters("cdc.letters", "cdc.letters.more"));
    assert!(!dead_letters("{topic}.{topic}", "cdc.a.cdc.a"));
    assert!(dead_letters("{topic}.{topic}", "cdc.a.cdc.b"));
}

#[test]
fn a_pattern_survives_the_way_into_another_process() {
    let pattern = TopicPattern::parse(r"^cdc\.").unwrap().without_dead_letter_topics("dlq.{topic}");
    let text = serde_json::to_string(&pattern).unwrap();
    assert_eq!(serde_json::from_str::<TopicPattern>(&text).unwrap(), pattern);
    assert!(serde_json::from_str::<TopicPattern>(&text.replace("^cdc", "^(cdc")).is_err());
}

#[test]
fn a_selection_says_what_it_leaves_out_but_for_kafkas_own_topics() {
    let names = ["__consumer_offsets", "__own", "_schemas", "a", "dlq.a"];
    let topics: BTreeMap<String, usize> = names.iter().map(|name| ((*name).to_owned(), 2)).collect();
    let selection =
        TopicPattern::parse("^.*").unwrap().without_dead_letter_topics("dlq.{topic}").select(&topics);
    assert_eq!(
        selection,
        Selection {
            topics: BTreeMap::from([("_schemas".to_owned(), 2), ("a".to_owned(), 2)]),
            reserved: vec!["__own".to_owned()],
            own_dead_letter_topics: vec!["dlq.a".to_owned()],
        }
    );
}

/// Pieces that patterns are made of, and names alike, so that some of them meet.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("cdc".to_owned()),
        Just("__".to_owned()),
        Just("orders".to_owned()),
        Just("[.]".to_owned()),
        Just(r"\.".to_owned()),
        Just(".*".to_owned()),
        Just(".*?".to_owned()),
        Just(r"\d".to_owned()),
        Just(r"\w+".to_owned()),
        Just("[a-z_]{1,3}".to_owned()),
        Just("(a|b.)".to_owned()),
        Just("(?i:CDC)".to_owned()),
        Just("(?:consumer|__consumer)_offsets".to_owned()),
        Just("|".to_owned()),
        Just("$".to_owned()),
    ]
}

fn a_pattern() -> impl Strategy<Value = String> {
    prop::collection::vec(piece(), 0..5).prop_map(|pieces| format!("^{}", pieces.concat()))
}

fn a_name() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(INTERNAL.to_vec()).prop_map(str::to_owned),
        prop::collection::vec(
            prop::sample::select(vec!["cdc", "CDC", "__", "_", "orders", ".", "a", "b1", "7"]),
            1..5
        )
        .prop_map(|parts| parts.concat()),
    ]
}

proptest! {
    #[test]
    fn what_is_subscribed_to_is_what_the_regex_finds_without_reserved_topics(
        pattern in a_pattern(),
        names in prop::collection::btree_set(a_name(), 0..20),
        dead_letters in prop::option::of(prop::sample::select(vec!["dlq", "cdc.dlq", "dlq.{topic}", "{topic}.dlq"])),
    ) {
        let regex = regex::Regex::new(&pattern.replace("(?i:CDC)", "[Cc][Dd][Cc]")).unwrap();
        let taken = TopicPattern::parse(&pattern).unwrap();
        let taken = dead_letters.map_or(taken.clone(), |dead_letters| taken.without_dead_letter_topics(dead_letters));
        let topics: BTreeMap<String, usize> = names.iter().map(|name| (name.clone(), 1)).collect();
        let selection = taken.select(&topics);
        for name in &names {
            let subscribed = selection.topics.contains_key(name);
            // The check of a single name, which validation uses, and the selection agree.
            prop_assert_eq!(subscribed, taken.takes(name));
            let internal = INTERNAL.contains(&name.as_str());
            prop_assert!(!(subscribed && internal));
            let is_free = !internal && (!name.starts_with("__") || pattern.starts_with("^__"));
            let to_letters = selection.own_dead_letter_topics.contains(name);
            prop_assert_eq!(subscribed || to_letters, is_free && regex.is_match(name));
            // Nothing that matches is left out without being named.
            let told = subscribed || internal || to_letters || selection.reserved.contains(name);
            prop_assert!(told || !regex.is_match(name));
        }
    }
}
