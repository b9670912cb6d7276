//! Classification of errors of MySQL and MariaDB by their number, and of the connection.
//!
//! Sources: "Server Error Message Reference" of MySQL's documentation, and "MariaDB Error Codes".

use mysql_async::{DriverError, Error, ServerError};
use tidegate_cdc::session::{Cause, Class, SqlError, Statement, one_line};

use super::{KIND, Login};

/// The class and the cause of an error number, or else of a SQLSTATE.
pub(super) fn class_of(code: u16, state: &str) -> (Class, Cause) {
    let class = match code {
        // Lock timeout, deadlock, changed definition, and a row that another transaction has changed.
        1205 | 1213 | 1412 | 1020 | 3058 | 3572 => return (Class::Transient, Cause::Conflict),
        1050 | 1060 | 1061 | 1826 => return (Class::Schema, Cause::Exists),
        1051 | 1146 => return (Class::Schema, Cause::UnknownObject),
        1317 | 1969 | 3024 => return (Class::Capacity, Cause::Timeout),
        1044 | 1142 | 1143 | 1227 | 1370 => Class::Rights,
        1045 | 1698 | 1820 | 1862 | 3118 | 4151 => Class::Credentials,
        // Among them: read-only, binary log by statement, and a server that does not let clients load files any longer.
        1049 | 1148 | 1290 | 1665 | 1792 | 1836 | 3948 | 4166 => Class::Missing,
        1021 | 1037 | 1038 | 1040 | 1041 | 1114 | 1129 | 1135 | 1203 | 1206 | 1226 => Class::Capacity,
        1071 | 1074 | 1117 | 1118 | 1153 => Class::TooBig,
        1053 | 1080 | 1152 | 1158..=1161 | 1184 | 1927 | 2006 | 2013 | 3169 | 4031 => Class::Session,
        1030 | 1026 | 1047 | 3 => Class::Transient,
        1054 | 1072 | 1091 | 1136 | 1347 => Class::Schema,
        // Among them: constraints, views with a check, and names that are not allowed.
        1048
        | 1059
        | 1062
        | 1102
        | 1103
        | 1166
        | 1170
        | 1263
        | 1264
        | 1265
        | 1292
        | 1300
        | 1364..=1367
        | 1369
        | 1406
        | 1411
        | 1441
        | 1451
        | 1452
        | 1525
        | 1526
        | 1586
        | 1644
        | 1690
        | 3140
        | 3156
        | 3819
        | 4025 => Class::Data,
        _ => match state.get(..2).unwrap_or_default() {
            "08" => Class::Session,
            "28" => Class::Credentials,
            "22" | "23" | "45" => Class::Data,
            "40" => return (Class::Transient, Cause::Conflict),
            "42" => Class::Schema,
            _ => Class::Bug,
        },
    };
    (class, Cause::Other)
}

/// The error of a statement.
pub(super) fn error_of(error: &Error, statement: &Statement<'_>, login: &Login) -> SqlError {
    let found = match error {
        Error::Server(answered) => {
            let (class, cause) = class_of(answered.code, &answered.state);
            let class = if is_full(answered) { Class::Capacity } else { class };
            let mut found = of_server(answered, class, statement.kind);
            found.cause = cause;
            found.hint = hint(answered.code, class, statement, login);
            found
        }
        other => SqlError::new(Class::Session, statement.kind, one_line(&other.to_string())),
    };
    found.about(statement)
}

/// What the server has noted of rows that it has taken in another form.
pub(super) fn of_warning(code: u16, message: &str, statement: &Statement<'_>) -> SqlError {
    let mut found = SqlError::new(Class::Data, statement.kind, one_line(&without_values(code, message)));
    found.code = code.to_string();
    found.about(statement)
}

/// The error of a login.
pub(super) fn of_login(error: &Error, login: &Login) -> SqlError {
    let answered = match error {
        Error::Server(answered) => answered,
        Error::Driver(DriverError::NoClientSslFlagFromServer) => {
            let hint = "set ssl_mode = \"disable\" where the network is trusted".to_owned();
            return SqlError::new(Class::Missing, KIND, "the server does not support TLS")
                .with_hint(Some(hint));
        }
        other => {
            let reason = one_line(&other.to_string());
            let is_certificate = reason.contains("invalid peer certificate");
            let hint =
                "set ssl_root_cert to the certificate of its authority, and host to a name that it has";
            let class = if is_certificate { Class::Missing } else { Class::Transient };
            return SqlError::new(class, KIND, reason).with_hint(is_certificate.then(|| hint.to_owned()));
        }
    };
    let (class, _) = class_of(answered.code, &answered.state);
    let user = &login.user;
    let hint = match answered.code {
        1045 | 1698 => {
            Some(format!("check user and password, or ALTER USER '{user}' IDENTIFIED BY '<password>'"))
        }
        1044 => Some(grant("ALL", login)),
        1049 => Some("check database, or create it".to_owned()),
        1129 => {
            Some("run FLUSH HOSTS: the server blocks this host after too many failed connections".to_owned())
        }
        1040 | 1203 | 1226 => {
            Some(format!("raise max_connections, or set lanes: each task has up to {} sessions", 2 * 8))
        }
        _ => None,
    };
    of_server(answered, class, KIND).with_hint(hint)
}

