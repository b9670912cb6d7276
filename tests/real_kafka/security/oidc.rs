//! An OIDC provider that issues tokens for client credentials and publishes the key for their validation.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use openssl::{
    hash::MessageDigest,
    pkey::{PKey, Private},
    rsa::Rsa,
    sign::Signer,
};
use serde_json::json;

pub(crate) const AUDIENCE: &str = "kafka-of-the-tests";
pub(crate) const SUBJECT: &str = "service-account";
pub(crate) const CLIENT: (&str, &str) = ("tidegate", "oidc-secret");

/// The provider, which runs until the process ends.
pub(crate) struct Oidc {
    port: u16,
    key: PKey<Private>,
}

/// The claims of a token.
pub(crate) struct Claims {
    pub(crate) audience: &'static str,
    /// Lifetime in seconds.
    pub(crate) lifetime: i64,
}

impl Oidc {
    pub(crate) fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let key = PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
        let oidc = Arc::new(Self { port, key });
        let serving = Arc::clone(&oidc);
        thread::spawn(move || {
            for connection in listener.incoming() {
                let serving = Arc::clone(&serving);
                thread::spawn(move || connection.map(|connection| serving.serve(&connection)));
            }
        });
        oidc
    }

    /// The token endpoint.
    pub(crate) fn token_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/token", self.port)
    }

    /// The endpoint of the keys.
    pub(crate) fn keys_endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/keys", self.port)
    }

    /// The issuer in the tokens.
    pub(crate) fn issuer(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// A signed token.
    pub(crate) fn token(&self, claims: &Claims) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs() as i64;
        let expires = now + claims.lifetime;
        let claims = json!({
            "iss": self.issuer(), "aud": claims.audience, "sub": SUBJECT, "iat": now - 60, "exp": expires
        });
        let head = json!({ "alg": "RS256", "kid": "tests", "typ": "JWT" });
        let part = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", part(head), part(claims));
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key).expect("a signer");
        let signature = signer.sign_oneshot_to_vec(signed.as_bytes()).expect("a signature");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Answers one request, and closes the connection.
    fn serve(&self, mut connection: &TcpStream) {
        let mut reader = BufReader::new(connection);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let read = reader.read_line(&mut line).unwrap_or(0);
            if read == 0 || line.trim().is_empty() {
                break;
            }
            lines.push(line.trim().to_owned());
        }
        let header = |name: &str| {
            let lines = lines.iter().filter_map(|line| line.split_once(": "));
            lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next_back()
        };
        let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let mut form = vec![0; length];
        reader.read_exact(&mut form).expect("a whole form");
        let asks = |start: &str| lines.first().is_some_and(|line| line.starts_with(start));
        let (status, body) = match () {
            () if asks("GET /keys ") => ("200 OK", self.keys()),
            () if asks("POST /token ") => self.give(header("authorization"), &form),
            () => ("404 Not Found", json!({})),
        };
        let body = body.to_string();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        // The client may have closed the connection.
        let _gone = connection.write_all(answer.as_bytes()).is_err();
    }

    fn give(&self, authorization: Option<&str>, form: &[u8]) -> (&'static str, serde_json::Value) {
        let expected = format!("Basic {}", STANDARD.encode(format!("{}:{}", CLIENT.0, CLIENT.1)));
        if authorization != Some(&expected) {
            return ("401 Unauthorized", json!({ "error": "invalid_client" }));
        }
        if !String::from_utf8_lossy(form).contains("grant_type=client_credentials") {
            return ("400 Bad Request", json!({ "error": "unsupported_grant_type" }));
        }
        let token = self.token(&Claims { audience: AUDIENCE, lifetime: 600 });
        ("200 OK", json!({ "access_token": token, "token_type": "Bearer", "expires_in": 600 }))
    }

    fn keys(&self) -> serde_json::Value {
        let rsa = self.key.rsa().expect("an RSA key");
        let number = |number: &openssl::bn::BigNumRef| URL_SAFE_NO_PAD.encode(number.to_vec());
        let (n, e) = (number(rsa.n()), number(rsa.e()));
        json!({ "keys": [{ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "tests", "n": n, "e": e }] })
    }
}
