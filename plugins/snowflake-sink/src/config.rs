//! The options of the sink, their defaults and their validation.

use std::{collections::BTreeMap, fs, ops::RangeInclusive};

use tidegate_cdc::options::{Identifiers, Options, Settings, StoredRows, TableOptions, TableSettings};
use tidegate_plugin::{ByteSize, HumanDuration, prelude::*};
use url::{Host, Url};

use crate::{
    dialect::NAMES,
    session::{Login, LoginPart, LoginSecret, StageSettings},
    sql::StageName,
    types::ColumnType,
};

/// Bounds of `max_statement_bytes`.
const STATEMENT_BYTES: RangeInclusive<ByteSize> =
    ByteSize::from_bytes(1_000)..=ByteSize::from_bytes(16_000_000);

/// Bounds of `stage_from_bytes`.
const STAGE_BYTES: RangeInclusive<ByteSize> =
    ByteSize::from_bytes(1_000)..=ByteSize::from_bytes(1_000_000_000);
/// Maximum bytes of rows in one file. Snowflake recommends files of 100 to 250 MB after compression; a smaller one is not lost with
/// as much work.
const FILE_BYTES: usize = 256_000_000;

/// Bounds of `max_value_bytes`. Snowflake's own limit for a text is 128 MiB.
const VALUE_BYTES: RangeInclusive<ByteSize> = ByteSize::from_bytes(1_000)..=ByteSize::from_bytes(128 << 20);

/// Configuration of `snowflake`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Config {
    /// Account identifier, such as `myorg-account1`, or `xy12345.eu-central-1`.
    #[schemars(extend("x-env" = "SNOWFLAKE_ACCOUNT"))]
    pub(crate) account: String,
    /// User that the connector logs in as.
    #[schemars(extend("x-env" = "SNOWFLAKE_USER"))]
    pub(crate) user: String,
    /// Password, or a programmatic access token.
    #[serde(default)]
    #[schemars(extend("x-env" = "SNOWFLAKE_PASSWORD"))]
    pub(crate) password: Option<Secret>,
    /// Private key in PEM: PKCS#8, encrypted PKCS#8 or PKCS#1. It takes precedence over the password.
    #[serde(default)]
    #[schemars(extend("x-env" = "SNOWFLAKE_PRIVATE_KEY"))]
    pub(crate) private_key: Option<Secret>,
    /// File with the private key.
    #[serde(default)]
    #[schemars(extend("x-env" = "SNOWFLAKE_PRIVATE_KEY_PATH"))]
    pub(crate) private_key_path: Option<String>,
    /// Passphrase of an encrypted private key.
    #[serde(default)]
    #[schemars(extend("x-env" = "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"))]
    pub(crate) private_key_passphrase: Option<Secret>,
    /// Role. Default: the user's default role.
    #[serde(default)]
    #[schemars(extend("x-env" = "SNOWFLAKE_ROLE"))]
    pub(crate) role: Option<String>,
    /// Warehouse. Default: the user's default warehouse.
    #[serde(default)]
    #[schemars(extend("x-env" = "SNOWFLAKE_WAREHOUSE"))]
    pub(crate) warehouse: Option<String>,
    /// Warehouse for rows of snapshots. Default: the warehouse of their table.
    #[serde(default)]
    pub(crate) snapshot_warehouse: Option<String>,
    /// Database of the tables.
    #[schemars(extend("x-env" = "SNOWFLAKE_DATABASE"))]
    pub(crate) database: String,
    /// Schema of the tables.
    #[serde(default = "public")]
    #[schemars(extend("x-env" = "SNOWFLAKE_SCHEMA"))]
    pub(crate) schema: String,
    /// URL of the service if it is not that of the account: PrivateLink, `*.snowflakecomputing.cn`, a test server.
    #[serde(default)]
    #[schemars(extend("x-env" = "SNOWFLAKE_ENDPOINT"))]
    pub(crate) endpoint: Option<String>,

    /// The options of all table sinks.
    #[serde(flatten)]
    pub(crate) options: Options,
    /// Options of individual tables, by topic, by `schema.table`, or by table of the source.
    #[serde(default)]
    pub(crate) tables: BTreeMap<String, TableConfig>,

    /// Maximum bytes of rows in one statement. Snowflake recommends at most 1 MB. A larger row is sent alone.
    #[serde(default = "megabyte")]
    pub(crate) max_statement_bytes: ByteSize,
    /// Maximum bytes of a text or a document, and of all values of a row as JSON. BINARY values have at most half. Larger
    /// records are rejected.
    #[serde(default = "largest_text")]
    pub(crate) max_value_bytes: ByteSize,
    /// Whether the rows of a table in a batch are uploaded to a stage if there are many, instead of being bound to statements.
    #[serde(default)]
    pub(crate) stage_rows: StageRows,
    /// Bytes of rows from which they are uploaded to a stage.
    #[serde(default = "four_megabytes")]
    pub(crate) stage_from_bytes: ByteSize,
    /// Internal stage, in the schema of the tables, used exactly as written. It is created if it does not exist. Default:
    /// `_cdc_stage_<connector>`.
    #[serde(default)]
    pub(crate) stage: Option<String>,
    /// Timeout for connecting.
    #[serde(default = "ten_seconds")]
    pub(crate) connect_timeout: HumanDuration,
    /// Timeout for one response. Snowflake responds after at most 45 seconds, possibly with a status of the running statement.
    #[serde(default = "two_minutes")]
    pub(crate) request_timeout: HumanDuration,
    /// Timeout for a statement, after which Snowflake cancels it.
    #[serde(default = "four_minutes")]
    pub(crate) statement_timeout: HumanDuration,
    /// Timeout for waiting for locks.
    #[serde(default = "minute")]
    pub(crate) lock_timeout: HumanDuration,
}

