//! The options of the sink, their defaults and their validation.

use std::collections::BTreeMap;

use mysql_async::OptsBuilder;
use percent_encoding::percent_decode_str;
use tidegate_cdc::options::{Options, Settings, TableOptions, TableSettings};
use tidegate_plugin::{ByteSize, HumanDuration, prelude::*};
use url::Url;

use crate::{
    dialect::NAMES,
    session::{Files, Login, TlsError, verified},
    types::ColumnType,
};

/// Port of MySQL and MariaDB.
const PORT: u16 = 3306;

/// Statements that are kept prepared; each takes memory in the server.
const PREPARED: usize = 64;

/// Configuration of `mysql`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Config {
    /// Connection string, such as `mysql://user:password@host:3306/database`. Its parts take precedence over the options below.
    #[serde(default)]
    pub(crate) url: Option<Secret>,
    /// Host.
    #[serde(default)]
    #[schemars(extend("x-env" = "MYSQL_HOST"))]
    pub(crate) host: Option<String>,
    /// Port. Default: 3306.
    #[serde(default)]
    #[schemars(extend("x-env" = "MYSQL_TCP_PORT"))]
    pub(crate) port: Option<u16>,
    /// User that the connector logs in as.
    #[serde(default)]
    pub(crate) user: Option<String>,
    /// Password.
    #[serde(default)]
    #[schemars(extend("x-env" = "MYSQL_PWD"))]
    pub(crate) password: Option<Secret>,
    /// Database of the tables. It must exist.
    #[serde(default)]
    pub(crate) database: Option<String>,
    /// Whether connections are encrypted: `verify-full`, which checks the server's certificate and name, or `disable`.
    #[serde(default)]
    pub(crate) ssl_mode: SslMode,
    /// File with the certificates of trusted authorities, in PEM. Default: those that browsers trust.
    #[serde(default)]
    pub(crate) ssl_root_cert: Option<String>,
    /// File with the client's certificate, in PEM.
    #[serde(default)]
    pub(crate) ssl_cert: Option<String>,
    /// File with the key of the client's certificate, in PEM.
    #[serde(default)]
    pub(crate) ssl_key: Option<String>,

    /// The options of all table sinks.
    #[serde(flatten)]
    pub(crate) options: Options,
    /// Options of individual tables, by topic, by `schema.table`, or by table of the source.
    #[serde(default)]
    pub(crate) tables: BTreeMap<String, TableOptions<ColumnType>>,
    /// Maximum bytes of rows that are loaded at once. A larger row is sent alone.
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

/// The parts of a connection string; those that it does not have are `None`.
#[derive(Default)]
struct Parts {
    host: Option<String>,
    port: Option<u16>,
    user: Option<String>,
    password: Option<String>,
    database: Option<String>,
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
            stored_rows: None,
            snapshot_warehouse: None,
            max_statement_bytes: bytes(self.max_statement_bytes),
            max_value_bytes: bytes(self.max_value_bytes),
        }
    }

    /// How to log in.
    ///
    /// # Errors
    /// If an option is missing or a file cannot be used.
    pub(crate) fn login(&self) -> Result<Login> {
        let parts = self.url.as_ref().map(|url| parse(url.expose())).transpose()?.unwrap_or_default();
        let missing = |option: &'static str, names: &str| {
            Error::invalid_option(option, format_args!("is missing: set url or {names}"))
        };
        let host =
            parts.host.or_else(|| self.host.clone()).ok_or_else(|| missing("host", "host, or MYSQL_HOST"))?;
        let user = parts.user.or_else(|| self.user.clone()).ok_or_else(|| missing("user", "user"))?;
        let database = parts.database.or_else(|| self.database.clone());
        let database = database.ok_or_else(|| missing("database", "database"))?;
        let password =
            parts.password.or_else(|| self.password.as_ref().map(|secret| secret.expose().to_owned()));
        let files = Files {
            roots: self.ssl_root_cert.as_deref(),
            client: self.ssl_cert.as_deref().zip(self.ssl_key.as_deref()),
        };
        let encryption = match self.ssl_mode {
            SslMode::Disable => None,
            SslMode::VerifyFull => {
                let verified = verified(files);
                Some(verified.map_err(|TlsError { option, reason }| Error::fatal(reason).at(option))?)
            }
        };
        let options = OptsBuilder::default()
            .ip_or_hostname(host)
            .tcp_port(parts.port.or(self.port).unwrap_or(PORT))
            .user(Some(user.clone()))
            .pass(password)
            .db_name(Some(database.clone()))
            .ssl_opts(encryption)
            .prefer_socket(Some(false))
            // Counts are those of rows that a condition has found, also if their values stay the same.
            .client_found_rows(true)
            .stmt_cache_size(Some(PREPARED))
            .connect_attribute("program_name", "tidegate");
        Ok(Login {
            options: options.into(),
            user,
            database,
            connect_timeout: *self.connect_timeout,
            statement_timeout: *self.statement_timeout,
            lock_timeout: *self.lock_timeout,
        })
    }
}

