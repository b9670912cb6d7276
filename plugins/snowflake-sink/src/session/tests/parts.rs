//! Tests without a server: classes, accounts, error messages, values.

use std::time::Duration;

use url::Url;

use super::{
    super::{
        Class, LoginSecret, SqlError,
        codes::{of_login, of_statement},
        hint,
        login::is_plain,
        rows::decimal,
        statement::{self, Limits},
        wire::{Account, Endpoint},
    },
    merge, secret, select,
};

#[test]
fn codes_have_classes() {
    let cases = [
        ("390112", "", Class::Session),
        ("390999", "", Class::Session),
        ("000625", "57014", Class::Transient),
        ("000606", "57P03", Class::Capacity),
        ("001795", "42601", Class::TooBig),
        ("000904", "42000", Class::Schema),
        ("100038", "22018", Class::Data),
        ("100132", "22007", Class::Data),
        ("003001", "42501", Class::Rights),
        ("100090", "42P18", Class::Bug),
        ("001003", "42000", Class::Bug),
        ("", "", Class::Bug),
    ];
    for (code, state, class) in cases {
        assert_eq!(of_statement(code, state), class, "{code}");
    }
    for (code, class) in [
        ("390100", Class::Credentials),
        ("390102", Class::Credentials),
        ("390422", Class::Credentials),
        ("394304", Class::Credentials),
        ("394301", Class::Clock),
        ("394302", Class::Clock),
        ("390189", Class::Missing),
        ("390201", Class::Missing),
        ("000603", Class::Transient),
    ] {
        assert_eq!(of_login(code), class, "{code}");
    }
}

#[test]
fn account_identifiers_are_parsed_in_every_format() {
    let cases = [
        ("myorg-account1", "MYORG-ACCOUNT1", "myorg-account1.snowflakecomputing.com"),
        ("MyOrg.Account1", "MYORG-ACCOUNT1", "myorg-account1.snowflakecomputing.com"),
        ("myorg-my_account", "MYORG-MY_ACCOUNT", "myorg-my-account.snowflakecomputing.com"),
        ("xy12345", "XY12345", "xy12345.snowflakecomputing.com"),
        ("xy12345.eu-central-1", "XY12345", "xy12345.eu-central-1.snowflakecomputing.com"),
        ("xy12345.east-us-2.azure", "XY12345", "xy12345.east-us-2.azure.snowflakecomputing.com"),
        (
            "xy12345.eu-central-1.privatelink",
            "XY12345",
            "xy12345.eu-central-1.privatelink.snowflakecomputing.com",
        ),
        ("myorg-account1.privatelink", "MYORG-ACCOUNT1", "myorg-account1.privatelink.snowflakecomputing.com"),
        ("xy12345.cn-northwest-1.aws", "XY12345", "xy12345.cn-northwest-1.aws.snowflakecomputing.cn"),
        (
            "https://myorg-account1.snowflakecomputing.com/",
            "MYORG-ACCOUNT1",
            "myorg-account1.snowflakecomputing.com",
        ),
        ("myorg-account1.snowflakecomputing.cn", "MYORG-ACCOUNT1", "myorg-account1.snowflakecomputing.cn"),
    ];
    for (text, identifier, host) in cases {
        let account = Account::parse(text).unwrap();
        assert_eq!((account.identifier.as_str(), account.host.as_str()), (identifier, host), "{text}");
    }
    for text in ["", "a b", "a/b", "a..b", "user@host", "x.snowflakecomputing.org"] {
        assert!(Account::parse(text).unwrap_err().to_string().contains("myorg-account1"), "{text}");
    }
}

#[test]
fn endpoints_have_no_path() {
    let account = Account::parse("xy12345").unwrap();
    let endpoint = |url: &str| Endpoint::new(Some(&Url::parse(url).unwrap()), &account);
    assert_eq!(endpoint("http://127.0.0.1:8080").unwrap().origin(), "http://127.0.0.1:8080");
    assert_eq!(Endpoint::new(None, &account).unwrap().origin(), "https://xy12345.snowflakecomputing.com");
    for url in ["ftp://host/", "https://host/path", "https://host/?a=b", "https://me@host/", "mailto:me@host"]
    {
        assert!(endpoint(url).is_err(), "{url}");
    }
}

#[test]
fn errors_have_readable_messages() {
    let mut error = SqlError::new(Class::Data, "", "Numeric value is not recognized").about(&merge("", &[]));
    (error.code, error.state, error.query_id) = ("100038".to_owned(), "22018".to_owned(), "01b".to_owned());
    let text = r#"MERGE into "DB1"."PUBLIC"."orders" failed: Numeric value is not recognized (100038/22018, query 01b)"#;
    assert_eq!(error.to_string(), text);
    let error =
        SqlError::new(Class::Missing, "login", "it is not there").with_hint(Some("GRANT IT".to_owned()));
    assert_eq!(error.to_string(), "login failed: it is not there: GRANT IT");
}

