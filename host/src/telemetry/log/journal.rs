//! The journal of systemd: entries with fields, in its native protocol.
//!
//! An entry is a datagram of lines `FIELD=value`. Values with line ends need another form, but no text of the log has any.

use std::{
    env,
    fmt::{self, Write as _},
    io,
    os::unix::{fs::MetadataExt as _, net::UnixDatagram},
    path::PathBuf,
};

use tidegate_abi::printable::OneLine;
use tracing::Level;

use crate::telemetry::{
    redact::scrub,
    streams::{errors_metadata, write_errors},
};

const SOCKET: &str = "/run/systemd/journal/socket";
/// What the names of fields of events start with, as in the crate tracing-journald: they must not replace the journal's own.
const PREFIX: &str = "F_";
/// The longest name that the journal accepts.
const MAX_NAME_BYTES: usize = 64;

/// Whether standard error is connected to the journal: systemd sets `JOURNAL_STREAM` to device and inode of the stream that it
/// gave to the service, which may have been redirected since.
pub(super) fn is_connected() -> bool {
    let stream = env::var("JOURNAL_STREAM").ok();
    let metadata = errors_metadata();
    matches!((stream, metadata), (Some(stream), Some(metadata)) if stream == format!("{}:{}", metadata.dev(), metadata.ino()))
}

/// Begins an entry.
pub(super) fn start(out: &mut String, level: Level, message: &str) -> fmt::Result {
    let priority = match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    };
    writeln!(out, "PRIORITY={priority}\nSYSLOG_IDENTIFIER=tidegate\nMESSAGE={message}")
}

/// Adds a field; its name consists of uppercase letters.
pub(super) fn write_field(out: &mut String, name: &str, value: &str) -> fmt::Result {
    writeln!(out, "{name}={}", OneLine(&scrub(value)))
}

/// Adds a field of an event.
pub(super) fn write_own_field(out: &mut String, name: &str, value: &str) -> fmt::Result {
    let allowed = |byte: u8| if byte.is_ascii_alphanumeric() { byte.to_ascii_uppercase() } else { b'_' };
    let name: String = PREFIX
        .bytes()
        .chain(name.bytes())
        .take(MAX_NAME_BYTES)
        .map(|byte| char::from(allowed(byte)))
        .collect();
    write_field(out, &name, value)
}

/// Sends entries to the journal.
pub(super) struct Journal {
    path: PathBuf,
    socket: Option<UnixDatagram>,
}

impl Journal {
    /// The journal of this machine.
    pub(super) fn of_the_system() -> Self {
        Self::at(SOCKET.into())
    }

    fn at(path: PathBuf) -> Self {
        Self { path, socket: UnixDatagram::unbound().ok() }
    }

    /// Sends an entry. One that the journal does not take, because it is too long or the journal is not running, is written
    /// to standard error, from where the journal reads it with its priority, but without fields.
    pub(super) fn write(&self, entry: &str) {
        if self.send(entry).is_err() {
            // There is no other place to report that the log cannot be written.
            drop(write_errors(plain(entry).as_bytes()));
        }
    }

    fn send(&self, entry: &str) -> io::Result<()> {
        let socket = self.socket.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        // The journal may have been restarted since the last entry, so there is no connection to keep.
        socket.send_to(entry.as_bytes(), &self.path).map(drop)
    }
}

/// The entry as a line with the prefix that the journal reads from a stream, see sd-daemon(3).
fn plain(entry: &str) -> String {
    let field = |name: &str| entry.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let mut line = String::new();
    // Writing to a string cannot fail.
    let _infallible = writeln!(line, "<{}>{}", field("PRIORITY="), field("MESSAGE="));
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(message: &str) -> String {
        let mut entry = String::new();
        start(&mut entry, Level::ERROR, message).unwrap();
        write_field(&mut entry, "CONNECTOR", "orders").unwrap();
        write_own_field(&mut entry, "the größe", "5\n6").unwrap();
        entry
    }

    #[test]
    fn the_journal_receives_one_datagram_per_entry_also_after_its_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journal = Journal::at(path.clone());
        for message in ["first", "second"] {
            let daemon = UnixDatagram::bind(&path).unwrap();
            journal.send(&entry(message)).unwrap();
            let mut received = [0; 1_000];
            let length = daemon.recv(&mut received).unwrap();
            let expected = format!(
                "PRIORITY=3\nSYSLOG_IDENTIFIER=tidegate\nMESSAGE={message}\nCONNECTOR=orders\nF_THE_GR____E=5\\n6\n"
            );
            assert_eq!(std::str::from_utf8(&received[..length]).unwrap(), expected);
            std::fs::remove_file(&path).unwrap();
        }
        assert!(journal.send(&entry("nobody listens")).is_err());
    }

    #[test]
    fn an_entry_as_a_line_keeps_its_priority() {
        assert_eq!(plain(&entry("it failed")), "<3>it failed\n");
    }

    #[test]
    fn names_of_fields_are_not_too_long_for_the_journal() {
        let mut field = String::new();
        write_own_field(&mut field, &"ü".repeat(100), "").unwrap();
        assert_eq!(field.find('='), Some(MAX_NAME_BYTES));
    }
}