/// Whether rows are uploaded to a stage.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StageRows {
    /// If it is possible; otherwise they are bound, and a warning says why.
    #[default]
    Auto,
    /// Yes, and the batch fails if it is not possible.
    Require,
    /// No: all rows are bound.
    Never,
}

/// Options of one table: those of [`TableOptions`], and the warehouse. They are not flattened, because errors would not name the
/// column whose type is wrong.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct TableConfig {
    /// Name in Snowflake, used exactly as written.
    #[serde(default)]
    name: Option<String>,
    /// Primary key columns of the source.
    #[serde(default)]
    key_columns: Vec<String>,
    /// Warehouse that writes this table.
    #[serde(default)]
    warehouse: Option<String>,
    /// Columns of the table in Snowflake that the connector never writes. Every other column that an event does not have
    /// is set to NULL.
    #[serde(default)]
    unmanaged_columns: Vec<String>,
    /// Types of columns that the sink creates, by column of the source: `"text"`, `"float"`, `"number(38,10)"`,
    /// and so on. They take precedence over schemas, hints and the first values.
    #[serde(default)]
    columns: BTreeMap<String, ColumnType>,
}

fn public() -> String {
    "PUBLIC".to_owned()
}

fn megabyte() -> ByteSize {
    ByteSize::from_bytes(1_000_000)
}

/// An upload needs four short requests, about as long as one MERGE, so it replaces four of them.
fn four_megabytes() -> ByteSize {
    ByteSize::from_bytes(4_000_000)
}

/// The length of a VARCHAR that is declared without one.
fn largest_text() -> ByteSize {
    ByteSize::from_bytes(16 << 20)
}

fn ten_seconds() -> HumanDuration {
    HumanDuration::from_secs(10)
}

fn minute() -> HumanDuration {
    HumanDuration::from_secs(60)
}

