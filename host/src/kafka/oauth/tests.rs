//! Tokens from a stub endpoint, from a file and unsecured, and how they reach a client.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, SystemTime};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::*;

const TIMEOUT: Duration = Duration::from_secs(60);

/// Answers each request with the next of `answers` (status and body) and passes on what was asked.
fn endpoint(answers: Vec<(u16, String)>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/token", listener.local_addr().unwrap());
    let (asked, requests): (Sender<String>, _) = channel();
    thread::spawn(move || {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut request, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                request.push_str(&line);
                if line == "\r\n" {
                    break;
                }
            }
            let mut form = vec![0; length];
            reader.read_exact(&mut form).unwrap();
            request.push_str(std::str::from_utf8(&form).unwrap());
            asked.send(request).unwrap();
            let size = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} x\r\nContent-Length: {size}\r\nConnection: close\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    (url, requests)
}

fn properties(more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let common = [("security.protocol", "sasl_plaintext"), ("sasl.mechanism", "OAUTHBEARER")];
    common.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn oidc(url: &str) -> BTreeMap<String, String> {
    properties(&[
        ("sasl.oauthbearer.method", "oidc"),
        ("sasl.oauthbearer.token.endpoint.url", url),
        ("sasl.oauthbearer.client.id", "me"),
        ("sasl.oauthbearer.client.secret", "s3cret"),
        ("sasl.oauthbearer.scope", "kafka read"),
        ("sasl.oauthbearer.extensions", "logicalCluster=lkc-1, identityPoolId=pool-2"),
    ])
}

fn source(properties: &BTreeMap<String, String>) -> TokenSource {
    TokenSource::split_off(properties).unwrap().1.unwrap()
}

/// Passes tokens on.
struct Taker(Sender<String>);

impl TokenReceiver for Taker {
    fn apply_token(&self, token: &Token) -> TokenOutcome {
        self.0.send(token.value.clone()).unwrap();
        TokenOutcome::Accepted
    }

    fn on_failure(&self, _: &str, _: bool) {}

    fn on_recovery(&self) {}
}

fn left(expires: SystemTime) -> u64 {
    expires.duration_since(SystemTime::now()).unwrap().as_secs()
}

#[test]
fn a_token_endpoint_is_asked_as_rfc_6749_says() {
    let (url, requests) = endpoint(vec![(200, r#"{"access_token":"opaque","expires_in":600}"#.to_owned())]);
    let token = source(&oidc(&url)).fetch().unwrap();
    assert_eq!(token.value, "opaque");
    assert!((590..=600).contains(&left(token.expires)));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(token.extensions, [pair("logicalCluster", "lkc-1"), pair("identityPoolId", "pool-2")]);
    let request = requests.recv_timeout(TIMEOUT).unwrap();
    assert!(request.starts_with("POST /token "), "{request}");
    assert!(request.contains(" Basic bWU6czNjcmV0\r\n"), "{request}"); // me:s3cret
    assert!(
        request.contains("grant_type=client_credentials") && request.contains("scope=kafka"),
        "{request}"
    );
}

#[test]
fn errors_contain_the_endpoints_message_and_no_secret() {
    let denied = r#"{"error":"invalid_client","error_description":"no such client","echo":"s3cret"}"#;
    let (url, _requests) = endpoint(vec![(401, denied.to_owned()), (200, "<html>s3cret</html>".to_owned())]);
    let source = source(&oidc(&url));
    let mut texts: Vec<String> = (0..2).map(|_| source.fetch().err().unwrap().to_string()).collect();
    assert!(texts[0].contains("401") && texts[0].contains("invalid_client: no such client"), "{}", texts[0]);
    assert!(texts[1].contains("not a JSON object"), "{}", texts[1]);
    texts.push(format!("{source:?}"));
    assert!(texts.iter().all(|text| text.contains(&url) && !text.contains("s3cret")), "{texts:?}");
}

#[test]
fn a_token_file_is_read_again_every_time_and_its_claims_count() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let source = source(&properties(&[("tidegate.oauth.token.file", file.path().to_str().unwrap())]));
    assert!(source.fetch().err().unwrap().to_string().contains("it is empty"));
    // {"alg":"none"} . {"sub":"me","exp":4102444800} (the year 2100)
    std::fs::write(file.path(), "eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSIsImV4cCI6NDEwMjQ0NDgwMH0.\n").unwrap();
    let token = source.fetch().unwrap();
    let expires = SystemTime::UNIX_EPOCH + Duration::from_secs(4_102_444_800);
    assert_eq!((token.principal.as_str(), token.expires), ("me", expires));
    std::fs::write(file.path(), "opaque").unwrap();
    assert_eq!(source.fetch().unwrap().value, "opaque");
}

#[test]
fn half_a_configuration_is_refused_with_what_is_missing() {
    let config_error =
        |more: &[(&str, &str)]| TokenSource::split_off(&properties(more)).err().unwrap().to_string();
    assert!(config_error(&[]).contains("sasl.oauthbearer.method"));
    assert!(config_error(&[("sasl.oauthbearer.method", "oidc")]).contains("sasl.oauthbearer.client.secret"));
    assert!(config_error(&[("sasl.oauthbearer.method", "curl")]).contains("use \"oidc\""));
    assert!(config_error(&[("enable.sasl.oauthbearer.unsecure.jwt", "true")]).contains("principal="));
    let bad = ("sasl.oauthbearer.extensions", "logicalCluster");
    assert!(config_error(&[("tidegate.oauth.token.file", "/t"), bad]).contains("name=value"));
    let other = BTreeMap::from([("sasl.mechanism".to_owned(), "PLAIN".to_owned())]);
    let (rest, none) = TokenSource::split_off(&other).unwrap();
    assert!(none.is_none() && rest == other);
}

#[test]
fn librdkafka_takes_every_kind_of_token_without_being_polled() {
    let (url, _requests) = endpoint(vec![(200, r#"{"access_token":"opaque","expires_in":600}"#.to_owned())]);
    let unsecured = properties(&[
        ("enable.sasl.oauthbearer.unsecure.jwt", "true"),
        ("sasl.oauthbearer.config", "principal=admin scope=a,b lifeSeconds=60"),
    ]);
    for properties in [oidc(&url), unsecured] {
        let (rest, source) = TokenSource::split_off(&properties).unwrap();
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", "127.0.0.1:1");
        for (name, value) in rest {
            config.set(name, value);
        }
        let client: BaseConsumer = config.create().unwrap();
        set_token_once(client.client(), &source.unwrap()).unwrap();
    }
}

#[test]
fn tokens_are_renewed_before_they_expire_and_failures_are_retried() {
    let token = |seconds: u32| (200, format!(r#"{{"access_token":"t{seconds}","expires_in":{seconds}}}"#));
    let (url, requests) = endpoint(vec![(503, String::new()), token(1), token(3600)]);
    let (given, tokens) = channel();
    let refresher = TokenRefresher::start(source(&oidc(&url)), "test", Taker(given));
    assert_eq!(tokens.recv_timeout(TIMEOUT).unwrap(), "t1");
    assert_eq!(tokens.recv_timeout(TIMEOUT).unwrap(), "t3600");
    assert_eq!(requests.iter().take(3).count(), 3);
    drop(refresher);
    // Its thread ends and with it the sender, long before the token is due.
    assert!(tokens.recv_timeout(TIMEOUT) == Err(std::sync::mpsc::RecvTimeoutError::Disconnected));
}
