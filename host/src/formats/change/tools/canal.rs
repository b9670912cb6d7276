//! Canal's flat messages, which Alibaba's Canal and TiCDC's protocol `canal-json` write: `data` and `old` are lists of
//! rows, and values are texts whose types are in `mysqlType`.

use tidegate_abi::{List, Struct, Value};

use super::{
    Tool,
    mysql::MySqlTypes,
    translate::{Found, Names, Origin, Translator, id_text},
};
use crate::formats::change::{control::ControlEvent, error::EventError, recognise::RowTypes};

/// Memory that an event takes beyond its row.
const EVENT_BYTES: usize = 2_048;

/// Statements that define tables, whatever `isDdl` says.
const DEFINITIONS: [&str; 6] = ["CREATE", "ALTER", "ERASE", "RENAME", "CINDEX", "DINDEX"];

/// Ends of distributed transactions, and GTIDs.
const TRANSACTION_MARKERS: [&str; 3] = ["XACOMMIT", "XAROLLBACK", "GTID"];

/// What `type` says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Insert,
    Update,
    Delete,
}

/// Reads a message.
///
/// # Errors
/// When it is not what Canal sends.
pub(super) fn read<'b>(
    message: Struct<'b>,
    translator: &mut Translator<'b, '_, '_>,
) -> Result<Found, EventError> {
    let text = translator.text(message, "type")?;
    let is = |name: &str| text.eq_ignore_ascii_case(name);
    if is("TIDB_WATERMARK") {
        return Ok(Found::Control(ControlEvent::Watermark));
    }
    let database = translator.text(message, "database")?;
    let table = translator.text(message, "table")?;
    if is("TRUNCATE") {
        if table.is_empty() {
            return Err(translator.wrong(
                "table",
                message.get("table"),
                "the name of the table that was truncated",
            ));
        }
        let names = Names { database, schema: "", table };
        let origin = origin(names, message, translator)?;
        translator.truncate(origin);
        return Ok(Found::Events(RowTypes::OfTool));
    }
    if message.get("isDdl").and_then(|is_ddl| is_ddl.as_bool()) == Some(true)
        || DEFINITIONS.iter().any(|name| is(name))
    {
        translator.forget_columns(Names { database, schema: "", table });
        return Ok(Found::Control(ControlEvent::SchemaChange));
    }
    let kind = match text {
        _ if is("INSERT") => Kind::Insert,
        _ if is("UPDATE") => Kind::Update,
        _ if is("DELETE") => Kind::Delete,
        _ if is("QUERY") => return Ok(Found::Control(ControlEvent::Statement)),
        _ if TRANSACTION_MARKERS.iter().any(|name| is(name)) => {
            return Ok(Found::Control(ControlEvent::Transaction));
        }
        _ => {
            let expected = "INSERT, UPDATE, DELETE, TRUNCATE, QUERY, or a statement with isDdl";
            return Err(translator.wrong("type", message.get("type"), expected));
        }
    };
    if is_statement(message) {
        return Ok(Found::Control(ControlEvent::Statement));
    }
    if kind != Kind::Delete {
        check_is_whole(message, translator)?;
    }
    let names = translator.names(Names { database, schema: "", table });
    let origin = origin(names, message, translator)?;
    rows(kind, origin, message, translator)?;
    Ok(Found::Events(RowTypes::OfTool))
}

/// Whether the message is a statement, such as a server with `binlog_format=STATEMENT` logs instead of its rows.
fn is_statement(message: Struct<'_>) -> bool {
    let is_empty = |field: &str| message.get(field).is_none_or(|rows| rows.is_null());
    let has_text = message.get("sql").is_some_and(|sql| sql.as_str().is_some_and(|sql| !sql.is_empty()));
    has_text && is_empty("data") && is_empty("old")
}

