//! The options of the sink, their defaults and their validation.

use std::{borrow::Cow, collections::BTreeMap};

use tidegate_cdc::options::{Options, Settings, TableOptions, TableSettings};
use tidegate_plugin::{ByteSize, HumanDuration, prelude::*};

use crate::{
    dialect::NAMES,
    pgpass,
    session::{Encryption, Files, Login, TlsError},
    types::ColumnType,
};

/// Configuration of `postgres`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Config {
    /// Connection string, such as `postgresql://user:password@host:5432/database`. Other options take precedence over its parts.
    #[serde(default)]
    pub(crate) url: Option<Secret>,
    /// Host, or several separated by commas: the first that is not read-only is used.
    #[serde(default)]
    #[schemars(extend("x-env" = "PGHOST"))]
    pub(crate) host: Option<String>,
    /// Port. Default: 5432.
    #[serde(default)]
    #[schemars(extend("x-env" = "PGPORT"))]
    pub(crate) port: Option<u16>,
    /// User that the connector logs in as.
    #[serde(default)]
    #[schemars(extend("x-env" = "PGUSER"))]
    pub(crate) user: Option<String>,
    /// Password. Default: that of the password file, `PGPASSFILE` or `~/.pgpass`.
    #[serde(default)]
    #[schemars(extend("x-env" = "PGPASSWORD"))]
    pub(crate) password: Option<Secret>,
    /// Database. Default: that with the name of the user.
    #[serde(default)]
    #[schemars(extend("x-env" = "PGDATABASE"))]
    pub(crate) database: Option<String>,
    /// Schema of the tables.
    #[serde(default = "public")]
    pub(crate) schema: String,
    /// Whether connections are encrypted: `verify-full`, which checks the server's certificate and name, or `disable`.
    #[serde(default)]
    pub(crate) ssl_mode: SslMode,
    /// File with the certificates of trusted authorities, in PEM. Default: those that browsers trust.
    #[serde(default)]
    #[schemars(extend("x-env" = "PGSSLROOTCERT"))]
    pub(crate) ssl_root_cert: Option<String>,
    /// File with the client's certificate, in PEM.
    #[serde(default)]
    #[schemars(extend("x-env" = "PGSSLCERT"))]
    pub(crate) ssl_cert: Option<String>,
    /// File with the key of the client's certificate, in PEM.
    #[serde(default)]
    #[schemars(extend("x-env" = "PGSSLKEY"))]
    pub(crate) ssl_key: Option<String>,

    /// The options of all table sinks.
    #[serde(flatten)]
    pub(crate) options: Options,
    /// Options of individual tables, by topic, by `schema.table`, or by table of the source.
    #[serde(default)]
    pub(crate) tables: BTreeMap<String, TableOptions<ColumnType>>,
    /// Maximum bytes of rows in one statement. A larger row is sent alone.
    #[serde(default = "statement_bytes")]
    pub(crate) max_statement_bytes: ByteSize,
    /// Maximum bytes of all values of a row. Larger records are rejected.
    #[serde(default = "value_bytes")]
    pub(crate) max_value_bytes: ByteSize,
    /// Timeout for connecting.
    #[serde(default = "ten_seconds")]
    pub(crate) connect_timeout: HumanDuration,
    /// Timeout for a statement.
    #[serde(default = "four_minutes")]
    pub(crate) statement_timeout: HumanDuration,
    /// Timeout for waiting for locks.
    #[serde(default = "half_minute")]
    pub(crate) lock_timeout: HumanDuration,
}

/// Whether connections are encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SslMode {
    /// They are, and the server's certificate and name are checked.
    #[default]
    VerifyFull,
    /// They are not.
    Disable,
}

fn public() -> String {
    "public".to_owned()
}

fn statement_bytes() -> ByteSize {
    ByteSize::from_bytes(64 << 20)
}

fn value_bytes() -> ByteSize {
    ByteSize::from_bytes(256 << 20)
}

fn ten_seconds() -> HumanDuration {
    HumanDuration::from_secs(10)
}

fn half_minute() -> HumanDuration {
    HumanDuration::from_secs(30)
}

fn four_minutes() -> HumanDuration {
    HumanDuration::from_secs(240)
}

impl Config {
    /// Checks the options without connecting.
    ///
    /// # Errors
    /// All invalid options.
    pub(crate) fn check(&self) -> Result<()> {
        let names = self.tables.iter().map(|(key, table)| (key, &table.name));
        let mut errors = self.options.faults(&NAMES, names);
        errors.extend(self.login().err());
        Error::join(errors)
    }

    /// The configuration of the core.
    pub(crate) fn settings(&self) -> Settings<ColumnType> {
        let table = |(key, options): (&String, &TableOptions<ColumnType>)| {
            (key.clone(), TableSettings { options: options.clone(), warehouse: None })
        };
        let bytes = |size: ByteSize| usize::try_from(size.bytes()).unwrap_or(usize::MAX);
        Settings {
            options: self.options.clone(),
            tables: self.tables.iter().map(table).collect(),
            warehouse: None,
            snapshot_warehouse: None,
            stored_rows: None,
            max_statement_bytes: bytes(self.max_statement_bytes),
            max_value_bytes: bytes(self.max_value_bytes),
        }
    }