fn two_minutes() -> HumanDuration {
    HumanDuration::from_secs(120)
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
        let mut errors: Vec<Error> = self.empty_names().collect();
        let names = self.tables.iter().map(|(key, table)| (key, &table.name));
        errors.extend(self.options.faults(&NAMES, names));
        if !STATEMENT_BYTES.contains(&self.max_statement_bytes) {
            let (low, high) = (STATEMENT_BYTES.start().bytes(), STATEMENT_BYTES.end().bytes());
            errors.push(Error::invalid_option(
                "max_statement_bytes",
                format_args!(
                    "is {}, but must be between {low} and {high} bytes; Snowflake recommends 1000000",
                    self.max_statement_bytes.bytes()
                ),
            ));
        }
        if !VALUE_BYTES.contains(&self.max_value_bytes) {
            let (low, high) = (VALUE_BYTES.start().bytes(), VALUE_BYTES.end().bytes());
            let given = self.max_value_bytes.bytes();
            let message = format_args!("is {given}, but must be between {low} and {high} bytes");
            errors.push(Error::invalid_option("max_value_bytes", message));
        }
        if !STAGE_BYTES.contains(&self.stage_from_bytes) {
            let (low, high) = (STAGE_BYTES.start().bytes(), STAGE_BYTES.end().bytes());
            let given = self.stage_from_bytes.bytes();
            let message = format_args!("is {given}, but must be between {low} and {high} bytes");
            errors.push(Error::invalid_option("stage_from_bytes", message));
        }
        errors.extend(self.stage_error());
        match self.login() {
            Ok(login) if errors.is_empty() => errors.extend(self.login_errors(&login)),
            Ok(_) => {}
            Err(error) => errors.push(error),
        }
        Error::join(errors)
    }

    fn empty_names(&self) -> impl Iterator<Item = Error> {
        let names = [
            ("account", &self.account),
            ("user", &self.user),
            ("database", &self.database),
            ("schema", &self.schema),
        ];
        names.into_iter().filter(|(_, value)| value.trim().is_empty()).map(|(option, _)| {
            let variable = option.to_uppercase();
            Error::invalid_option(option, format_args!("is empty: set it, or SNOWFLAKE_{variable}"))
        })
    }

    fn stage_error(&self) -> Option<Error> {
        let name = self.stage.as_deref()?;
        let reason = match name {
            _ if self.stage_rows == StageRows::Never => {
                "has no effect with stage_rows = \"never\": remove one of them"
            }
            _ if name.trim().is_empty() => "is empty: remove it for the default, or set a name",
            _ if name.contains('\0') || name.chars().count() > NAMES.max_characters => {
                "is not a name: Snowflake allows 255 characters, without NUL"
            }
            _ => return None,
        };
        Some(Error::invalid_option("stage", reason))
    }

    fn login_errors(&self, login: &Login) -> impl Iterator<Item = Error> {
        // A file may be replaced while the connector runs, so a task that cannot use it is restarted.
        let from_file = self.private_key.as_ref().is_none_or(is_empty);
        login.faults().into_iter().map(move |(part, message)| match part {
            LoginPart::Account => Error::invalid_option("account", message),
            LoginPart::Endpoint => Error::invalid_option("endpoint", message),
            LoginPart::Key if from_file => Error::fatal(message).at("private_key_path"),
            LoginPart::Key => Error::invalid_option("private_key", message),
            LoginPart::Passphrase => Error::fatal(message).at("private_key_passphrase"),
        })
    }

    /// Normalizes names as Snowflake does.
    pub(crate) fn normalize(&mut self) {
        let tables = self.tables.values_mut().map(|table| &mut table.warehouse);
        for name in tables.chain([&mut self.warehouse, &mut self.snapshot_warehouse, &mut self.role]) {
            *name = name.take().filter(|name| !name.trim().is_empty()).map(|name| object_name(&name));
        }
        self.database = object_name(&self.database);
        self.schema = object_name(&self.schema);
    }

    /// The configuration of the core, after names were normalized.
    pub(crate) fn settings(&self) -> Settings<ColumnType> {
        let table = |(key, table): (&String, &TableConfig)| {
            let TableConfig { name, key_columns, warehouse, unmanaged_columns, columns } = table.clone();
            let options = TableOptions { name, key_columns, unmanaged_columns, columns };
            (key.clone(), TableSettings { options, warehouse })
        };
        let bytes = |size: ByteSize| usize::try_from(size.bytes()).unwrap_or(usize::MAX);
        Settings {
            options: self.options.clone(),
            tables: self.tables.iter().map(table).collect(),
            warehouse: self.warehouse.clone(),
            snapshot_warehouse: self.snapshot_warehouse.clone(),
            max_statement_bytes: bytes(self.max_statement_bytes),
            max_value_bytes: bytes(self.max_value_bytes),
            stored_rows: (self.stage_rows != StageRows::Never).then(|| StoredRows {
                from_bytes: bytes(self.stage_from_bytes),
                max_bytes: FILE_BYTES,
                is_required: self.stage_rows == StageRows::Require,
            }),
        }
    }

    /// The stage for rows, after names were normalized; `None` if all rows are bound.
    pub(crate) fn stage(&self, connector: &str, task: u32) -> Option<StageSettings> {
        if self.stage_rows == StageRows::Never {
            return None;
        }
        let default = || match self.options.identifiers {
            Identifiers::Preserve => format!("_cdc_stage_{connector}"),
            Identifiers::Upper => format!("_cdc_stage_{connector}").to_uppercase(),
        };
        let stage = self.stage.clone().unwrap_or_else(default);
        let name = StageName::new(&self.database, &self.schema, &stage);
        Some(StageSettings { name, connector: connector.to_owned(), task })
    }

    /// The login.
    ///
    /// # Errors
    /// If there is neither key nor password, the key file cannot be read, or the endpoint is not a URL.
    pub(crate) fn login(&self) -> Result<Login> {
        Ok(Login {
            account: self.account.clone(),
            user: self.user.clone(),
            secret: self.secret()?,
            role: self.role.clone(),
            database: self.database.clone(),
            schema: self.schema.clone(),
            endpoint: self.endpoint()?,
            connect_timeout: *self.connect_timeout,
            request_timeout: *self.request_timeout,
            statement_timeout: *self.statement_timeout,
            lock_timeout: *self.lock_timeout,
        })
    }

    fn endpoint(&self) -> Result<Option<Url>> {
        let text = self.endpoint.as_deref().map(str::trim).filter(|endpoint| !endpoint.is_empty());
        let parse = |text: &str| {
            text.parse().map_err(|error| {
                let message =
                    format_args!("{text:?} is not a URL: {error}; use the form https://host").to_string();
                Error::invalid_option("endpoint", message)
            })
        };
        text.map(parse).transpose()
    }

    /// Logs a warning if the login could be intercepted.
    pub(crate) fn warn_if_not_encrypted(&self, login: &Login) {
        if let Some(open) = login.endpoint.as_ref().filter(|url| url.scheme() == "http" && !is_local(url)) {
            warn!("endpoint = {open} is not encrypted, so the login can be intercepted: use https");
        }
    }

    fn secret(&self) -> Result<LoginSecret> {
        let non_empty = |secret: &Option<Secret>| secret.clone().filter(|secret| !is_empty(secret));
        let passphrase = non_empty(&self.private_key_passphrase);
        if let Some(pem) = non_empty(&self.private_key) {
            return Ok(LoginSecret::Key { pem, passphrase });
        }
        if let Some(path) = self.private_key_path.as_deref().filter(|path| !path.is_empty()) {
            let pem = fs::read_to_string(path).map_err(|error| {
                Error::fatal(format_args!("reading the private key {path}: {error}")).at("private_key_path")
            })?;
            return Ok(LoginSecret::Key { pem: Secret::new(pem), passphrase });
        }
        non_empty(&self.password).map(LoginSecret::Password).ok_or_else(|| {
            Error::fatal(
                "none of private_key, private_key_path and password is set: set one, or SNOWFLAKE_PRIVATE_KEY_PATH",
            )
        })
    }
}

fn is_empty(secret: &Secret) -> bool {
    secret.expose().trim().is_empty()
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The name of a database, schema, warehouse or role, converted to upper case unless quoted, as Snowflake does.
fn object_name(text: &str) -> String {
    let text = text.trim();
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => text.to_uppercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_names_are_interpreted_as_in_sql() {
        assert_eq!(object_name("analytics"), "ANALYTICS");
        assert_eq!(object_name("\"My \"\"DB\"\"\""), "My \"DB\"");
    }
}
