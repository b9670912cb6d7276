//! The endpoint of requests: the account's host, or the configured one.

use reqwest::Request;
use url::Url;

use super::call::Call;

/// Invalid account or endpoint.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EndpointError {
    /// An invalid account identifier.
    #[error("account {0:?} is no account identifier: write it like myorg-account1, or xy12345.eu-central-1")]
    Account(String),
    /// A URL that is not that of a server.
    #[error(
        "endpoint {0:?} is no server's URL: write it like https://myorg-account1.privatelink.snowflakecomputing.com"
    )]
    Url(String),
}

/// A parsed account identifier.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Account {
    /// Identifier without region, for logins and tokens.
    pub(crate) identifier: String,
    /// Host of the account.
    pub(crate) host: String,
}

impl Account {
    /// Parses `org-account`, `org.account`, `locator`, `locator.region`, `locator.region.cloud`, with `.privatelink` or
    /// the rest of the host name.
    ///
    /// # Errors
    /// If it is invalid.
    pub(crate) fn parse(account: &str) -> Result<Self, EndpointError> {
        let bare = account.trim().trim_start_matches("https://").trim_end_matches('/').to_ascii_lowercase();
        let (bare, suffix) = match bare.split_once(".snowflakecomputing.") {
            Some((bare, "cn")) => (bare, Some("cn")),
            Some((bare, "com")) => (bare, Some("com")),
            Some(_) => return Err(EndpointError::Account(account.to_owned())),
            None => (bare.as_str(), None),
        };
        let is_name = |part: &str| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        };
        let parts: Vec<&str> = bare.split('.').collect();
        if !parts.iter().all(|part| is_name(part)) {
            return Err(EndpointError::Account(account.to_owned()));
        }
        let (identifier, place) = match parts.as_slice() {
            // A region always contains a hyphen, an account name never.
            [organisation, name, place @ ..] if !name.contains('-') && *name != "privatelink" => {
                (format!("{organisation}-{name}"), place)
            }
            [locator, place @ ..] => ((*locator).to_owned(), place),
            [] => return Err(EndpointError::Account(account.to_owned())),
        };
        let is_chinese = place.first().is_some_and(|region| region.starts_with("cn-"));
        let suffix = suffix.unwrap_or(if is_chinese { "cn" } else { "com" });
        let labels: Vec<&str> = std::iter::once(identifier.as_str()).chain(place.iter().copied()).collect();
        // Names may contain underscores, host names may not.
        let host = format!("{}.snowflakecomputing.{suffix}", labels.join(".").replace('_', "-"));
        Ok(Self { identifier: identifier.to_ascii_uppercase(), host })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Endpoint(Url);

impl Endpoint {
    /// The server at `endpoint`, or that of the account.
    ///
    /// # Errors
    /// If `endpoint` has a path or is not an HTTP URL.
    pub(crate) fn new(endpoint: Option<&Url>, account: &Account) -> Result<Self, EndpointError> {
        let Some(url) = endpoint else {
            let url = format!("https://{}/", account.host);
            return Url::parse(&url).map(Self).map_err(|_| EndpointError::Url(url));
        };
        let is_http = matches!(url.scheme(), "http" | "https");
        let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.username().is_empty();
        if is_http && is_bare && url.host().is_some() {
            return Ok(Self(url.clone()));
        }
        Err(EndpointError::Url(format!(
            "{}://{}{}",
            url.scheme(),
            url.host_str().unwrap_or_default(),
            url.path()
        )))
    }

    /// Host, for errors.
    pub(crate) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Scheme, host and port.
    pub(crate) fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }

    /// Redirects a request of the library to this server.
    pub(super) fn aim(&self, call: Call, request: &mut Request) {
        let mut url = self.0.clone();
        // The library renews tokens at `//session/token-request`, which is a different path.
        url.set_path(call.path());
        url.set_query(request.url().query());
        *request.url_mut() = url;
    }

    /// URL of a path in a response; none if it leads to another server.
    pub(super) fn join(&self, path: &str) -> Option<Url> {
        let url = self.0.join(path).ok()?;
        (url.origin() == self.0.origin()).then_some(url)
    }
}