fn rows<'b>(
    kind: Kind,
    origin: Origin<'b>,
    message: Struct<'b>,
    translator: &mut Translator<'b, '_, '_>,
) -> Result<(), EventError> {
    let list = |field: &str| message.get(field).filter(|rows| !rows.is_null());
    // Some writers put the row of a delete into `old`.
    let (name, rows) = match (list("data"), list("old")) {
        (None, Some(old)) if kind == Kind::Delete => ("old", Some(old)),
        (data, _) => ("data", data),
    };
    let expected = "a list of rows";
    let error = |translator: &Translator<'b, '_, '_>| translator.wrong(name, rows, expected);
    let rows = rows.and_then(|rows| rows.as_list()).filter(|rows| !rows.is_empty());
    let rows = rows.ok_or_else(|| error(translator))?;
    translator
        .work
        .scratch
        .budget
        .take(rows.len().saturating_mul(EVENT_BYTES), "an event for each of its rows")?;
    let columns = translator.name_list(message, "pkNames")?;
    let columns = translator.key_names(origin.names, columns);
    let types = MySqlTypes::of(message);
    let old = match list("old") {
        Some(old) if kind == Kind::Update => {
            let rows_before = old.as_list().ok_or_else(|| translator.wrong("old", Some(old), expected))?;
            aligned(rows, rows_before, columns, translator)?
        }
        _ => None,
    };
    let own_key = translator.key;
    for (index, row) in rows.iter().enumerate() {
        let row = row.as_struct().ok_or_else(|| error(translator))?;
        let row = types.row(row, translator);
        match kind {
            Kind::Insert => {
                translator.remember_columns(origin.names, row);
                translator.insert("c", origin, columns, row, own_key)?;
            }
            Kind::Delete => translator.delete(origin, columns, row, own_key)?,
            Kind::Update => {
                let row = translator.complete_row(origin.names, row);
                let old = old.and_then(|old| old.items().get(index)).and_then(|old| old.as_struct());
                let before = match old {
                    Some(old) => {
                        let old = types.row(old, translator);
                        translator.row_before(row, old)
                    }
                    None => Value::NULL,
                };
                translator.update(origin, columns, [before, row.to_value()], own_key)?;
            }
        }
    }
    Ok(())
}

/// The old rows, if they are one for each row. Canal leaves out those of rows in which nothing was changed; which ones is
/// not known, and matters only where a primary key was changed.
fn aligned<'b>(
    rows: List<'b>,
    old: List<'b>,
    columns: Option<&[&'b str]>,
    translator: &Translator<'b, '_, '_>,
) -> Result<Option<List<'b>>, EventError> {
    if rows.len() == old.len() {
        return Ok(Some(old));
    }
    let changes_key =
        |row: Value<'b>| columns.is_none_or(|columns| columns.iter().any(|name| row.get(name).is_some()));
    if old.iter().any(changes_key) {
        return Err(translator.broken(format!(
            "`old` has {} rows where `data` has {}, so that it is not known whose primary key was changed; let the source \
             change primary keys row by row",
            old.len(),
            rows.len()
        )));
    }
    Ok(None)
}

/// Rejects a message of TiCDC that does not hold its row. A delete needs the key alone.
fn check_is_whole<'b>(message: Struct<'b>, translator: &Translator<'b, '_, '_>) -> Result<(), EventError> {
    let extension = message.get("_tidb").unwrap_or_default();
    for (field, problem) in [
        (
            "onlyHandleKey",
            "it holds the key of a row alone, because the row is larger than max-message-bytes",
        ),
        ("claimCheckLocation", "its row is in a file, because it is larger than max-message-bytes"),
    ] {
        let is_set = extension.get(field).is_some_and(|set| {
            set.as_bool() == Some(true) || set.as_str().is_some_and(|text| !text.is_empty())
        });
        if is_set {
            return Err(translator.broken(format!(
                "{problem}: raise max-message-bytes in TiCDC and max.message.bytes of the topic"
            )));
        }
    }
    Ok(())
}

fn origin<'b>(
    names: Names<'b>,
    message: Struct<'b>,
    translator: &mut Translator<'b, '_, '_>,
) -> Result<Origin<'b>, EventError> {
    let value = |field: &str| message.get(field).unwrap_or_default();
    let extension = value("_tidb");
    let gtid = translator.text(message, "gtid")?;
    let commit_ts = extension.get("commitTs").unwrap_or_default();
    let fields = [
        ("ts_ms", value("es")),
        ("snapshot", Value::string("false")),
        ("gtid", if gtid.is_empty() { Value::NULL } else { Value::string(gtid) }),
        ("commit_ts", commit_ts),
    ];
    let connector = if translator.tool == Tool::TiCdc || !commit_ts.is_null() { "ticdc" } else { "canal" };
    let source = translator.source(connector, names, &fields);
    let id = id_text(Some(commit_ts), translator);
    let transaction = translator.transaction(if id.is_empty() { gtid } else { id });
    Ok(Origin { names, source, ts_ms: value("ts"), transaction })
}
