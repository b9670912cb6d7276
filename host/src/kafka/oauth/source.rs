//! Sources of tokens: a token endpoint, a file, or an unsecured token for tests.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{fmt, fs, io};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::kafka::access::date;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// RFC 6749 allows an endpoint to omit `expires_in`, and a token file need not contain a JWT.
const UNKNOWN_LIFETIME: Duration = Duration::from_secs(300);
/// Properties of librdkafka that are implemented here for the mechanism OAUTHBEARER.
const METHOD: &str = "sasl.oauthbearer.method";
const ENDPOINT: &str = "sasl.oauthbearer.token.endpoint.url";
const CLIENT_ID: &str = "sasl.oauthbearer.client.id";
const CLIENT_SECRET: &str = "sasl.oauthbearer.client.secret";
const SCOPE: &str = "sasl.oauthbearer.scope";
const EXTENSIONS: &str = "sasl.oauthbearer.extensions";
const CONFIG: &str = "sasl.oauthbearer.config";
const UNSECURED: &str = "enable.sasl.oauthbearer.unsecure.jwt";
/// Tidegate's own: a file with a token, which is read again for every renewal.
const TOKEN_FILE: &str = "tidegate.oauth.token.file";

/// Why no token could be obtained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OAuthError {
    /// The properties of the token source are missing or incomplete.
    #[error("OAuth needs {0}")]
    Incomplete(&'static str),
    /// A property has a value that is not supported.
    #[error("kafka property {property:?} is invalid: {reason}")]
    Property {
        /// The property.
        property: &'static str,
        /// The accepted values.
        reason: &'static str,
    },
    /// The token endpoint cannot be reached or returns an error.
    #[error("token endpoint {endpoint} returned no token: {reason}")]
    Endpoint {
        /// Its URL.
        endpoint: String,
        /// Its error, or why it cannot be reached.
        reason: String,
    },
    /// The token is of no use any more.
    #[error("the OAuth token of {source_of} expired on {at}: renew it, or correct the clock of this machine")]
    Expired {
        /// The file or the endpoint.
        source_of: String,
        /// The expiry time.
        at: String,
    },
    /// The token file cannot be read or is empty.
    #[error("cannot read the OAuth token file {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
}

/// A token with its properties for librdkafka.
#[derive(Clone)]
pub(in crate::kafka) struct Token {
    /// The text that is sent to the broker.
    pub(in crate::kafka) value: String,
    /// The authenticated principal; this and the next two are only for logs.
    pub(in crate::kafka) principal: String,
    /// The audience.
    pub(in crate::kafka) audience: String,
    /// The issuer.
    pub(in crate::kafka) issuer: String,
    /// The expiry time.
    pub(in crate::kafka) expires: SystemTime,
    /// SASL extensions (KIP-342), such as Confluent Cloud's `logicalCluster`.
    pub(in crate::kafka) extensions: Vec<(String, String)>,
}

/// Obtains tokens.
#[derive(Clone)]
pub(in crate::kafka) struct TokenSource {
    kind: Kind,
    extensions: Vec<(String, String)>,
}

#[derive(Clone)]
enum Kind {
    /// OAuth 2.0 client credentials (RFC 6749, section 4.4).
    Endpoint {
        url: String,
        client_id: String,
        client_secret: String,
        scope: Option<String>,
    },
    File(PathBuf),
    /// An unsecured JWT (RFC 7515, appendix A.5), like those of librdkafka and Kafka, for development brokers.
    Unsecured {
        principal: String,
        scope: Option<String>,
        lifetime: Duration,
    },
}

