//! Why an Avro schema cannot be used.

/// Why a schema cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SchemaError {
    #[error("it is not JSON: {0}")]
    Json(String),
    /// Something is missing or of another type.
    #[error("{place}: {problem}")]
    At {
        /// The field, or the name of the schema.
        place: String,
        problem: String,
    },
}
