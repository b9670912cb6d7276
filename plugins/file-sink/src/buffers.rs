//! The lines of a batch, by file. Their memory is reused for the next batch.

use std::collections::BTreeMap;

use tidegate_plugin::Record;

use crate::{line::LineBuffer, template::Template};

/// Memory that is kept between batches. Beyond it, everything is released after a batch.
const MAX_KEPT_BYTES: usize = 32 << 20;
/// Files whose memory is kept between batches.
const MAX_KEPT_FILES: usize = 10_000;

/// Lines for one file.
#[derive(Default)]
pub(crate) struct Lines {
    /// The lines, each with its line break.
    pub(crate) text: LineBuffer,
    /// Number of lines.
    pub(crate) count: u64,
}

/// The lines of a batch.
#[derive(Default)]
pub(crate) struct Buffers {
    /// Index of each file in `lines`, by name.
    files: BTreeMap<String, usize>,
    lines: Vec<Lines>,
    /// The name of the last record's file.
    name: String,
}

impl Buffers {
    /// The lines of the record's file. `refusal` says why a file cannot be written, and is asked for each file once, until the
    /// memory is released.
    ///
    /// # Errors
    /// What `refusal` returns; refused names are not remembered.
    pub(crate) fn lines(
        &mut self,
        template: &Template,
        record: Record<'_>,
        refusal: impl FnOnce(&str) -> Option<String>,
    ) -> Result<&mut Lines, String> {
        self.name.clear();
        template.expand(record, &mut self.name);
        let index = match self.files.get(&self.name) {
            Some(index) => *index,
            None => {
                if let Some(reason) = refusal(&self.name) {
                    return Err(reason);
                }
                self.files.insert(self.name.clone(), self.lines.len());
                self.lines.push(Lines::default());
                self.lines.len() - 1
            }
        };
        Ok(&mut self.lines[index])
    }

    /// The files that have lines, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&String, &Lines)> {
        let files = self.files.iter().map(|(name, index)| (name, &self.lines[*index]));
        files.filter(|(_, lines)| lines.count > 0)
    }

    /// Removes all lines.
    pub(crate) fn clear(&mut self) {
        let kept: usize = self.lines.iter().map(|lines| lines.text.capacity()).sum();
        if kept > MAX_KEPT_BYTES || self.lines.len() > MAX_KEPT_FILES {
            self.files.clear();
            self.lines.clear();
            return;
        }
        for lines in &mut self.lines {
            lines.text.clear();
            lines.count = 0;
        }
    }
}
