//! Protobuf data to values: any message, any bytes, what is unusual on the wire, and which message of a schema it is.

mod debezium;
mod properties;
mod references;
mod wire_forms;

use std::{cell::RefCell, sync::Arc};

use prost_reflect::{DynamicMessage, MessageDescriptor};
use tidegate_abi::{
    Arena, Record, Value,
    host::{Batch, Borrows, Decode, Decoded, Kept, NewRecord, Part, Rejection, WithMemory},
};

use super::{Program, compile, decode, files};
use crate::formats::{
    DecodeLimits,
    json::{InvalidUnicode, MemoryBudget, Scratch},
    registry::{MessageRef, RegisteredSchema, SchemaType},
};

/// Messages with all that the wire format has.
const SCHEMA: &str = r#"
syntax = "proto3";
package t;
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
message All {
  double d = 1; float f = 2; int32 i32 = 3; int64 i64 = 4; uint32 u32 = 5; uint64 u64 = 6; sint32 s32 = 7; sint64 s64 = 8;
  fixed32 f32 = 9; fixed64 f64 = 10; sfixed32 sf32 = 11; sfixed64 sf64 = 12; bool b = 13; string s = 14; bytes y = 15;
  Kind kind = 16;
  optional int32 maybe = 17;
  repeated sint32 packed = 18;
  repeated int64 unpacked = 19 [packed = false];
  repeated string texts = 20;
  All inner = 21;
  repeated All inners = 22;
  map<string, int32> counts = 23;
  map<int32, Small> numbered = 24;
  oneof choice { string left = 25; Small right = 26; int32 none = 27; }
  google.protobuf.Timestamp at = 28;
  google.protobuf.Value any = 29;
  google.protobuf.Int64Value wrapped = 30;
  repeated Kind kinds = 536870911;
}
message Small { string name = 1; int32 number = 2; }
enum Kind { ZERO = 0; ONE = 1; MINUS = -1; }
"#;

fn schema(text: &str) -> RegisteredSchema {
    RegisteredSchema {
        schema_type: Some(SchemaType::Protobuf),
        text: text.to_owned(),
        references: Vec::new(),
    }
}

fn program(text: &str) -> Arc<WithMemory<ProgramBorrows>> {
    let compiled = WithMemory::try_new(|arena| compile(&schema(text), arena));
    Arc::new(compiled.unwrap_or_else(|error| panic!("{error}")))
}

/// The descriptor of a message, for an encoder that is not ours.
fn descriptor(text: &str, name: &str) -> MessageDescriptor {
    files::compile(&schema(text)).unwrap().parent_pool().get_message_by_name(name).unwrap()
}

struct ProgramBorrows;

impl Borrows for ProgramBorrows {
    type Of<'m> = Program<'m>;

    fn shorten<'s, 'm: 's>(program: &'s Program<'m>) -> &'s Program<'s> {
        program
    }
}

/// Decodes values of one program.
struct Decoder {
    program: Arc<WithMemory<ProgramBorrows>>,
    max_bytes: usize,
    shown: RefCell<Vec<String>>,
}

impl Decode for &Decoder {
    fn decode<'b>(
        &mut self,
        record: Record<'b>,
        arena: Arena<'b>,
        kept: Kept<'b>,
    ) -> Result<Decoded<'b>, Rejection> {
        let mut scratch = Scratch::default();
        scratch.budget = MemoryBudget::after_payloads([&[], &[]], self.max_bytes).unwrap();
        scratch.invalid_unicode = InvalidUnicode::Reject;
        let data = record.value_bytes().unwrap();
        let limits = DecodeLimits::default();
        let read =
            decode(kept.keep(&self.program).get(), data, MessageRef::InData, limits, arena, &mut scratch);
        assert!(
            scratch.fields.is_empty()
                && scratch.values.is_empty()
                && scratch.items.is_empty()
                && scratch.parts.is_empty()
                && scratch.chosen.is_empty(),
            "left open"
        );
        let (shown, decoded) = match read {
            Ok(read) => {
                let mut text = String::new();
                read.value.write_json(&mut text).unwrap();
                (text, Ok(read))
            }
            Err(error) => (format!("error: {error}"), Err(Rejection::new(Part::Value, error.to_string()))),
        };
        self.shown.borrow_mut().push(shown);
        let read = decoded?;
        Ok(Decoded { value_schema: read.schema, ..Decoded::plain(Value::NULL, read.value) })
    }
}

impl Decoder {
    fn new(text: &str) -> Self {
        Self { program: program(text), max_bytes: 1 << 30, shown: RefCell::default() }
    }

    /// The value as JSON, or `error: ..`.
    fn show(&self, data: &[u8]) -> String {
        let mut batch = Batch::new();
        let slot = batch.slot(&"t".into(), 0, 1);
        let record = NewRecord { offset: 0, timestamp_ms: None, key: None, value: Some(data) };
        batch.push(slot, record, std::iter::empty());
        batch.decode(&mut &*self);
        self.shown.borrow_mut().pop().unwrap()
    }
}

/// A message behind the index of the first of its schema.
fn first(message: &DynamicMessage) -> Vec<u8> {
    let mut data = vec![0];
    prost_reflect::prost::Message::encode(message, &mut data).unwrap();
    data
}