    /// How to log in.
    ///
    /// # Errors
    /// If an option is missing or a file cannot be used.
    pub(crate) fn login(&self) -> Result<Login> {
        let mut config = Self::with_password_file(self.connection()?);
        config.application_name("tidegate");
        config.connect_timeout(*self.connect_timeout);
        config.target_session_attrs(tokio_postgres::config::TargetSessionAttrs::ReadWrite);
        let files = Files {
            roots: self.ssl_root_cert.as_deref(),
            client: self.ssl_cert.as_deref().zip(self.ssl_key.as_deref()),
        };
        let encryption = match self.ssl_mode {
            SslMode::Disable => Encryption::None,
            SslMode::VerifyFull => Encryption::verified(files)
                .map_err(|TlsError { option, reason }| Error::fatal(reason).at(option))?,
        };
        Ok(Login {
            config,
            encryption,
            schema: self.schema.clone(),
            connect_timeout: *self.connect_timeout,
            statement_timeout: *self.statement_timeout,
            lock_timeout: *self.lock_timeout,
        })
    }

    fn connection(&self) -> Result<tokio_postgres::Config> {
        let parse = |url: &Secret| {
            // The parser's message could contain a part of the password.
            each_host(url.expose()).parse::<tokio_postgres::Config>().map_err(|_| {
                Error::invalid_option(
                    "url",
                    "is not a connection string: use the form postgresql://user:password@host:5432/database",
                )
            })
        };
        let mut config = self.url.as_ref().map(parse).transpose()?.unwrap_or_default();
        if let Some(hosts) = self.host.as_deref().filter(|_| config.get_hosts().is_empty()) {
            for host in hosts.split(',') {
                config.host(host.trim());
            }
        }
        if config.get_hosts().is_empty() {
            return Err(Error::invalid_option("host", "is missing: set url or host, or PGHOST"));
        }
        if let Some(port) = self.port.filter(|_| config.get_ports().is_empty()) {
            config.port(port);
        }
        let (hosts, ports) = (config.get_hosts().len(), config.get_ports().len());
        if ports > 1 && ports != hosts {
            let reason = format!("has {ports} ports for {hosts} hosts: name one port, or one for each host");
            return Err(Error::invalid_option("url", reason));
        }
        if let Some(user) = self.user.as_deref().filter(|_| config.get_user().is_none()) {
            config.user(user);
        }
        if config.get_user().is_none() {
            return Err(Error::invalid_option("user", "is missing: set url or user, or PGUSER"));
        }
        if let Some(password) = self.password.as_ref().filter(|_| config.get_password().is_none()) {
            config.password(password.expose());
        }
        if let Some(database) = self.database.as_deref().filter(|_| config.get_dbname().is_none()) {
            config.dbname(database);
        }
        Ok(config)
    }

    /// Adds the password of the password file, if there is no other.
    fn with_password_file(mut config: tokio_postgres::Config) -> tokio_postgres::Config {
        if config.get_password().is_some() {
            return config;
        }
        let host = config.get_hosts().first().map(|host| match host {
            tokio_postgres::config::Host::Tcp(host) => host.clone(),
            tokio_postgres::config::Host::Unix(_) => "localhost".to_owned(),
        });
        let user = config.get_user().unwrap_or_default().to_owned();
        let login = pgpass::Login {
            host: host.as_deref().unwrap_or_default(),
            port: config.get_ports().first().copied().unwrap_or(5432),
            database: config.get_dbname().unwrap_or(&user),
            user: &user,
        };
        if let Some(password) = pgpass::password(login) {
            config.password(password);
        }
        config
    }
}

/// A connection string with a parameter for each host: in URLs, tokio-postgres reads `host=a,b` as one host, unlike libpq.
fn each_host(url: &str) -> Cow<'_, str> {
    let Some((before, parameters)) = url.split_once('?').filter(|_| url.contains("://")) else {
        return url.into();
    };
    let split = |parameter: &str| match parameter.strip_prefix("host=") {
        Some(hosts) => {
            format!("host={}", hosts.replace("%2C", ",").replace("%2c", ",").replace(',', "&host="))
        }
        None => parameter.to_owned(),
    };
    let parameters: Vec<String> = parameters.split('&').map(split).collect();
    format!("{before}?{}", parameters.join("&")).into()
}

#[cfg(test)]
mod tests {
    use super::each_host;

    #[test]
    fn hosts_of_a_parameter_are_split() {
        for (url, expected) in [
            (
                "postgresql://u:p@a,b:5433/db?application_name=x,y",
                "postgresql://u:p@a,b:5433/db?application_name=x,y",
            ),
            ("postgresql:///db?host=a,b%2Cc&port=1,2,3", "postgresql:///db?host=a&host=b&host=c&port=1,2,3"),
            ("host=a,b port=1,2", "host=a,b port=1,2"),
        ] {
            assert_eq!(each_host(url), expected);
            assert!(
                each_host(url)
                    .parse::<tokio_postgres::Config>()
                    .is_ok_and(|config| config.get_hosts().len() >= 2)
            );
        }
    }
}