/// The parts of a connection string. Messages must not contain it, because it may contain a password.
fn parse(url: &str) -> Result<Parts> {
    let invalid = |reason: &str| Error::invalid_option("url", reason);
    let form = "is not a connection string: use the form mysql://user:password@host:3306/database";
    let url = Url::parse(url).map_err(|_| invalid(form))?;
    if !matches!(url.scheme(), "mysql" | "mariadb") {
        return Err(invalid(form));
    }
    if url.query().is_some() {
        return Err(invalid(
            "has parameters, which are not read: use the options of the sink, such as ssl_mode",
        ));
    }
    let text = |text: &str| {
        let decoded =
            percent_decode_str(text).decode_utf8().map_err(|_| invalid("has an escape that is not UTF-8"));
        decoded.map(|text| (!text.is_empty()).then(|| text.into_owned()))
    };
    let database = url.path().trim_start_matches('/');
    Ok(Parts {
        host: url
            .host_str()
            .filter(|host| !host.is_empty())
            .map(|host| host.trim_matches(['[', ']']).to_owned()),
        port: url.port(),
        user: text(url.username())?,
        password: url.password().map(text).transpose()?.flatten(),
        database: text(database)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        serde_json::from_str(text).unwrap()
    }

    fn error(text: &str) -> String {
        config(text).check().map_or_else(|error| error.to_string(), |()| String::new())
    }

    #[test]
    fn parts_of_the_url_take_precedence() {
        let url = format!("mysql://tide:p%40ss{}db/shop", '@');
        let login = config(&format!(r#"{{"url": "{url}", "user": "other", "port": 3307}}"#)).login().unwrap();
        let options = &login.options;
        assert_eq!((options.ip_or_hostname(), options.tcp_port()), ("db", 3307));
        assert_eq!((options.user(), options.pass()), (Some("tide"), Some("p@ss")));
        assert_eq!(login.database, "shop");
        assert!(options.ssl_opts().is_some_and(|ssl| !ssl.accept_invalid_certs()));
    }

    #[test]
    fn missing_and_wrong_options_are_named_without_secrets() {
        assert!(error("{}").contains("MYSQL_HOST"));
        assert!(error(r#"{"host": "db", "user": "tide"}"#).contains("database"));
        for (url, reason) in [
            ("postgresql://s3cret:s3cret/shop", "use the form mysql://"),
            ("mysql://db/shop?require_ssl=false", "has parameters"),
            ("s3cret", "use the form mysql://"),
        ] {
            let error = error(&format!(r#"{{"url": "{url}", "user": "tide"}}"#));
            assert!(error.contains(reason) && !error.contains("s3cret"), "{error}");
        }
        let error = error(r#"{"host": "db", "user": "u", "database": "d", "ssl_root_cert": "/nowhere.pem"}"#);
        assert!(error.contains("ssl_root_cert") && error.contains("/nowhere.pem"), "{error}");
    }
}
