//! Rows as files in an internal stage: uploads them, checks that they are complete, and removes them.
//!
//! ```text
//! PUT: Snowflake says where to (target) ── upload ── BEGIN, statements that read the file, LIST, COMMIT ── REMOVE
//! ```
//!
//! A session has a folder of its own in the stage, `connector/task-session/`, whose files it removes after each transaction. What a
//! session has left behind because it ended early is removed by a later one of the connector, after a day.

mod files;
mod sign;
mod target;
mod upload;

use std::{
    hash::{BuildHasher, RandomState},
    time::{SystemTime, UNIX_EPOCH},
};

use sha2::{Digest, Sha256};
use tidegate_cdc::session::{Cause, Class, SqlError, Statement, StoredFile};
use tidegate_plugin::prelude::*;

use self::files::{Listed, listed};
use super::{Session, hint};
use crate::sql::{self, StageName};

pub(super) use target::Offer;
pub(super) use upload::Uploader;

/// Kinds of the statements, for logs and errors.
const PUT: &str = "PUT";
const LIST: &str = "LIST";
const REMOVE: &str = "REMOVE";
/// Maximum number of uploads of a file, each with its own PUT, because keys may have expired.
const UPLOADS: u32 = 3;

/// The stage of a connector, and who uploads to it.
#[derive(Clone, Debug)]
pub(crate) struct StageSettings {
    /// Its full name.
    pub(crate) name: StageName,
    /// The connector, whose files are below a folder of their own.
    pub(crate) connector: String,
    /// The task.
    pub(crate) task: u32,
}

/// The stage as a session uses it.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    name: StageName,
    /// Folder of the connector, with a slash at the end.
    connector: String,
    /// Folder of the session below it, with a slash at the end.
    session: String,
    /// Number of the next file.
    next: u64,
    /// Whether the session has uploaded and seen a file.
    is_proven: bool,
    /// Whether files are in the folder of the session.
    has_files: bool,
}

impl Stage {
    pub(super) fn new(settings: &StageSettings) -> Self {
        let digest = Sha256::digest(settings.connector.as_bytes());
        let connector: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let random = RandomState::new().hash_one(seconds());
        Self {
            name: settings.name.clone(),
            connector: format!("{connector}/"),
            session: format!("{}-{random:016x}/", settings.task),
            next: 0,
            is_proven: false,
            has_files: false,
        }
    }

    /// The folder of the session.
    fn folder(&self) -> String {
        [self.connector.as_str(), &self.session].concat()
    }
}

/// Seconds since 1970.
fn seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The error if rows have to be bound instead.
fn not_stored(kind: &'static str, message: impl Into<String>) -> SqlError {
    let mut error = SqlError::new(Class::Rights, kind, message);
    error.cause = Cause::NotStored;
    error
}

impl Session {
    /// Uploads rows. Any error that does not pass means that they have to be bound.
    pub(super) async fn upload_rows(&mut self, lines: &str, tag: &str) -> Result<StoredFile, SqlError> {
        let uploaded = self.uploaded_rows(lines, tag).await;
        uploaded.map_err(|mut error| {
            if !matches!(error.class, Class::Session | Class::Transient | Class::Capacity) {
                error.cause = Cause::NotStored;
            }
            error
        })
    }

    async fn uploaded_rows(&mut self, lines: &str, tag: &str) -> Result<StoredFile, SqlError> {
        let Some(mut stage) = self.stage.clone() else {
            return Err(not_stored(PUT, "the sink uses no stage"));
        };
        let file = format!("{}-{}.json.gz", seconds(), stage.next);
        stage.next += 1;
        self.stage = Some(stage.clone());
        let compressed = upload::compressed(lines);
        let body =
            compressed.map_err(|error| not_stored(PUT, format!("the file cannot be written: {error}")))?;
        let bytes = body.len() as u64;
        self.upload(&stage, &file, &body, tag).await?;
        let location = stage.name.path(&[stage.folder().as_str(), &file].concat());
        let stored = StoredFile { location, bytes };
        if !stage.is_proven {
            self.prove(&stage, &stored, tag).await?;
            self.note(|stage| stage.is_proven = true);
        }
        Ok(stored)
    }

    async fn upload(&mut self, stage: &Stage, file: &str, body: &[u8], tag: &str) -> Result<(), SqlError> {
        let mut attempt = 1;
        loop {
            let offer = self.ask(stage, file, tag).await?;
            // Before the upload: if its response is lost, the file may be there.
            self.note(|stage| stage.has_files = true);
            let uploaded = match offer.target(file, self.takes_plain_http()) {
                Ok(target) => self.uploader.put(&target, body).await,
                Err(reason) => return Err(self.unusable_stage(stage, &reason)),
            };
            match uploaded {
                Ok(()) => return Ok(()),
                Err(failure) if attempt == UPLOADS || failure.took_long() => {
                    return Err(failure.into_error(PUT));
                }
                Err(failure) => warn!("uploading rows to the stage failed: {failure}; retrying"),
            }
            attempt += 1;
            tokio::time::sleep(upload::PAUSE).await;
        }
    }

