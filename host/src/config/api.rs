//! `[api]` of the host file: where the REST API listens, and who may use it.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::section::Section;

/// Kafka Connect's port.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8083);
/// Shorter tokens can be guessed.
const MIN_TOKEN_BYTES: usize = 16;

/// What an identity may do. The second includes the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ApiScope {
    /// Read configurations, without secrets, and states.
    Read,
    /// Also change them.
    Write,
}

/// `[[api.tokens]]`: a bearer token.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// `name`: who it is for, in the audit log.
    pub name: String,
    /// `token`: the secret.
    pub token: String,
    /// `scope`. Default: read.
    pub scope: ApiScope,
}

/// `[[api.users]]`: a user with a password.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiUser {
    /// `name`: what the user logs in with.
    pub name: String,
    /// `password_hash`: an Argon2 hash in PHC format.
    pub password_hash: String,
    /// `scope`. Default: read.
    pub scope: ApiScope,
}

/// The files for TLS, which are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiTls {
    /// `tls_certificate_file`: the certificate and its chain, as PEM.
    pub certificate_file: PathBuf,
    /// `tls_key_file`: its private key, as PEM.
    pub key_file: PathBuf,
    /// `tls_client_ca_file`: who has a certificate of this authority may write.
    pub client_ca_file: Option<PathBuf>,
}

/// `[api]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiConfig {
    /// `listen`. Default: `127.0.0.1:8083`; `None` for `"off"`.
    pub listen: Option<SocketAddr>,
    /// `hosts`: names that clients may address the host by, beside `localhost` and IP addresses.
    pub hosts: Vec<String>,
    /// `[[api.tokens]]`.
    pub tokens: Vec<ApiToken>,
    /// `[[api.users]]`.
    pub users: Vec<ApiUser>,
    /// `tls_certificate_file`, `tls_key_file` and `tls_client_ca_file`.
    pub tls: Option<ApiTls>,
    /// `allow_files`: folders and files that `${file:}` may name in configurations that come over the API.
    pub allow_files: Vec<PathBuf>,
    /// `allow_env`: variables that `${env:}` may name there; `*` at the end stands for any text.
    pub allow_env: Vec<String>,
}

impl Default for ApiConfig {
    fn default() -> Self {
        Self {
            listen: Some(DEFAULT_LISTEN),
            hosts: vec![],
            tokens: vec![],
            users: vec![],
            tls: None,
            allow_files: vec![],
            allow_env: vec![],
        }
    }
}

impl ApiConfig {
    /// Whether clients have to log in.
    #[must_use]
    pub fn has_logins(&self) -> bool {
        !self.tokens.is_empty()
            || !self.users.is_empty()
            || self.tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some())
    }

    /// Reads `[api]`; `flag` is the value of `--api`.
    pub(super) fn read(mut section: Section<'_>, flag: Option<&str>) -> Self {
        let written = section.text("listen");
        let mut listen = Some(DEFAULT_LISTEN);
        if let Some(text) = written {
            listen = address(&text).unwrap_or_else(|message| {
                section.error("listen", message, None);
                None
            });
        }
        if let Some(text) = flag {
            listen = address(text).unwrap_or_else(|message| {
                section.report().flag("api", message);
                None
            });
        }
        let tokens = section.sections("tokens").into_iter().filter_map(ApiToken::read).collect();
        let users = section.sections("users").into_iter().filter_map(ApiUser::read).collect();
        let api = Self {
            listen,
            hosts: section.texts("hosts").unwrap_or_default(),
            tokens,
            users,
            tls: ApiTls::read(&mut section),
            allow_files: read_paths(&mut section),
            allow_env: section.texts("allow_env").unwrap_or_default(),
        };
        section.finish();
        api
    }
}

fn read_paths(section: &mut Section<'_>) -> Vec<PathBuf> {
    let paths: Vec<PathBuf> =
        section.texts("allow_files").unwrap_or_default().into_iter().map(PathBuf::from).collect();
    if let Some(relative) = paths.iter().find(|path| !path.is_absolute()) {
        let message = format!("{} is relative: write the whole path, from / on", relative.display());
        section.error("allow_files", message, None);
    }
    paths
}

fn address(text: &str) -> Result<Option<SocketAddr>, String> {
    if text == "off" {
        return Ok(None);
    }
    let text =
        text.strip_prefix("localhost:").map_or_else(|| text.to_owned(), |port| format!("127.0.0.1:{port}"));
    let parsed = text.parse().map(Some);
    parsed
        .map_err(|_| format!("{text:?} is not an address: write one such as \"127.0.0.1:8083\", or \"off\""))
}

fn read_scope(section: &mut Section<'_>) -> ApiScope {
    let scopes = vec![("read", ApiScope::Read), ("write", ApiScope::Write)];
    section.choice("scope", scopes).unwrap_or(ApiScope::Read)
}

fn required(section: &mut Section<'_>, key: &'static str) -> Option<String> {
    if !section.has(key) {
        section.error(key, "is missing", None);
    }
    section.name(key)
}

impl ApiToken {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let (name, token) = (required(&mut section, "name"), required(&mut section, "token"));
        let scope = read_scope(&mut section);
        if let Some(token) = &token {
            section.report().secret(token);
            if token.len() < MIN_TOKEN_BYTES {
                let help = "make one with `openssl rand -base64 32`".to_owned();
                section.error("token", format!("has less than {MIN_TOKEN_BYTES} characters"), Some(help));
            }
        }
        section.finish();
        Some(Self { name: name?, token: token?, scope })
    }
}

impl ApiUser {
    fn read(mut section: Section<'_>) -> Option<Self> {
        let (name, hash) = (required(&mut section, "name"), required(&mut section, "password_hash"));
        let scope = read_scope(&mut section);
        if let Some(hash) = &hash {
            section.report().secret(hash);
            if !hash.starts_with("$argon2") || argon2::PasswordHash::new(hash).is_err() {
                let help = "make one with `echo -n PASSWORD | argon2 SALT -id -e`".to_owned();
                section.error("password_hash", "is not an Argon2 hash", Some(help));
            }
        }
        section.finish();
        Some(Self { name: name?, password_hash: hash?, scope })
    }
}

impl ApiTls {
    fn read(section: &mut Section<'_>) -> Option<Self> {
        let keys = ["tls_certificate_file", "tls_key_file", "tls_client_ca_file"];
        let [certificate, key, client_ca] = keys.map(|key| section.name(key).map(PathBuf::from));
        match (certificate, key) {
            (Some(certificate_file), Some(key_file)) => {
                Some(Self { certificate_file, key_file, client_ca_file: client_ca })
            }
            (None, None) if client_ca.is_none() => None,
            _ => {
                let help = "set tls_certificate_file and tls_key_file".to_owned();
                section.error("tls_certificate_file", "TLS needs a certificate and its key", Some(help));
                None
            }
        }
    }
}

impl fmt::Debug for ApiToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiToken")
            .field("name", &self.name)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ApiUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiUser")
            .field("name", &self.name)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}