fn of_server(answered: &ServerError, class: Class, kind: &'static str) -> SqlError {
    let mut found = SqlError::new(class, kind, one_line(&without_values(answered.code, &answered.message)));
    found.code = answered.code.to_string();
    answered.state.clone_into(&mut found.state);
    found
}

/// Whether the disk is full: errors of files name the number of the operating system.
fn is_full(answered: &ServerError) -> bool {
    matches!(answered.code, 3 | 1026 | 1030)
        && (answered.message.contains("28") || answered.message.contains("space"))
}

/// The statement that gives the user a right on the tables of the database.
fn grant(rights: &str, login: &Login) -> String {
    format!("GRANT {rights} ON `{}`.* TO '{}'", login.database.replace('`', "``"), login.user)
}

fn hint(code: u16, class: Class, statement: &Statement<'_>, login: &Login) -> Option<String> {
    let text = match code {
        1290 | 1792 | 1836 => "the server is read-only: connect to the primary",
        1665 => "set binlog_format to ROW or MIXED",
        1148 | 3948 | 4166 => {
            "local_infile was turned off: start the connector again, which then loads rows in another way"
        }
        1153 => "raise max_allowed_packet of the server, or lower max_statement_bytes",
        _ if class == Class::Rights => {
            let rights = match statement.kind {
                "CREATE TABLE" => "CREATE",
                "ALTER TABLE" => "ALTER",
                "CREATE TEMPORARY TABLE" => "CREATE TEMPORARY TABLES",
                _ => "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, CREATE TEMPORARY TABLES",
            };
            return Some(grant(rights, login));
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// The message of the server without the values that some messages contain.
fn without_values(code: u16, message: &str) -> String {
    let (before, after) = match code {
        1062 | 1586 => ("entry '", "' for key"),
        1064 => ("near '", "' at line"),
        1292 | 1366 => ("value: '", "' for column"),
        1300 => ("string: '", "'"),
        1411 => ("value: '", "' for function"),
        1525 => ("value: '", "'"),
        1367 => ("value '", "' found"),
        1690 => ("in '", "'"),
        _ => return message.to_owned(),
    };
    let Some(start) = message.find(before).map(|start| start + before.len()) else {
        return message.to_owned();
    };
    let (head, rest) = message.split_at_checked(start).unwrap_or((message, ""));
    // The value may contain the text behind it, so the last one counts; without one, the value ends with the message.
    let tail = rest.rfind(after).and_then(|end| rest.get(end..)).unwrap_or("'");
    format!("{head}..{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_name_no_values() {
        for (code, message, shown) in [
            (
                1062,
                "Duplicate entry 'a' for key 'b' for key 'PRIMARY'",
                "Duplicate entry '..' for key 'PRIMARY'",
            ),
            (
                1366,
                "Incorrect integer value: 'x' for column `d`.`t`.`c` at row 1",
                "Incorrect integer value: '..' for column `d`.`t`.`c` at row 1",
            ),
            (1292, "Truncated incorrect DOUBLE value: 's3cret'", "Truncated incorrect DOUBLE value: '..'"),
            (1064, "You have an error near 'x' at line 1", "You have an error near '..' at line 1"),
            (1406, "Data too long for column 'c' at row 1", "Data too long for column 'c' at row 1"),
        ] {
            assert_eq!(without_values(code, message), shown);
        }
    }

    #[test]
    fn errors_have_a_class() {
        for (code, state, class) in [
            (1205, "HY000", Class::Transient),
            (1045, "28000", Class::Credentials),
            (1142, "42000", Class::Rights),
            (1146, "42S02", Class::Schema),
            (4025, "23000", Class::Data),
            (9_999, "22001", Class::Data),
            (1114, "HY000", Class::Capacity),
            (1153, "08S01", Class::TooBig),
            (2013, "HY000", Class::Session),
            (9_999, "HY000", Class::Bug),
        ] {
            assert_eq!(class_of(code, state).0, class, "{code}");
        }
    }
}