    /// Asks where to upload a file. If the stage does not exist, it is created.
    async fn ask(&mut self, stage: &Stage, file: &str, tag: &str) -> Result<Offer, SqlError> {
        let text = sql::put(&stage.name, &stage.folder(), file);
        let mut asked = self.on_stage(PUT, &text, stage, tag).await;
        if matches!(&asked, Err(error) if error.cause == Cause::UnknownObject) {
            self.create(stage, tag).await?;
            asked = self.on_stage(PUT, &text, stage, tag).await;
        }
        asked.map_err(|error| self.without_rights(error, "WRITE", stage))?;
        self.exchange.take_offer().ok_or_else(|| {
            not_stored(PUT, "Snowflake's response does not say where to upload: is it an internal stage?")
        })
    }

    async fn create(&mut self, stage: &Stage, tag: &str) -> Result<(), SqlError> {
        let text = sql::create_stage(&stage.name);
        match self.on_stage("CREATE STAGE", &text, stage, tag).await {
            Ok(_) => Ok(()),
            // Another lane has created it meanwhile.
            Err(error) if error.cause == Cause::Exists => Ok(()),
            Err(mut error) if error.class == Class::Rights => {
                error.hint = Some(hint::for_stage(&self.login, &stage.name, &self.role));
                Err(error)
            }
            Err(error) => Err(error),
        }
    }

    /// Checks that statements find what was uploaded, and removes old files of the connector.
    async fn prove(&mut self, stage: &Stage, stored: &StoredFile, tag: &str) -> Result<(), SqlError> {
        let found = self.list(stage, &stage.connector, tag).await;
        let found = found.map_err(|error| self.without_rights(error, "READ", stage))?;
        if !found.iter().any(|found| found.is(stored)) {
            let message = "the file that was uploaded is not in the stage, or has another size";
            let mut error = not_stored(LIST, message);
            error.class = Class::Transient;
            return Err(error);
        }
        for folder in files::left_behind(&found, seconds()) {
            let folder = [stage.connector.as_str(), &folder].concat();
            self.remove(stage, &folder, tag).await;
        }
        Ok(())
    }

    /// Checks files before COMMIT.
    pub(super) async fn check_uploads(&mut self, files: &[StoredFile], tag: &str) -> Result<(), SqlError> {
        let Some(stage) = self.stage.clone() else { return Ok(()) };
        let found = self.list(&stage, &stage.folder(), tag).await?;
        let lost = files.iter().find(|file| !found.iter().any(|found| found.is(file)));
        let Some(lost) = lost else { return Ok(()) };
        let message = format!("{} was removed or changed while statements read it", lost.location);
        Err(SqlError::new(Class::Transient, LIST, message))
    }

    /// Removes the files of this session.
    pub(super) async fn remove_uploads(&mut self, tag: &str) {
        let Some(stage) = self.stage.clone().filter(|stage| stage.has_files) else { return };
        // An unusable session leaves them to a later one.
        if self.unusable || self.in_transaction {
            return;
        }
        self.remove(&stage, &stage.folder(), tag).await;
        self.note(|stage| stage.has_files = false);
    }

    fn note(&mut self, change: impl FnOnce(&mut Stage)) {
        if let Some(stage) = &mut self.stage {
            change(stage);
        }
    }

    async fn remove(&mut self, stage: &Stage, folder: &str, tag: &str) {
        let text = sql::remove(&stage.name, folder);
        if let Err(error) = self.on_stage(REMOVE, &text, stage, tag).await {
            warn!("{error}; the files are removed by a later session of the connector, after a day");
        }
    }

    async fn list(&mut self, stage: &Stage, folder: &str, tag: &str) -> Result<Vec<Listed>, SqlError> {
        let text = sql::list_stage(&stage.name, folder);
        let answer = self.on_stage(LIST, &text, stage, tag).await?;
        Ok(listed(&answer, folder))
    }

    async fn on_stage(
        &mut self,
        kind: &'static str,
        text: &str,
        stage: &Stage,
        tag: &str,
    ) -> Result<tidegate_cdc::session::Answer, SqlError> {
        let name = stage.name.to_string();
        self.execute(&Statement { table: Some(&name), ..Statement::plain(kind, text, tag) }).await
    }

    /// Adds the GRANT to an error of a missing privilege.
    fn without_rights(&self, mut error: SqlError, privilege: &str, stage: &Stage) -> SqlError {
        if error.class == Class::Rights || error.cause == Cause::UnknownObject {
            let (name, role) = (&stage.name, hint::quoted(&self.role));
            error.hint = Some(format!("GRANT {privilege} ON STAGE {name} TO ROLE {role}"));
        }
        error
    }

    /// The error if files cannot be uploaded to a stage of this kind.
    fn unusable_stage(&self, stage: &Stage, reason: &str) -> SqlError {
        let name = stage.name.to_string();
        let mut error = not_stored(PUT, reason);
        error.table = Some(name);
        error
    }

    /// Whether files may be uploaded without TLS: as statements are sent.
    fn takes_plain_http(&self) -> bool {
        self.login.endpoint.as_ref().is_some_and(|endpoint| endpoint.scheme() == "http")
    }
}
