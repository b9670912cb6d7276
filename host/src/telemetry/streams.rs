//! Private duplicates of the standard streams: a plugin may close those of the process or replace them.

use std::{
    fs::{File, Metadata},
    io::{self, Write},
    os::fd::{AsFd, OwnedFd},
    sync::{LazyLock, Mutex, PoisonError},
};

static OUTPUT: LazyLock<Stream> = LazyLock::new(|| Stream::of(&io::stdout()));
static ERRORS: LazyLock<Stream> = LazyLock::new(|| Stream::of(&io::stderr()));

/// A duplicate of a standard stream; `None` if the process was started without it.
struct Stream(Option<Mutex<File>>);

impl Stream {
    fn of(stream: &impl AsFd) -> Self {
        let duplicate: Option<OwnedFd> = stream.as_fd().try_clone_to_owned().ok();
        Self(duplicate.map(|stream| Mutex::new(File::from(stream))))
    }

    fn duplicate(&self) -> Option<OwnedFd> {
        let stream = self.0.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        stream.as_fd().try_clone_to_owned().ok()
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let Some(stream) = &self.0 else { return Ok(()) };
        stream.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes)
    }
}

/// Duplicates the current streams of the process.
pub(super) fn keep_streams() {
    LazyLock::force(&OUTPUT);
    LazyLock::force(&ERRORS);
}

/// A duplicate of standard output for a child process, if there is a standard output.
#[must_use]
pub fn output_for_a_child() -> Option<OwnedFd> {
    OUTPUT.duplicate()
}

/// Writes to standard output, unbuffered.
///
/// # Errors
/// As writing to a file.
pub fn write_output(bytes: &[u8]) -> io::Result<()> {
    OUTPUT.write(bytes)
}

/// What standard error is connected to, if there is a standard error.
pub(super) fn errors_metadata() -> Option<Metadata> {
    File::from(ERRORS.duplicate()?).metadata().ok()
}

/// Writes to standard error, unbuffered.
///
/// # Errors
/// As writing to a file.
pub(super) fn write_errors(bytes: &[u8]) -> io::Result<()> {
    ERRORS.write(bytes)
}