#[test]
fn hints_contain_the_grant() {
    let server = super::Server::start(|_| None);
    let login = super::login(&server);
    let hint = |kind| hint::for_rights(kind, Some("\"T\""), &login, "LOADER").unwrap_or_default();
    assert_eq!(hint("CREATE TABLE"), r#"GRANT CREATE TABLE ON SCHEMA "DB1"."PUBLIC" TO ROLE "LOADER""#);
    assert_eq!(hint("MERGE"), r#"GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE "T" TO ROLE "LOADER""#);
    assert_eq!(hint("ALTER TABLE"), r#"GRANT OWNERSHIP ON TABLE "T" TO ROLE "LOADER""#);
    assert_eq!(hint("BEGIN"), "");
    assert_eq!(hint::quoted(r#"a"b"#), r#""a""b""#);
}

#[test]
fn rejections_contain_the_fix() {
    let server = super::Server::start(|_| None);
    let mut login = super::login(&server);
    login.user = "cdc".to_owned();
    let hint = |code: &str, message: &str, login: &super::Login, fingerprint| {
        let mut error = SqlError::new(Class::Credentials, "login", message);
        error.code = code.to_owned();
        hint::for_login(&error, login, fingerprint).unwrap_or_default()
    };
    let password = |code, message| hint(code, message, &login, None);
    assert!(
        password("390100", "Incorrect username or password").contains(r#"ALTER USER "CDC" SET PASSWORD"#)
    );
    assert!(password("390102", "User temporarily locked.").contains("MINS_TO_UNLOCK = 0"));
    assert!(password("390101", "User access disabled.").contains("DISABLED = FALSE"));
    assert!(password("390422", "IP is not allowed to access Snowflake.").contains("NETWORK_POLICY"));
    assert!(password("390432", "Network policy is required.").contains("needs a network policy"));
    assert!(password("390197", "Multi-factor authentication is required").contains("TYPE = SERVICE"));
    assert!(password("390189", "Role does not exist").contains(r#"GRANT ROLE "LOADER" TO USER "CDC""#));
    assert_eq!(password("000603", "internal error"), "");
    let mut with_key = login.clone();
    with_key.secret = LoginSecret::Key { pem: secret("x"), passphrase: None };
    let text = hint("394304", "JWT token is invalid.", &with_key, Some("SHA256:abc"));
    assert!(text.contains("RSA_PUBLIC_KEY_FP = SHA256:abc"), "{text}");
}

#[test]
fn debug_shows_no_secret() {
    let server = super::Server::start(|_| None);
    let mut login = super::login(&server);
    assert!(!format!("{login:?}").contains("hunter2"));
    login.secret = LoginSecret::Key { pem: secret("hunter2"), passphrase: Some(secret("hunter2")) };
    assert!(!format!("{login:?}").contains("hunter2"));
}

#[test]
fn numbers_are_formatted_with_their_scale() {
    assert_eq!(decimal(12_345, 2), "123.45");
    assert_eq!(decimal(-5, 3), "-0.005");
    assert_eq!(decimal(0, 2), "0.00");
    assert_eq!(decimal(i128::MIN, 0), i128::MIN.to_string());
    assert_eq!(decimal(7, 0), "7");
}

#[test]
fn only_plain_names_are_part_of_the_login() {
    assert!(is_plain("DB_1$") && is_plain("_X"));
    assert!(!is_plain("db1") && !is_plain("1DB") && !is_plain("MY-DB") && !is_plain("") && !is_plain("Ä"));
}

#[test]
fn counts_are_read_by_name() {
    let columns = ["number of rows updated", "number of rows deleted"].map(str::to_owned).to_vec();
    let answer =
        statement::answer("q".to_owned(), columns, vec![vec![Some("2".to_owned()), Some("3".to_owned())]]);
    assert_eq!((answer.inserted, answer.updated, answer.deleted, answer.rows.len()), (0, 2, 3, 0));
}

#[test]
fn query_tags_are_truncated() {
    let tag = "ä".repeat(3_000);
    let limits = Limits { statement: Duration::from_millis(10), lock: Duration::ZERO };
    let extras = statement::extras(&super::Statement { tag: &tag, ..select("SELECT 1") }, &limits);
    assert_eq!(extras["parameters"]["QUERY_TAG"].as_str().unwrap().chars().count(), 2_000);
    assert_eq!(extras["parameters"]["STATEMENT_TIMEOUT_IN_SECONDS"], 1, "zero would be no limit at all");
    assert!(extras.get("bindings").is_none());
}
