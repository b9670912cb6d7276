//! Statements: binds, long statements, results in parts, and invalid responses.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use serde_json::{Value, json};

use tidegate_cdc::session::Session as _;

use super::{
    super::{Answer, Class, Session, SqlError},
    block_on, login, merge, open, select,
    server::{Asked, Reply, Server, refusal, rows},
};

/// The result of one statement after a successful login.
fn run(server: &Server, text: &str) -> Result<Answer, SqlError> {
    block_on(async {
        let mut session = open(server).await.unwrap();
        session.run(&select(text)).await
    })
}

/// A server with this response to `SELECT 2`.
fn answering(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Server {
    Server::start(move |asked| (asked.sql() == "SELECT 2").then(|| reply(asked)))
}

#[test]
fn binds_and_parameters_go_with_the_statement() {
    let counts = json!({ "success": true, "code": null, "message": null, "data": {
        "queryId": "01b", "rowset": [["2", "1"]],
        "rowtype": [
            { "name": "number of rows inserted", "type": "fixed", "nullable": false },
            { "name": "number of rows updated", "type": "fixed", "nullable": false },
        ],
    }});
    let server =
        Server::start(move |asked| asked.sql().starts_with("MERGE").then(|| Reply::Json(counts.clone())));
    let answer = block_on(async {
        let mut session = open(&server).await.unwrap();
        session.run(&merge("MERGE ? ?", &["now", r#"[["it's","\\"]]"#])).await.unwrap()
    });
    assert_eq!((answer.inserted, answer.updated, answer.deleted), (2, 1, 0));
    assert_eq!((answer.query_id.as_str(), answer.rows.len()), ("01b", 0));
    let asked = server.asked();
    let body = &asked.last().unwrap().body;
    assert_eq!(body["bindings"]["1"], json!({ "type": "TEXT", "value": "now" }));
    assert_eq!(body["bindings"]["2"]["value"], r#"[["it's","\\"]]"#);
    assert_eq!(body["parameters"]["QUERY_TAG"], "tidegate orders");
    assert_eq!(body["parameters"]["STATEMENT_TIMEOUT_IN_SECONDS"], 240);
    assert_eq!(body["parameters"]["ABORT_DETACHED_QUERY"], true);
}

#[test]
fn nulls_and_unknown_types_are_returned() {
    let server = answering(|_| {
        let mut answer = rows(&json!([["a", null], [null, "b"]]));
        answer["data"]["rowtype"] =
            json!([{ "name": "X", "type": "vector" }, { "name": "Y", "type": "text" }]);
        Reply::Json(answer)
    });
    let answer = run(&server, "SELECT 2").unwrap();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(answer.columns, ["X", "Y"]);
    assert_eq!(answer.rows, [[text("a"), None], [None, text("b")]]);
}

#[test]
fn all_parts_of_a_result_are_returned() {
    let server = Server::start(|asked| match asked.path() {
        "/part/2" => Some(Reply::Http(200, "X-Y: z", r#"["2"],["3"]"#.to_owned())),
        _ if asked.sql() == "SELECT 2" => {
            let mut answer = rows(&json!([["1"]]));
            answer["data"]["returned"] = json!(3);
            let url = format!("http://{}/part/2", asked.header("host"));
            answer["data"]["chunks"] = json!([{ "url": url, "rowCount": 2 }]);
            answer["data"]["chunkHeaders"] = json!({ "x-key": "of the store" });
            Some(Reply::Json(answer))
        }
        _ => None,
    });
    let answer = run(&server, "SELECT 2").unwrap();
    let values: Vec<&str> = answer.rows.iter().map(|row| row[0].as_deref().unwrap()).collect();
    assert_eq!(values, ["1", "2", "3"]);
    let part = server.asked().into_iter().find(|asked| asked.path() == "/part/2").unwrap();
    assert_eq!((part.header("x-key"), part.header("authorization")), ("of the store", ""));
}

#[test]
fn a_result_in_arrow_parts_keeps_its_order() {
    let server = Server::start(|asked| match asked.path() {
        "/part/2" => Some(Reply::Bytes(include_bytes!("rows/rest.arrows"))),
        _ if asked.sql() == "SELECT 2" => {
            let mut answer = rows(&Value::Null);
            let first = base64::Engine::encode(
                &base64::engine::general_purpose::STANDARD,
                include_bytes!("rows/first.arrows"),
            );
            answer["data"]["rowsetBase64"] = json!(first);
            answer["data"]["returned"] = json!(4);
            answer["data"]["chunks"] = json!([{ "url": format!("http://{}/part/2", asked.header("host")) }]);
            Some(Reply::Json(answer))
        }
        _ => None,
    });
    let answer = run(&server, "SELECT 2").unwrap();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(answer.columns, ["N", "V"]);
    let expected =
        [[text("1.00"), text("a")], [text("-2.50"), None], [None, text("c")], [text("0.05"), text("d")]];
    assert_eq!(answer.rows, expected);
}

#[test]
fn a_part_that_cannot_be_fetched_is_an_error() {
    let server = Server::start(|asked| match asked.path() {
        "/part/2" => Some(Reply::Http(403, "X-Y: z", "<Error>expired".to_owned())),
        _ if asked.sql() == "SELECT 2" => {
            let mut answer = rows(&json!([["1"]]));
            answer["data"]["chunks"] = json!([{ "url": format!("http://{}/part/2", asked.header("host")) }]);
            Some(Reply::Json(answer))
        }
        _ => None,
    });
    assert_eq!(run(&server, "SELECT 2").unwrap_err().code, "HTTP 403");
}

fn running(code: &str) -> Value {
    json!({ "success": true, "code": code, "message": "in progress", "data": { "queryId": "01c", "getResultUrl": "/queries/01c/result" }})
}

#[test]
fn polling_continues_after_a_failed_poll() {
    let polls = AtomicUsize::new(0);
    let server = Server::start(move |asked| match (asked.path(), asked.sql()) {
        (_, "SELECT 2") => Some(Reply::Json(running("333333"))),
        ("/queries/01c/result", _) => Some(match polls.fetch_add(1, Ordering::SeqCst) {
            0 => Reply::Json(running("333334")),
            1 => Reply::Http(502, "X-Y: z", "<html>bad gateway".to_owned()),
            2 => Reply::Nothing,
            _ => Reply::Json(rows(&json!([["done"]]))),
        }),
        _ => None,
    });
    assert_eq!(run(&server, "SELECT 2").unwrap().rows[0][0].as_deref(), Some("done"));
    let asked = server.asked();
    let poll = asked.iter().find(|asked| asked.path() == "/queries/01c/result").unwrap();
    assert_eq!(
        (poll.method.as_str(), poll.header("authorization")),
        ("GET", "Snowflake Token=\"session-1\"")
    );
    assert_eq!(server.statements().iter().filter(|sql| *sql == "SELECT 2").count(), 1);
}

#[test]
fn the_token_is_not_sent_to_other_servers() {
    let server = answering(|_| {
        let mut answer = running("333333");
        answer["data"]["getResultUrl"] = json!("http://elsewhere.example/result");
        Reply::Json(answer)
    });
    assert!(
        run(&server, "SELECT 2")
            .unwrap_err()
            .to_string()
            .contains("the URL of the result is on another server")
    );
}

#[test]
fn errors_without_data_keep_code_and_words() {
    let server = answering(|_| Reply::Json(refusal("000625", "Statement aborted\nbecause of a lock.")));
    let error = run(&server, "SELECT 2").unwrap_err();
    assert_eq!(error.class, Class::Transient);
    assert_eq!(error.to_string(), "SELECT failed: Statement aborted because of a lock (000625)");
}

#[test]
fn errors_carry_state_query_and_grant() {
    let server = Server::start(|asked| {
        let mut answer = refusal(
            "003001",
            "SQL access control error: Insufficient privileges to operate on table 'orders'.",
        );
        answer["data"] = json!({ "sqlState": "42501", "queryId": "01d", "errorCode": "003001" });
        asked.sql().starts_with("MERGE").then_some(Reply::Json(answer))
    });
    let error =
        block_on(async { open(&server).await.unwrap().run(&merge("MERGE", &["secret value"])).await })
            .unwrap_err();
    assert_eq!(error.class, Class::Rights);
    let text = error.to_string();
    assert!(text.contains("(003001/42501, query 01d)"), "{text}");
    assert!(
        text.ends_with(
            r#"GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE "DB1"."PUBLIC"."orders" TO ROLE "LOADER""#
        ),
        "{text}"
    );
    assert!(!text.contains("secret value"));
}

#[test]
fn responses_of_gateways_are_detected() {
    let html =
        |status| answering(move |_| Reply::Http(status, "Content-Type: text/html", "<html>".to_owned()));
    for (status, class) in
        [(503, Class::Transient), (408, Class::Transient), (400, Class::Bug), (403, Class::Rights)]
    {
        let error = run(&html(status), "SELECT 2").unwrap_err();
        assert_eq!((error.class, error.code.clone()), (class, format!("HTTP {status}")));
    }
    let error = run(&html(200), "SELECT 2").unwrap_err();
    assert_eq!(error.class, Class::Transient);
    assert!(error.to_string().contains("not from Snowflake"), "{error}");
    let strange = answering(|_| Reply::Json(json!({ "oops": 1 })));
    assert!(run(&strange, "SELECT 2").unwrap_err().to_string().contains("not from Snowflake"));
}

#[test]
fn too_many_requests_returns_the_delay_and_keeps_the_session() {
    let server = answering(|_| Reply::Http(429, "Retry-After: 17", String::new()));
    block_on(async {
        let mut session = open(&server).await.unwrap();
        let error = session.run(&select("SELECT 2")).await.unwrap_err();
        assert_eq!((error.class, error.retry_after), (Class::Transient, Some(Duration::from_secs(17))));
        assert!(!session.is_stale());
        assert!(session.run(&select("SELECT 3")).await.is_ok());
    });
}

#[test]
fn a_statement_without_a_response_is_not_repeated() {
    let server = answering(|_| Reply::Nothing);
    block_on(async {
        let mut session = open(&server).await.unwrap();
        let error = session.run(&select("SELECT 2")).await.unwrap_err();
        assert_eq!(error.class, Class::Transient);
        assert!(session.is_stale());
        let next = session.run(&select("SELECT 3")).await.unwrap_err();
        assert_eq!(next.class, Class::Session, "what the session is in is not known");
        assert_eq!(server.statements(), ["SELECT 1", "SELECT 2"]);
    });
}

#[test]
fn a_missing_response_times_out() {
    let server = answering(|_| Reply::Late(Duration::from_secs(5)));
    let mut login = login(&server);
    login.request_timeout = Duration::from_millis(300);
    let error = block_on(async {
        let mut session = Session::open(&login, None, None).await.unwrap();
        session.run(&select("SELECT 2")).await.unwrap_err()
    });
    assert_eq!(error.class, Class::Transient);
    assert!(error.to_string().contains("request_timeout"), "{error}");
}
