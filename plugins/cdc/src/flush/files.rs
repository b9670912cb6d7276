//! Rows that are stored in files before a transaction, and read from there by its statements.

use std::{ops::Range, rc::Rc};

use super::{statements::Prepared, transaction::Runner};
use crate::{
    rows::RowFormat,
    session::{Session, SqlError, StoredFile},
    statement::Call,
};

/// Statements whose rows are in a file.
pub(super) struct FromFile {
    /// The file.
    pub(super) file: StoredFile,
    /// The statements, which read the file.
    pub(super) calls: Rc<[Call]>,
}

impl<S: Session> Runner<'_, S> {
    /// Stores the rows of statements in files, where there are many. Uploads take long, so this is done before tables are locked.
    pub(super) async fn store_all<R: RowFormat>(
        &mut self,
        prepared: &[Prepared<R>],
    ) -> Result<Vec<Option<FromFile>>, SqlError> {
        let mut files = Vec::with_capacity(prepared.len());
        for statement in prepared {
            files.push(self.store(statement, None).await?);
        }
        Ok(files)
    }

    /// Stores all rows of a statement, or these, in a file, if there are many.
    pub(super) async fn store<R: RowFormat>(
        &mut self,
        statement: &Prepared<R>,
        rows: Option<Range<usize>>,
    ) -> Result<Option<FromFile>, SqlError> {
        let Some(lines) = statement.lines_to_store(rows) else { return Ok(None) };
        let file = self.session.store(&lines, self.tag).await?;
        self.context.progress();
        Ok(statement.reading(&file.location).map(|calls| FromFile { file, calls }))
    }

    /// Checks the files that statements have read.
    pub(super) async fn check<'f>(
        &mut self,
        files: impl IntoIterator<Item = &'f Option<FromFile>>,
    ) -> Result<(), SqlError> {
        let files: Vec<StoredFile> =
            files.into_iter().flatten().map(|from_file| from_file.file.clone()).collect();
        if files.is_empty() { Ok(()) } else { self.session.check_files(&files, self.tag).await }
    }

    /// Removes what was stored for these statements.
    pub(super) async fn remove_stored<R: RowFormat>(&mut self, prepared: &[Prepared<R>]) {
        if prepared.iter().any(|statement| statement.stored_from.is_some()) {
            self.session.remove_files(self.tag).await;
        }
    }
}

/// The statements, and their rows unless those are in a file.
pub(super) fn with_rows<'s, R: RowFormat>(
    statement: &'s Prepared<R>,
    rows: Option<Range<usize>>,
    from_file: Option<&'s FromFile>,
) -> (&'s [Call], String) {
    match from_file {
        Some(from_file) => (&from_file.calls, String::new()),
        None => (&statement.calls, statement.payload(rows)),
    }
}

/// Stores the rows of statements that the side session runs, before tables are locked.
pub(super) async fn store_early<S: Session, R: RowFormat>(
    side: Option<&mut Runner<'_, S>>,
    early: &[Prepared<R>],
) -> Result<Vec<Option<FromFile>>, SqlError> {
    match side {
        Some(side) => side.store_all(early).await,
        None => Ok(Vec::new()),
    }
}

/// Removes what was stored for statements that the side session has run.
pub(super) async fn remove_early<S: Session, R: RowFormat>(
    side: Option<&mut Runner<'_, S>>,
    early: &[Prepared<R>],
) {
    if let Some(side) = side {
        side.remove_stored(early).await;
    }
}