impl TokenSource {
    /// Returns the properties without those implemented here, and the token source that they describe; `None` when
    /// another mechanism is used.
    ///
    /// # Errors
    /// When the mechanism is OAUTHBEARER and the source is incomplete.
    pub(in crate::kafka) fn split_off(
        properties: &BTreeMap<String, String>,
    ) -> Result<(BTreeMap<String, String>, Option<Self>), OAuthError> {
        let mechanism = properties.get("sasl.mechanism").or_else(|| properties.get("sasl.mechanisms"));
        if !mechanism.is_some_and(|mechanism| mechanism.eq_ignore_ascii_case("OAUTHBEARER")) {
            return Ok((properties.clone(), None));
        }
        let mut rest = properties.clone();
        let mut take = |name: &str| rest.remove(name).filter(|value| !value.is_empty());
        let (method, endpoint, file) = (take(METHOD), take(ENDPOINT), take(TOKEN_FILE));
        let (client_id, client_secret, scope) = (take(CLIENT_ID), take(CLIENT_SECRET), take(SCOPE));
        let (extensions, config, unsecured) = (take(EXTENSIONS), take(CONFIG), take(UNSECURED));
        let oidc = match method.as_deref() {
            Some("oidc") => true,
            None | Some("default") => false,
            Some(_) => {
                return Err(OAuthError::Property { property: METHOD, reason: "use \"oidc\"" });
            }
        };
        let kind = if let Some(path) = file {
            Kind::File(path.into())
        } else if oidc {
            let missing = "`sasl.oauthbearer.token.endpoint.url`, `sasl.oauthbearer.client.id` and \
                           `sasl.oauthbearer.client.secret`";
            let (Some(url), Some(client_id), Some(client_secret)) = (endpoint, client_id, client_secret)
            else {
                return Err(OAuthError::Incomplete(missing));
            };
            Kind::Endpoint { url, client_id, client_secret, scope }
        } else if unsecured.is_some_and(|on| on == "true") {
            unsecured_kind(config.as_deref().unwrap_or_default())?
        } else {
            return Err(OAuthError::Incomplete(
                "a source of tokens: `sasl.oauthbearer.method = \"oidc\"` with a token endpoint, or \
                 `tidegate.oauth.token.file`",
            ));
        };
        let extensions = extensions.as_deref().map(pairs).transpose()?.unwrap_or_default();
        Ok((rest, Some(Self { kind, extensions })))
    }

    /// Obtains a token. Blocks for up to 20 seconds.
    ///
    /// # Errors
    /// When the endpoint or the file has no valid token. The error contains neither token nor secret.
    pub(in crate::kafka) fn fetch(&self) -> Result<Token, OAuthError> {
        let (value, lifetime) = match &self.kind {
            Kind::Endpoint { url, client_id, client_secret, scope } => {
                request(url, client_id, client_secret, scope.as_deref())?
            }
            Kind::File(path) => (read(path)?, None),
            Kind::Unsecured { principal, scope, lifetime } => {
                (unsecured_jwt(principal, scope.as_deref(), *lifetime), Some(*lifetime))
            }
        };
        let claims = claims(&value);
        let stated = claims["exp"].as_f64().filter(|seconds| (0.0..1e12).contains(seconds));
        let stated = stated.map(|seconds| UNIX_EPOCH + Duration::from_secs_f64(seconds));
        // The token's claim takes precedence over the endpoint's `expires_in`, because the broker checks the claim.
        let expires = stated.unwrap_or_else(|| SystemTime::now() + lifetime.unwrap_or(UNKNOWN_LIFETIME));
        if expires <= SystemTime::now() {
            return Err(OAuthError::Expired { source_of: self.name(), at: date(expires) });
        }
        Ok(Token {
            value,
            principal: claims["sub"].as_str().unwrap_or("tidegate").to_owned(),
            audience: one_or_more(&claims["aud"]),
            issuer: claims["iss"].as_str().unwrap_or_default().to_owned(),
            expires,
            extensions: self.extensions.clone(),
        })
    }

    fn name(&self) -> String {
        match &self.kind {
            Kind::Endpoint { url, .. } => format!("endpoint {url}"),
            Kind::File(path) => format!("file {}", path.display()),
            Kind::Unsecured { .. } => "this host".to_owned(),
        }
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Endpoint { url, .. } => f.debug_tuple("Endpoint").field(url).finish(),
            Kind::File(path) => f.debug_tuple("File").field(path).finish(),
            Kind::Unsecured { principal, .. } => f.debug_tuple("Unsecured").field(principal).finish(),
        }
    }
}

#[derive(Deserialize)]
struct Answer {
    access_token: String,
    #[serde(default)]
    expires_in: Option<f64>,
}

