//! Uploads to a store, with a simulated server that is both Snowflake and the store.

use std::sync::OnceLock;

use serde_json::{Value, json};
use tidegate_cdc::session::{Cause, Session as _};
use url::Url;

use super::{
    super::{Class, Session, SqlError, StageSettings},
    block_on, login,
    server::{Asked, Reply, Server, refusal, rows},
};
use crate::sql::StageName;

/// A session that has a stage.
async fn open(server: &Server) -> Session {
    let name = StageName::new("DB1", "PUBLIC", "_cdc_stage_shop");
    let stage = StageSettings { name, connector: "shop".to_owned(), task: 0 };
    Session::open(&login(server), Some("LOAD_WH"), Some(&stage)).await.unwrap()
}

/// The response to PUT, with S3 at `endpoint`.
fn offer(endpoint: &str, encryption: &Value) -> Value {
    json!({ "success": true, "code": null, "message": null, "data": {
        "queryId": "01b-put", "command": "UPLOAD", "src_locations": ["/tidegate/x"], "encryptionMaterial": encryption,
        "stageInfo": {
            "locationType": "S3", "location": "bucket/stages/7/", "region": "eu-west-1", "endPoint": endpoint,
            "creds": { "AWS_KEY_ID": "ASIAKEY", "AWS_SECRET_KEY": "s3cret", "AWS_TOKEN": "t0ken" },
        },
    }})
}

fn is_put(asked: &Asked) -> bool {
    asked.sql().trim_start().starts_with("PUT ")
}

/// A server whose PUTs lead to itself, and whose stage is empty.
fn server() -> Server {
    static URL: OnceLock<Url> = OnceLock::new();
    let server = Server::start(|asked| match asked.method.as_str() {
        "PUT" => Some(Reply::Http(200, "Content-Type: text/plain", String::new())),
        _ if is_put(asked) => {
            let endpoint = URL.wait().as_str().trim_end_matches('/');
            Some(Reply::Json(offer(endpoint, &Value::Null)))
        }
        _ if asked.sql().starts_with("LIST ") => Some(Reply::Json(rows(&json!([])))),
        _ => None,
    });
    URL.get_or_init(|| server.url.clone());
    server
}

async fn store_error(server: &Server) -> SqlError {
    open(server).await.store("[\"1\"]\n", "t").await.unwrap_err()
}

#[test]
fn uploads_are_signed_and_do_not_carry_the_token_of_the_session() {
    let server = server();
    block_on(async {
        let mut session = open(&server).await;
        let error = session.store("[\"1\"]\n", "t").await.unwrap_err();
        assert!(error.to_string().contains("is not in the stage"), "{error}");
        assert_eq!(error.cause, Cause::NotStored);
    });
    let asked = server.asked();
    let upload = asked.iter().find(|asked| asked.method == "PUT").unwrap();
    assert!(upload.path().starts_with("/bucket/stages/7/"), "{}", upload.target);
    assert!(upload.header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=ASIAKEY/"));
    assert_eq!(upload.header("x-amz-security-token"), "t0ken");
    assert!(
        upload.headers.iter().all(|(_, value)| !value.contains("session-1") && !value.contains("s3cret"))
    );
}

#[test]
fn errors_name_the_store_without_its_keys() {
    let cases = [
        ("http://127.0.0.1:1", Value::Null, "127.0.0.1 cannot be reached"),
        ("http://127.0.0.1:1", json!({ "queryStageMasterKey": "k" }), "SNOWFLAKE_SSE"),
    ];
    for (endpoint, encryption, reason) in cases {
        let server =
            Server::start(move |asked| is_put(asked).then(|| Reply::Json(offer(endpoint, &encryption))));
        let error = block_on(store_error(&server));
        assert_eq!(error.cause, Cause::NotStored);
        let text = error.to_string();
        assert!(text.contains(reason), "{text}");
        assert!(["s3cret", "t0ken", "ASIAKEY"].iter().all(|key| !text.contains(key)), "{text}");
    }
}

#[test]
fn a_stage_that_cannot_be_used_means_that_rows_are_bound() {
    for (code, class) in [("003001", Class::Rights), ("091003", Class::Bug), ("000904", Class::Schema)] {
        let server = Server::start(move |asked| is_put(asked).then(|| Reply::Json(refusal(code, "not so"))));
        let error = block_on(store_error(&server));
        assert_eq!((error.class, error.cause), (class, Cause::NotStored), "{error}");
    }
    let server = Server::start(|asked| is_put(asked).then(|| Reply::Json(refusal("000603", "later"))));
    assert_eq!(block_on(store_error(&server)).cause, Cause::Other, "this may pass");
}
