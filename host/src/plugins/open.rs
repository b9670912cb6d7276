//! Opening a plugin: its configuration crosses as a value tree.
#![expect(unsafe_code, reason = "an arena for the configuration")]

use tidegate_abi::{
    Arena, Field, Value,
    abi_stable::std_types::{RResult, RStr},
    host::Chunks,
    raw::{AbiError, OpenContext, host_features},
};

use super::{
    context::CallContext,
    error::{CallError, PluginError},
    registry::Plugin,
};

/// What a plugin is opened with.
#[derive(Clone, Debug)]
pub struct OpenParams<'a> {
    /// Connector's name.
    pub connector: &'a str,
    /// Task's number.
    pub task: u32,
    /// How many tasks the connector has.
    pub tasks: u32,
    /// Name under which the connector uses the plugin.
    pub instance: &'a str,
    /// The configuration: an object.
    pub config: &'a serde_json::Value,
}

/// Why a plugin could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Its library cannot be used.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// It returned an error.
    #[error(transparent)]
    Call(#[from] CallError),
}

impl OpenParams<'_> {
    /// The context of the call, to request its end.
    #[must_use]
    pub fn context(&self) -> &'static CallContext {
        CallContext::of(self.connector, self.task, self.instance)
    }

    pub(super) fn open<T>(
        &self,
        context: &'static CallContext,
        open: extern "C" fn(&OpenContext<'_>) -> RResult<T, AbiError>,
    ) -> Result<T, CallError> {
        let mut chunks = Chunks::new();
        // SAFETY: the tree is only used in this function, and `chunks` is dropped at its end.
        let arena = unsafe { chunks.arena() };
        let config = json_value(self.config, arena).node();
        let open_context = OpenContext {
            host: context.handle(),
            connector: RStr::from_str(self.connector),
            task: self.task,
            tasks: self.tasks,
            instance: RStr::from_str(self.instance),
            config: &config,
            reserved: [host_features::FLUSHES, 0, 0, 0, 0, 0],
        };
        open(&open_context).into_result().map_err(|error| CallError::new(self.instance, &error))
    }
}

/// A configuration as a value tree: values cross as values.
pub(super) fn json_value<'b>(json: &serde_json::Value, arena: Arena<'b>) -> Value<'b> {
    match json {
        serde_json::Value::Null => Value::NULL,
        serde_json::Value::Bool(value) => Value::bool(*value),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(value), _, _) => Value::int(value),
            (None, Some(value), _) => Value::uint(value),
            (None, None, Some(value)) => Value::float(value),
            (None, None, None) => Value::number(arena.str(&number.to_string())),
        },
        serde_json::Value::String(text) => arena.string(text),
        serde_json::Value::Array(items) => {
            Value::list(arena.collect(items.iter().map(|item| json_value(item, arena))))
        }
        serde_json::Value::Object(fields) => {
            let field = |(name, value): (&String, _)| Field::new(arena.str(name), json_value(value, arena));
            let fields: Vec<_> = fields.iter().map(field).collect();
            arena.object(&fields)
        }
    }
}

/// The error for a plugin of another kind.
pub(super) fn wrong_kind(plugin: &Plugin, wanted: &'static str) -> PluginError {
    PluginError::WrongKind { name: plugin.manifest.name.clone(), actual: plugin.manifest.kind.name(), wanted }
}