fn request(
    url: &str,
    client_id: &str,
    client_secret: &str,
    scope: Option<&str>,
) -> Result<(String, Option<Duration>), OAuthError> {
    let failed = |reason: String| OAuthError::Endpoint { endpoint: url.to_owned(), reason };
    let tls = ureq::tls::TlsConfig::builder()
        .provider(ureq::tls::TlsProvider::NativeTls)
        .root_certs(ureq::tls::RootCerts::PlatformVerifier)
        .build();
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(REQUEST_TIMEOUT))
        .http_status_as_error(false)
        .tls_config(tls)
        .build()
        .into();
    // As in librdkafka, the credentials are in the header, and the grant and the scope in the form.
    let credentials = STANDARD.encode(format!("{client_id}:{client_secret}"));
    let mut form = vec![("grant_type", "client_credentials")];
    form.extend(scope.map(|scope| ("scope", scope)));
    let mut response = agent
        .post(url)
        .header("Authorization", format!("Basic {credentials}"))
        .header("Accept", "application/json")
        .send_form(form)
        .map_err(|error| failed(error.to_string()))?;
    let status = response.status();
    let body = response.body_mut().read_to_string().map_err(|error| failed(error.to_string()))?;
    if !status.is_success() {
        return Err(failed(format!("{status}{}", stated_error(&body))));
    }
    let answer: Answer = serde_json::from_str(&body)
        .map_err(|_| failed("its response is not a JSON object with `access_token`".to_owned()))?;
    let lifetime = answer.expires_in.filter(|seconds| (0.0..1e9).contains(seconds));
    Ok((answer.access_token, lifetime.map(Duration::from_secs_f64)))
}

/// RFC 6749, section 5.2: only these two fields, so that nothing else that an endpoint returns gets into the log.
fn stated_error(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let fields = ["error", "error_description"];
    fields.iter().filter_map(|field| body[*field].as_str()).map(|text| format!(": {text}")).collect()
}

/// A claim that is a text or a list of texts.
fn one_or_more(claim: &Value) -> String {
    let texts = claim.as_array().map_or_else(|| vec![claim], |texts| texts.iter().collect());
    texts.into_iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

fn read(path: &PathBuf) -> Result<String, OAuthError> {
    let failed = |reason| OAuthError::File { path: path.clone(), reason };
    let token = fs::read_to_string(path).map_err(failed)?;
    let token = token.trim();
    if token.is_empty() {
        return Err(failed(io::Error::new(io::ErrorKind::InvalidData, "it is empty")));
    }
    Ok(token.to_owned())
}

/// Returns the claims of a JWT, or null for another kind of token.
fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap_or_default().trim_end_matches('=');
    let payload = URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
    serde_json::from_slice(&payload).unwrap_or_default()
}

/// Reads librdkafka's `sasl.oauthbearer.config`: `principal=admin scope=a lifeSeconds=600`.
fn unsecured_kind(config: &str) -> Result<Kind, OAuthError> {
    let settings: BTreeMap<&str, &str> =
        config.split_whitespace().filter_map(|setting| setting.split_once('=')).collect();
    let Some(principal) = settings.get("principal") else {
        return Err(OAuthError::Incomplete("`sasl.oauthbearer.config = \"principal=NAME\"`"));
    };
    let seconds = settings.get("lifeSeconds").map_or(Ok(3600), |text| text.parse());
    let reason = "`lifeSeconds` must be a whole number of seconds";
    let seconds: u32 = seconds.map_err(|_| OAuthError::Property { property: CONFIG, reason })?;
    Ok(Kind::Unsecured {
        principal: (*principal).to_owned(),
        scope: settings.get("scope").map(|scope| (*scope).to_owned()),
        lifetime: Duration::from_secs(seconds.into()),
    })
}

fn unsecured_jwt(principal: &str, scope: Option<&str>, lifetime: Duration) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let mut claims = json!({ "sub": principal, "iat": now, "exp": now + lifetime.as_secs() });
    if let Some(scope) = scope {
        claims["scope"] = json!(scope.split(',').collect::<Vec<_>>());
    }
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.", part(r#"{"alg":"none"}"#), part(&claims.to_string()))
}

fn pairs(text: &str) -> Result<Vec<(String, String)>, OAuthError> {
    let bad = OAuthError::Property { property: EXTENSIONS, reason: "write it as \"name=value,name=value\"" };
    let pair = |part: &str| part.split_once('=').map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned()));
    text.split(',').map(pair).collect::<Option<_>>().ok_or(bad)
}
