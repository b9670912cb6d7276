//! Statements for the stage to which files with rows are uploaded.

use std::fmt::{self, Display};

use tidegate_cdc::sql::quoted;

/// The full name of a stage: quoted, with the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StageName(String);

impl StageName {
    /// A stage in a schema, with exact names.
    pub(crate) fn new(database: &str, schema: &str, stage: &str) -> Self {
        Self(format!("{}.{}.{}", quoted(database), quoted(schema), quoted(stage)))
    }

    /// A path in the stage, as statements write it. Without the single quotes, names could not have special characters.
    pub(crate) fn path(&self, path: &str) -> String {
        let name = self.0.replace('\\', "\\\\").replace('\'', "\\'");
        format!("'@{name}/{path}'")
    }
}

impl Display for StageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Creates the stage unless it exists. Snowflake encrypts its files: for other internal stages, clients have to. No text is
/// NULL: by default, `\N` would be.
pub(crate) fn create_stage(stage: &StageName) -> String {
    format!(
        "CREATE STAGE IF NOT EXISTS {stage} ENCRYPTION = (TYPE = 'SNOWFLAKE_SSE') \
         FILE_FORMAT = (TYPE = JSON COMPRESSION = GZIP NULL_IF = ())"
    )
}

/// Asks where a file is to be uploaded. Of the local path, Snowflake uses the name alone. The text does not begin with PUT, because the
/// library would read a local file and upload it.
pub(crate) fn put(stage: &StageName, folder: &str, file: &str) -> String {
    let path = stage.path(folder);
    format!(
        "\nPUT 'file:///tidegate/{file}' {path} AUTO_COMPRESS = FALSE SOURCE_COMPRESSION = GZIP OVERWRITE = TRUE"
    )
}

/// Lists the files below a folder: path with the name of the stage, size, and more.
pub(crate) fn list_stage(stage: &StageName, folder: &str) -> String {
    format!("LIST {}", stage.path(folder))
}

/// Removes all files below a folder.
pub(crate) fn remove(stage: &StageName, folder: &str) -> String {
    format!("REMOVE {}", stage.path(folder))
}
