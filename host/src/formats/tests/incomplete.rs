//! Events that are not complete: the tables of docs/change-events.md, row by row.

use tidegate_abi::host::Batch;

use super::{decode_with, json_decoder};

const DOCS: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/change-events.md"));

/// Cells of the rows of the table whose header begins with `header`.
fn table(header: &str) -> Vec<Vec<String>> {
    let (_, rest) = DOCS.split_once(header).expect("the table is there");
    let rows = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    rows.map(cells).collect()
}

/// What a field holds: the word of the docs, how JSON writes it, and how an error calls it.
type Held = (&'static str, Option<&'static str>, &'static str);

const ROWS: [Held; 7] = [
    ("none", None, "missing"),
    ("none", Some("null"), "null"),
    ("none", Some("{}"), "an empty object"),
    ("row", Some(r#"{"id":1,"v":"a"}"#), "an object"),
    ("other", Some(r#""text""#), "text"),
    ("other", Some("7"), "a number"),
    ("other", Some("[1]"), "a list"),
];

const KEYS: [Held; 4] = [
    ("row", Some(r#"{"id":1}"#), "an object"),
    ("none", None, "null"),
    ("other", Some(r#""text""#), "text"),
    ("other", Some("7"), "a number"),
];

const SOURCE: &str =
    r#""source":{"connector":"postgresql","db":"shop","schema":"public","table":"t","lsn":5}"#;
const FLAT: &str = r#""table":"t","schema":"public""#;

/// What became of the only record, as the docs put it.
fn outcome(batch: &Batch) -> String {
    match (batch.rejected(), batch.record(0).map(|record| record.change())) {
        ([rejected], None) => format!("rejected: {}", rejected.reason),
        ([], Some(Some(change))) => {
            let operation = change.operation();
            let has_row = !change.after().is_empty();
            assert_eq!(has_row, matches!(operation.name(), "INSERT" | "READ" | "UPDATE"), "{operation}");
            format!("applied as {operation}")
        }
        (_, Some(None)) => "a plain record".to_owned(),
        other => panic!("{other:?}"),
    }
}

fn decoded(key: Option<&str>, value: &str) -> Batch {
    decode_with(&mut json_decoder(), &[(key.map(str::as_bytes), Some(value.as_bytes()))])
}

fn fits(cell: &str, word: &str) -> bool {
    cell == "any" || cell.split(", ").any(|cell| cell == word)
}

/// The text of the last cell: a reason is in code quotes.
fn expected(cell: &str, [op, before, after, key]: [&str; 4]) -> String {
    let Some(reason) = cell.strip_prefix("rejected: ") else { return cell.to_owned() };
    let reason = reason.trim_start_matches("``").trim_end_matches("``").trim();
    let found = if reason.contains("`before` is FOUND") { before } else { after };
    format!("rejected: {}", reason.replace("OP", op).replace("FOUND", found).replace("KEY", key))
}

#[test]
fn every_combination_of_rows_and_operation_is_as_documented() {
    let table = table("| `op` | `before` | `after` | key | result |");
    assert_eq!(table.len(), 14);
    let mut used = vec![false; table.len()];
    for op in ["c", "r", "u", "d", "t", "m"] {
        for (before, after, key) in triples() {
            let fitting = table.iter().position(|row| {
                fits(&row[0], &format!("`{op}`"))
                    && fits(&row[1], before.0)
                    && fits(&row[2], after.0)
                    && fits(&row[3], key.0)
            });
            let index =
                fitting.unwrap_or_else(|| panic!("{op} {before:?} {after:?} {key:?} is not documented"));
            used[index] = true;
            let expected = expected(&table[index][4], [op, before.2, after.2, key.2]);
            for place in [SOURCE, FLAT] {
                // A flat event without rows is nothing that could be known.
                if place == FLAT && before.1.is_none() && after.1.is_none() {
                    continue;
                }
                let field =
                    |name, held: Held| held.1.map(|text| format!(r#","{name}":{text}"#)).unwrap_or_default();
                let rows = field("before", before) + &field("after", after);
                let value = format!(r#"{{"op":"{op}",{place}{rows},"ts_ms":1}}"#);
                assert_eq!(outcome(&decoded(key.1, &value)), expected, "{value} {key:?}");
            }
        }
    }
    assert_eq!(used, vec![true; table.len()], "every row of the table was met");
}

fn triples() -> impl Iterator<Item = (Held, Held, Held)> {
    let pairs = ROWS.into_iter().flat_map(|before| ROWS.into_iter().map(move |after| (before, after)));
    pairs.flat_map(|(before, after)| KEYS.into_iter().map(move |key| (before, after, key)))
}

/// An insert whose field at `path` is `held`.
fn insert_with(path: &str, held: &str) -> String {
    let text = held.trim_matches('`');
    let mut source = vec![("connector", r#""postgresql""#), ("table", r#""t""#)];
    let mut fields =
        vec![("op", r#""c""#.to_owned()), ("after", r#"{"id":1}"#.to_owned()), ("source", String::new())];
    match path.strip_prefix("source.") {
        Some(inner) => {
            source.retain(|(name, _)| *name != inner);
            source.extend((text != "missing").then_some((inner, text)));
        }
        None => {
            fields.retain(|(name, _)| *name != path);
            fields.extend((text != "missing").then(|| (path, text.to_owned())));
        }
    }
    let write = |fields: Vec<(&str, String)>| {
        let fields: Vec<_> = fields.iter().map(|(name, text)| format!(r#""{name}":{text}"#)).collect();
        format!("{{{}}}", fields.join(","))
    };
    let block = write(source.iter().map(|(name, text)| (*name, (*text).to_owned())).collect());
    for (name, text) in &mut fields {
        if *name == "source" && text.is_empty() {
            text.clone_from(&block);
        }
    }
    write(fields)
}

fn called(held: &str) -> &'static str {
    match held.trim_matches('`') {
        "missing" => "missing",
        "null" => "null",
        "true" => "true or false",
        "[]" => "a list",
        "{}" => "an empty object",
        "\"\"" => "an empty text",
        text if text.starts_with('"') => "text",
        _ => "a number",
    }
}

#[test]
fn every_state_of_the_other_fields_is_as_documented() {
    let table = table("| field | holds | result |");
    assert_eq!(table.len(), 15);
    for row in &table {
        let path = row[0].trim_matches('`');
        for held in row[1].split(", ") {
            let value = insert_with(path, held);
            let batch = decoded(Some(r#"{"id":1}"#), &value);
            let outcome = outcome_of_field(&batch);
            let expected = match row[2].split_once(';').map_or(&*row[2], |(head, _)| head) {
                "applied" => "applied as INSERT".to_owned(),
                text if text.starts_with("handed on") => "applied as UNKNOWN".to_owned(),
                _ => expected(&row[2], ["", "", called(held), ""]),
            };
            let expected = if held == "`\"Update\"`" { "applied as UPDATE".to_owned() } else { expected };
            assert_eq!(outcome, expected, "{value}");
        }
    }
}

fn outcome_of_field(batch: &Batch) -> String {
    match batch.record(0).and_then(|record| record.change()) {
        Some(change) => format!("applied as {}", change.operation()),
        None => outcome(batch),
    }
}

#[test]
fn an_event_without_op_is_none_only_without_rows_or_source() {
    let source = r#""source":{"connector":"postgresql","table":"t"}"#;
    for value in
        [format!(r#"{{"before":null,"after":{{"id":1}},{source}}}"#), format!(r#"{{"after":null,{source}}}"#)]
    {
        assert_eq!(
            outcome(&decoded(None, &value)),
            "rejected: broken change event: `op` is missing; expected c, r, u, d, t or m"
        );
    }
}

#[test]
fn with_a_schema_the_same_is_refused() {
    let row = |name: &str| {
        format!(
            r#"{{"type":"struct","optional":true,"field":"{name}","fields":[{{"type":"int32","field":"id"}},{{"type":"string","optional":true,"field":"v"}}]}}"#
        )
    };
    let schema = format!(
        r#"{{"type":"struct","name":"cdc.public.t.Envelope","fields":[{},{},{{"type":"struct","optional":true,"field":"source","fields":[{{"type":"string","field":"table"}}]}},{{"type":"string","optional":true,"field":"op"}}]}}"#,
        row("before"),
        row("after")
    );
    let event = |payload: &str| format!(r#"{{"schema":{schema},"payload":{payload}}}"#);
    let update = event(r#"{"before":{"id":1,"v":"a"},"after":null,"source":{"table":"t"},"op":"u"}"#);
    assert_eq!(
        outcome(&decoded(Some(r#"{"id":1}"#), &update)),
        "rejected: broken change event: op \"u\" without a row: `after` is null; let transforms and converters pass on \
         the whole event"
    );
    let no_op = event(r#"{"before":null,"after":{"id":1,"v":"a"},"source":{"table":"t"},"op":null}"#);
    assert_eq!(
        outcome(&decoded(Some(r#"{"id":1}"#), &no_op)),
        "rejected: broken change event: `op` is null; expected c, r, u, d, t or m"
    );
}
