//! Converts responses to the format that the library can decode: adds missing members, and simplifies unknown types.

use serde_json::{Map, Value, json};

use super::{
    call::Call,
    exchange::{Outcome, SessionInfo},
    page::Page,
};

/// Column types that the library knows, by name.
const TYPES: [&str; 13] = [
    "fixed",
    "real",
    "text",
    "date",
    "variant",
    "timestamp_ltz",
    "timestamp_ntz",
    "timestamp_tz",
    "object",
    "binary",
    "time",
    "boolean",
    "array",
];
/// Snowflake's default lifetimes of tokens.
const SESSION_SECONDS: u64 = 3_600;
const MASTER_SECONDS: u64 = 14_400;

/// Parses Snowflake's response.
pub(super) fn outcome(call: Call, page: &Page) -> Outcome {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let code = match page.code() {
        "" => text(page.data("errorCode")),
        code => code.to_owned(),
    };
    let has_parts = page.data("chunks").as_array().is_some_and(|parts| !parts.is_empty());
    let has_rows = page.data("rowsetBase64").as_str().is_some_and(|rows| !rows.is_empty());
    Outcome {
        call,
        success: page.json.get("success").and_then(Value::as_bool).unwrap_or_default(),
        code,
        state: text(page.data("sqlState")),
        query_id: text(page.data("queryId")),
        message: page.json.get("message").map(text).unwrap_or_default(),
        retry_after: page.retry_after,
        inline_last: has_parts && has_rows,
    }
}

/// Session properties in a login response.
pub(super) fn session_info(page: &Page) -> SessionInfo {
    let info = page.data("sessionInfo");
    let name = |member: &str| info.get(member).and_then(Value::as_str).map(str::to_owned);
    SessionInfo {
        database: name("databaseName"),
        schema: name("schemaName"),
        warehouse: name("warehouseName"),
        role: name("roleName"),
    }
}

/// Lifetime of the master token in seconds.
pub(super) fn master_seconds(call: Call, page: &Page) -> u64 {
    let name = if call == Call::Login { "masterValidityInSeconds" } else { "validityInSecondsMT" };
    page.data(name).as_u64().unwrap_or(MASTER_SECONDS)
}

/// Converts the response for the library. `spare` is how long before its expiration a session token is renewed, so that it
/// remains valid for the statement that is sent with it.
pub(super) fn decodable(outcome: &Outcome, json: &mut Map<String, Value>, spare: u64) {
    let mut data = match json.remove("data") {
        Some(Value::Object(data)) => data,
        _ => Map::new(),
    };
    let data = match (outcome.success, outcome.call) {
        (true, Call::Query) => {
            fill_result(&mut data);
            data.into()
        }
        (true, Call::Login) => {
            fill_login(&mut data, spare);
            data.into()
        }
        (true, Call::Renew) => {
            fill_renewal(&mut data, spare);
            data.into()
        }
        (true, Call::Close) => Value::Null,
        (false, Call::Query) => json!({
            "age": 0, "errorCode": outcome.code, "internalError": false,
            "queryId": outcome.query_id, "sqlState": outcome.state,
        }),
        (false, _) => json!({ "errorCode": outcome.code }),
    };
    *json = Map::new();
    json.insert("data".to_owned(), data);
    json.insert("success".to_owned(), outcome.success.into());
    json.insert("code".to_owned(), outcome.code.clone().into());
    json.insert("message".to_owned(), outcome.message.clone().into());
}

fn fill_result(data: &mut Map<String, Value>) {
    let rows = data.get("rowset").and_then(Value::as_array).map_or(0, Vec::len);
    let total = data.get("total").and_then(Value::as_u64).unwrap_or(rows as u64);
    // Rows of further parts may have been added.
    let returned = data.get("returned").and_then(Value::as_u64).unwrap_or(total).max(rows as u64);
    data.insert("total".to_owned(), total.into());
    data.insert("returned".to_owned(), returned.into());
    data.insert("parameters".to_owned(), json!([]));
    default(data, "queryId", "".into());
    default(data, "finalRoleName", "".into());
    default(data, "statementTypeId", 0.into());
    default(data, "version", 1.into());
    default(data, "chunks", json!([]));
    if let Some(Value::Array(parts)) = data.get_mut("chunks") {
        for part in parts.iter_mut().filter_map(Value::as_object_mut) {
            default(part, "rowCount", 0.into());
            default(part, "uncompressedSize", 0.into());
        }
    }
    // If parts are encrypted and there are no headers, the headers are derived from the key.
    let headers = match data.get("qrmk").and_then(Value::as_str) {
        Some(key) => json!({
            "x-amz-server-side-encryption-customer-algorithm": "AES256",
            "x-amz-server-side-encryption-customer-key": key,
        }),
        None => json!({}),
    };
    default(data, "chunkHeaders", headers);
    default(data, "rowtype", json!([]));
    if let Some(Value::Array(columns)) = data.get_mut("rowtype") {
        columns.iter_mut().filter_map(Value::as_object_mut).for_each(simplify_column);
    }
}

fn simplify_column(column: &mut Map<String, Value>) {
    default(column, "name", "".into());
    default(column, "nullable", true.into());
    let known = column.get("type").and_then(Value::as_str).is_some_and(|kind| TYPES.contains(&kind));
    if !known {
        column.insert("type".to_owned(), "text".into());
    }
}

fn fill_login(data: &mut Map<String, Value>, spare: u64) {
    default(data, "sessionId", 0.into());
    default(data, "serverVersion", "".into());
    default(data, "sessionInfo", json!({}));
    data.insert("parameters".to_owned(), json!([]));
    if let Some(Value::Object(info)) = data.get_mut("sessionInfo") {
        default(info, "roleName", "".into());
    }
    default(data, "masterValidityInSeconds", MASTER_SECONDS.into());
    shorten(data, "validityInSeconds", spare);
}

fn fill_renewal(data: &mut Map<String, Value>, spare: u64) {
    default(data, "sessionId", 0.into());
    default(data, "validityInSecondsMT", MASTER_SECONDS.into());
    shorten(data, "validityInSecondsST", spare);
}

fn shorten(data: &mut Map<String, Value>, name: &str, spare: u64) {
    let seconds = data.get(name).and_then(Value::as_u64).unwrap_or(SESSION_SECONDS);
    data.insert(name.to_owned(), (seconds - spare.min(seconds / 2)).into());
}

/// Sets what is missing or null.
fn default(data: &mut Map<String, Value>, name: &str, value: Value) {
    if data.get(name).is_none_or(Value::is_null) {
        data.insert(name.to_owned(), value);
    }
}
