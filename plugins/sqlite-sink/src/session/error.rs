//! Classes of SQLite's errors, and hints with the fix.

use std::{path::PathBuf, time::Duration};

use rusqlite::ErrorCode;
use tidegate_cdc::session::{Cause, Class, SqlError, one_line};

/// Makes errors of a file.
#[derive(Debug)]
pub(super) struct Errors {
    pub(super) path: PathBuf,
    pub(super) busy_timeout: Duration,
}

/// Parts of messages of errors that have no code of their own, with what they mean.
const BY_MESSAGE: [(&str, Class, Cause); 7] = [
    ("no such table", Class::Schema, Cause::UnknownObject),
    ("no such column", Class::Schema, Cause::Other),
    ("has no column named", Class::Schema, Cause::Other),
    ("already exists", Class::Schema, Cause::Exists),
    ("duplicate column name", Class::Schema, Cause::Exists),
    // Names and numbers of columns in records: only these records cannot be written.
    ("reserved for internal use", Class::Data, Cause::Other),
    ("too many columns", Class::Data, Cause::Other),
];

impl Errors {
    /// The error of a kind of statement.
    pub(super) fn of(&self, kind: &'static str, error: &rusqlite::Error) -> SqlError {
        let (code, message) = match error {
            rusqlite::Error::SqliteFailure(code, message) => (*code, message.clone()),
            rusqlite::Error::SqlInputError { error, msg, .. } => (*error, Some(msg.clone())),
            other => return SqlError::new(Class::Bug, kind, one_line(&other.to_string())),
        };
        let message = message.unwrap_or_else(|| code.to_string());
        let (class, cause) = self.class(code.code, &message);
        let mut failed = SqlError::new(class, kind, one_line(&message)).with_hint(self.hint(code.code));
        failed.cause = cause;
        failed.code = code.extended_code.to_string();
        failed
    }

    /// The error of a file that this user cannot write.
    pub(super) fn read_only(&self) -> SqlError {
        SqlError::new(Class::Rights, "open", "the file is read-only")
            .with_hint(self.hint(ErrorCode::ReadOnly))
    }

    fn class(&self, code: ErrorCode, message: &str) -> (Class, Cause) {
        let class = match code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => {
                return (Class::Transient, Cause::Conflict);
            }
            ErrorCode::DiskFull => Class::Capacity,
            ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::AuthorizationForStatementDenied => Class::Rights,
            ErrorCode::CannotOpen if self.has_folder() => Class::Rights,
            ErrorCode::CannotOpen | ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => Class::Missing,
            ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch => Class::Data,
            ErrorCode::TooBig => Class::TooBig,
            ErrorCode::SchemaChanged => Class::Schema,
            ErrorCode::SystemIoFailure => Class::Session,
            ErrorCode::OutOfMemory
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OperationInterrupted => Class::Transient,
            _ => return by_message(message),
        };
        (class, Cause::Other)
    }

    fn hint(&self, code: ErrorCode) -> Option<String> {
        let path = self.path.display();
        Some(match code {
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => format!(
                "another connection has been writing to {path} for longer than busy_timeout = {:?}: end its transaction, or set a \
                 longer busy_timeout",
                self.busy_timeout
            ),
            ErrorCode::DiskFull => {
                format!(
                    "make space on the file system of {path}, or raise the max_page_count of the database"
                )
            }
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied => format!(
                "let the user that runs Tidegate write {path} and its folder, in which SQLite creates two more files"
            ),
            ErrorCode::CannotOpen if self.has_folder() => {
                format!("let the user that runs Tidegate write the folder of {path}; {path} must be a file")
            }
            ErrorCode::CannotOpen => format!("create the folder of {path}, or set another path"),
            ErrorCode::DatabaseCorrupt => format!(
                "restore {path} from a backup, or move it away and read the topics again; `sqlite3 {path} .recover` shows what can be \
                 saved"
            ),
            ErrorCode::NotADatabase => {
                format!(
                    "{path} is not a SQLite database, or is encrypted: set another path, or move the file away"
                )
            }
            _ => return None,
        })
    }

    fn has_folder(&self) -> bool {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        folder.is_none_or(|folder| folder.is_dir())
    }
}

fn by_message(message: &str) -> (Class, Cause) {
    let known = BY_MESSAGE.iter().find(|(part, ..)| message.contains(part));
    known.map_or((Class::Bug, Cause::Other), |(_, class, cause)| (*class, *cause))
}
