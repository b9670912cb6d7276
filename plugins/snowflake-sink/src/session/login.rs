//! Login settings, and the library's client.

use std::{sync::Arc, time::Duration};

use reqwest::Client;
use reqwest_middleware::ClientBuilder;
use snowflake_api::{AuthArgs, AuthType, CertificateArgs, PasswordArgs, SnowflakeApi, SnowflakeApiBuilder};
use tidegate_cdc::session::{Class, Credentials, SqlError};
use tidegate_plugin::Secret;
use url::Url;

use super::{
    key::{Key, KeyError},
    statement::Limits,
    wire::{Account, Endpoint, Exchange, Wire},
};

/// Maximum idle time of a connection. Servers and gateways have longer timeouts.
const MAX_CONNECTION_IDLE: Duration = Duration::from_secs(3);
/// Kind of errors before anything is sent.
pub(super) const KIND: &str = "login";

/// Account, credentials and timeouts. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub(crate) struct Login {
    /// Account identifier, as configured.
    pub(crate) account: String,
    /// User.
    pub(crate) user: String,
    /// Password or key.
    pub(crate) secret: LoginSecret,
    /// Role; default: the user's default role.
    pub(crate) role: Option<String>,
    /// Database of the tables, exact name.
    pub(crate) database: String,
    /// Schema of the tables, exact name.
    pub(crate) schema: String,
    /// Server, if it is not that of the account.
    pub(crate) endpoint: Option<Url>,
    /// Timeout for connecting.
    pub(crate) connect_timeout: Duration,
    /// Timeout for a response.
    pub(crate) request_timeout: Duration,
    /// Timeout of a statement.
    pub(crate) statement_timeout: Duration,
    /// Timeout for a lock.
    pub(crate) lock_timeout: Duration,
}

/// Part of a login.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum LoginPart {
    Account,
    Endpoint,
    Key,
    Passphrase,
}

/// Credentials.
#[derive(Clone, Debug)]
pub(crate) enum LoginSecret {
    /// A password, or a programmatic access token.
    Password(Secret),
    /// A private key in PEM, and its passphrase.
    Key {
        /// PKCS#8, encrypted PKCS#8 or PKCS#1.
        pem: Secret,
        /// For an encrypted key.
        passphrase: Option<Secret>,
    },
}

/// A login that was validated without connecting.
pub(super) struct Prepared<'l> {
    pub(super) login: &'l Login,
    pub(super) fingerprint: Option<String>,
    pub(super) credentials: Credentials,
    account: Account,
    endpoint: Endpoint,
    auth: Auth,
}

#[derive(Clone)]
enum Auth {
    Password(String),
    Key(String),
}

impl Login {
    /// The parts that cannot be used, with the reasons. Connects to nothing.
    pub(crate) fn faults(&self) -> Vec<(LoginPart, String)> {
        let mut faults = vec![];
        match Account::parse(&self.account) {
            Err(error) => faults.push((LoginPart::Account, error.to_string())),
            Ok(account) => {
                let endpoint = Endpoint::new(self.endpoint.as_ref(), &account).err();
                faults.extend(endpoint.map(|error| (LoginPart::Endpoint, error.to_string())));
            }
        }
        if let LoginSecret::Key { pem, passphrase } = &self.secret
            && let Err(error) = Key::read(pem, passphrase.as_ref())
        {
            let part = match error {
                KeyError::NoPassphrase | KeyError::Passphrase => LoginPart::Passphrase,
                _ => LoginPart::Key,
            };
            faults.push((part, error.to_string()));
        }
        faults
    }
}

impl<'l> Prepared<'l> {
    /// Parses account, endpoint and key.
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
        let credentials = Credentials::of(parts);
        Ok(Self { login, fingerprint, credentials, account, endpoint, auth })
    }

    /// Timeouts of statements.
    pub(super) fn limits(&self) -> Limits {
        Limits { statement: self.login.statement_timeout, lock: self.login.lock_timeout }
    }

    /// Whether database and schema can be part of the login request, which converts names to upper case.
    pub(super) fn sends_schema(&self) -> bool {
        is_plain(&self.login.database) && is_plain(&self.login.schema)
    }

    /// The library's client, which is not logged in yet.
    ///
    /// It logs statements and tokens to the `log` crate at debug level. These logs are dropped: plugins use `tracing`,
    /// nothing in a plugin forwards `log` to it, and the host cannot access the plugin's copy of `log`.
    pub(super) fn api(
        &self,
        warehouse: Option<&str>,
        exchange: &Arc<Exchange>,
        http: Client,
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
        let client = ClientBuilder::new(http).with(wire).build();
        SnowflakeApiBuilder::new(auth).with_client(client).build().map_err(|error| no_client(&error))
    }

    /// The HTTP client, without the retries of the library's default client: see [`super::wire`].
    pub(super) fn client(&self) -> Result<Client, SqlError> {
        let client = Client::builder()
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .referer(false)
            .connect_timeout(self.login.connect_timeout)
            .timeout(self.login.request_timeout)
            // Between two calls of the plugin, nothing polls connections, so an idle one may have been closed.
            .pool_idle_timeout(MAX_CONNECTION_IDLE)
            .build();
        client.map_err(|error| no_client(&error))
    }
}

fn no_client(error: &dyn std::error::Error) -> SqlError {
    SqlError::new(Class::Bug, KIND, format!("the HTTP client cannot be created: {error}"))
}

/// Whether a name is the same with and without quotes.
pub(super) fn is_plain(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_uppercase() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"_$".contains(&byte))
}
