//! The destination of the text.

use std::{
    fs::{self, File},
    io::{self, IsTerminal, Write},
    path::Path,
};

use tidegate_plugin::prelude::*;

/// Standard output, standard error or a file.
pub(crate) enum Target {
    Stdout,
    Stderr,
    File { file: File, path: String },
}

impl Target {
    pub(crate) fn open(output: &str) -> Result<Self> {
        match output {
            "stdout" => Ok(Self::Stdout),
            "stderr" => Ok(Self::Stderr),
            path => match open_file(Path::new(path)) {
                Ok(file) => Ok(Self::File { file, path: path.to_owned() }),
                Err(error) => Err(Error::from(error).context(format_args!("opening {path}"))),
            },
        }
    }

    pub(crate) fn is_terminal(&self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
            Self::File { .. } => false,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::Stdout => "standard output",
            Self::Stderr => "standard error",
            Self::File { path, .. } => path,
        }
    }

    /// Writes the text of a batch in one call, and flushes it.
    pub(crate) fn write(&mut self, text: &[u8]) -> Result<()> {
        let written = match self {
            Self::Stdout => write_all(io::stdout().lock(), text),
            Self::Stderr => write_all(io::stderr().lock(), text),
            Self::File { file, .. } => write_all(file, text),
        };
        written.map_err(|error| describe(&error, self.name()))
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    File::options().append(true).create(true).open(path)
}

fn write_all(mut out: impl Write, text: &[u8]) -> io::Result<()> {
    out.write_all(text)?;
    out.flush()
}

/// Every error is fatal, because a retry would print the first part of the batch twice. It is one of the terminal, the pipe or the disk:
/// any text can be written, so no record is the cause.
fn describe(error: &io::Error, name: &str) -> Error {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Error::fatal(format_args!("{name} is closed: the program that reads the pipe has exited"));
    }
    Error::fatal(format_args!("writing to {name}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_a_fatal_error() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let error = write_all(writer, b"x").map_err(|error| describe(&error, "standard output")).unwrap_err();
        assert!(!error.is_retriable());
        assert!(error.message().starts_with("standard output is closed"), "{error}");
    }
}
