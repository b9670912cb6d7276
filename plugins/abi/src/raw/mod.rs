//! The frozen C layouts: the memory that host and plugins share.

mod batch;
mod bytes;
mod change;
mod cursor;
mod error;
mod host;
mod node;
mod plugin;
mod record;
mod schema;
mod sink;
mod transform;

pub use batch::{BatchView, OutRecord, Outputs, PositionView, out_flags};
pub use bytes::Bytes;
pub use change::{ChangeView, OperationCode, change_flags};
pub use cursor::Cursor;
pub use error::{AbiError, ConfigError, ErrorClass};
pub use host::{HostHandle, HostVTable, HostVTable_Prefix, HostVTableRef, LogEvent, Pair};
pub use node::{FieldNode, Kind, Node, node_flags};
pub use plugin::{
    BatchDefaults, FlushDefaults, OpenContext, OpenSink, OpenTransform, PluginEntry, PluginEntry_Prefix,
    PluginEntryRef, PluginKind, PluginModule, PluginModule_Prefix, PluginModuleRef, host_features,
};
pub use record::{HeaderView, NO_TIMESTAMP, RecordView, record_flags};
pub use schema::{FieldView, SchemaView, field_flags};
pub use sink::{
    Claim, PartitionView, ReportHandle, ReportVTable, ReportVTable_Prefix, ReportVTableRef, SinkObject,
    SinkVTable, SinkVTable_Prefix, SinkVTableRef, TableRows,
};
pub use transform::{TransformObject, TransformVTable, TransformVTable_Prefix, TransformVTableRef};
