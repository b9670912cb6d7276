//! `[limits]` of the host's file.

use super::diagnostic::{Diagnostic, Severity};
use super::document::SourceLocation;
use super::section::Section;

const MIB: u64 = 1 << 20;

/// `[limits] memory` of the host's file: memory for the records of all connectors together.
#[derive(Clone, Debug)]
pub struct MemoryLimit {
    /// Bytes.
    pub bytes: usize,
    location: SourceLocation,
}

/// Two limits are the same if they have the same size, wherever they are written.
impl PartialEq for MemoryLimit {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl MemoryLimit {
    /// `None` if the file does not set it.
    pub(super) fn read(mut section: Section<'_>) -> Option<Self> {
        let bytes = section.size("memory", MIB..=1024 * 1024 * MIB);
        let location = section.location_of("memory").clone();
        section.finish();
        Some(Self { bytes: bytes?, location })
    }

    /// An error at the line that sets the limit.
    #[must_use]
    pub fn error(&self, message: String, help: String) -> Diagnostic {
        Diagnostic {
            file: self.location.file.to_path_buf(),
            line: self.location.line,
            column: self.location.column,
            key_path: "limits.memory".to_owned(),
            message,
            help: Some(help),
            severity: Severity::Error,
        }
    }
}
