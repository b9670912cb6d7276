//! Who logs in and where, and the library's object for it.

use std::{sync::Arc, time::Duration};

use reqwest_middleware::ClientBuilder;
use snowflake_api::{AuthArgs, AuthType, CertificateArgs, PasswordArgs, SnowflakeApi, SnowflakeApiBuilder};
use tidegate_plugin::Secret;
use url::Url;

use super::{
    class::Class,
    error::SqlError,
    key::Key,
    lockout::Claimant,
    statement::Limits,
    wire::{Account, Endpoint, Exchange, Wire},
};

/// How long a connection may idle before it is not used again. Servers and what stands before them wait for longer.
const LONGEST_IDLE: Duration = Duration::from_secs(3);
/// For errors before anything is sent.
pub(super) const KIND: &str = "login";

/// Who logs in, where, and how long things may take. Its `Debug` shows no secret.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    /// Account identifier, as the user wrote it.
    pub(crate) account: String,
    /// User.
    pub(crate) user: String,
    /// Password or key.
    pub(crate) secret: LoginSecret,
    /// Role; without it, the user's default.
    pub(crate) role: Option<String>,
    /// Database of the tables, written exactly so.
    pub(crate) database: String,
    /// Schema of the tables, written exactly so.
    pub(crate) schema: String,
    /// The server, if it is not the account's own.
    pub(crate) endpoint: Option<Url>,
    /// Longest wait for a connection.
    pub(crate) connect_timeout: Duration,
    /// Longest wait for an answer.
    pub(crate) request_timeout: Duration,
    /// Longest run of a statement.
    pub(crate) statement_timeout: Duration,
    /// Longest wait for a lock.
    pub(crate) lock_timeout: Duration,
}

/// How a user proves to be the user.
#[derive(Clone, Debug)]
pub(crate) enum LoginSecret {
    /// A password, or a programmatic access token.
    Password(Secret),
    /// A private key in PEM, and what opens it.
    Key {
        /// PKCS#8, encrypted PKCS#8 or PKCS#1.
        pem: Secret,
        /// For an encrypted key.
        passphrase: Option<Secret>,
    },
}

/// A login that has been checked as far as that goes without asking Snowflake.
pub(super) struct Prepared<'l> {
    pub(super) login: &'l Login,
    pub(super) fingerprint: Option<String>,
    pub(super) claimant: Claimant,
    account: Account,
    endpoint: Endpoint,
    auth: Auth,
}

#[derive(Clone)]
enum Auth {
    Password(String),
    Key(String),
}

impl<'l> Prepared<'l> {
    /// Reads account, endpoint and key.
    pub(super) fn new(login: &'l Login) -> Result<Self, SqlError> {
        let missing = |error: &dyn std::error::Error| SqlError::new(Class::Missing, KIND, error.to_string());
        let account = Account::parse(&login.account).map_err(|error| missing(&error))?;
        let endpoint = Endpoint::new(login.endpoint.as_ref(), &account).map_err(|error| missing(&error))?;
        let (auth, fingerprint) = match &login.secret {
            LoginSecret::Password(password) => (Auth::Password(password.expose().to_owned()), None),
            LoginSecret::Key { pem, passphrase } => {
                let key = Key::read(pem, passphrase.as_ref())
                    .map_err(|error| SqlError::new(Class::Credentials, KIND, error.to_string()))?;
                (Auth::Key(key.pem), Some(key.fingerprint))
            }
        };
        let secret = match &auth {
            Auth::Password(password) => ["password", password],
            Auth::Key(pem) => ["key", pem],
        };
        let origin = endpoint.origin();
        let parts = [origin.as_str(), &account.identifier, &login.user].into_iter().chain(secret);
        let claimant = Claimant::of(parts);
        Ok(Self { login, fingerprint, claimant, account, endpoint, auth })
    }

    /// The limits of its statements.
    pub(super) fn limits(&self) -> Limits {
        Limits { statement: self.login.statement_timeout, lock: self.login.lock_timeout }
    }

    /// Whether database and schema can go with the login, which is in upper case and without quotes.
    pub(super) fn sends_schema(&self) -> bool {
        is_plain(&self.login.database) && is_plain(&self.login.schema)
    }

    /// The library's object, which has not logged in yet.
    ///
    /// It writes statements and tokens to the `log` crate at debug. That leads nowhere: a plugin's log is `tracing`,
    /// nothing in a plugin bridges the two, and the host cannot see the plugin's copy of `log`.
    pub(super) fn api(
        &self,
        warehouse: Option<&str>,
        exchange: &Arc<Exchange>,
    ) -> Result<SnowflakeApi, SqlError> {
        let names = self.sends_schema();
        let auth = AuthArgs {
            account_identifier: self.account.identifier.clone(),
            warehouse: warehouse.map(str::to_owned),
            database: names.then(|| self.login.database.clone()),
            schema: names.then(|| self.login.schema.clone()),
            username: self.login.user.clone(),
            role: self.login.role.clone(),
            auth_type: match self.auth.clone() {
                Auth::Password(password) => AuthType::Password(PasswordArgs { password }),
                Auth::Key(private_key_pem) => AuthType::Certificate(CertificateArgs { private_key_pem }),
            },
        };
        let wire =
            Wire { endpoint: self.endpoint.clone(), limits: self.limits(), exchange: Arc::clone(exchange) };
        let broken =
            |what: &str| SqlError::new(Class::Bug, KIND, format!("the HTTP client cannot be made: {what}"));
        let http = self.client().map_err(|error| broken(&error.to_string()))?;
        let client = ClientBuilder::new(http).with(wire).build();
        SnowflakeApiBuilder::new(auth).with_client(client).build().map_err(|error| broken(&error.to_string()))
    }

    /// Without the retries of the library's own client: see [`super::wire`].
    fn client(&self) -> reqwest::Result<reqwest::Client> {
        reqwest::Client::builder()
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .referer(false)
            .connect_timeout(self.login.connect_timeout)
            .timeout(self.login.request_timeout)
            // Nothing watches connections between two calls of the plugin: one that idled may be closed by now.
            .pool_idle_timeout(LONGEST_IDLE)
            .build()
    }
}

/// Whether a name is the same with and without quotes.
pub(super) fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_uppercase() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"_$".contains(&byte))
}
