//! Avro data to values: every type, resolution, and what bad data and bad schemas get.

mod bad_data;
mod bad_schemas;
mod connect;
mod properties;
mod resolution;
mod types;

use std::{cell::RefCell, sync::Arc};

use tidegate_abi::{
    Arena, Record, Value,
    host::{Batch, Borrows, Decode, Decoded, Kept, NewRecord, Part, Rejection, WithMemory},
};

use super::{
    compile::compile,
    decode::{RootBytes, decode},
    error::SchemaError,
    program::Program,
    schema::Document,
};
use crate::formats::{
    DecodeLimits,
    json::{InvalidUnicode, MemoryBudget, Scratch},
    types::Unavailable,
};

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
    limits: DecodeLimits,
    max_bytes: usize,
    invalid_unicode: InvalidUnicode,
    unavailable: Unavailable,
    shown: RefCell<Vec<String>>,
}

impl Decode for &Decoder {
    fn decode<'b>(
        &mut self,
        record: Record<'b>,
        arena: Arena<'b>,
        kept: Kept<'b>,
    ) -> Result<Decoded<'b>, Rejection> {
        let mut scratch = Scratch::new(self.unavailable.clone());
        scratch.budget = MemoryBudget::after_payloads([&[], &[]], self.max_bytes).unwrap();
        scratch.invalid_unicode = self.invalid_unicode;
        let data = record.value_bytes().unwrap();
        let read =
            decode(kept.keep(&self.program).get(), data, RootBytes::Sized, self.limits, arena, &mut scratch);
        assert!(scratch.fields.is_empty() && scratch.values.is_empty(), "left open");
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                self.shown.borrow_mut().push(format!("error: {error}"));
                return Err(Rejection::new(Part::Value, error.to_string()));
            }
        };
        self.shown.borrow_mut().push(format!("{:?}", read.value));
        Ok(Decoded { value_schema: read.schema, ..Decoded::plain(Value::NULL, read.value) })
    }
}

impl Decoder {
    fn new(program: Arc<WithMemory<ProgramBorrows>>) -> Self {
        Self {
            program,
            limits: DecodeLimits::default(),
            max_bytes: 1 << 30,
            invalid_unicode: InvalidUnicode::Reject,
            unavailable: Unavailable::default(),
            shown: RefCell::default(),
        }
    }

    /// The value as `Debug` shows it, or `error: ..`.
    fn show(&self, data: &[u8]) -> String {
        let mut batch = Batch::new();
        let slot = batch.slot(&"t".into(), 0, 1);
        let record = NewRecord { offset: 0, timestamp_ms: None, key: None, value: Some(data) };
        batch.push(slot, record, std::iter::empty());
        batch.decode(&mut &*self);
        self.shown.borrow_mut().pop().unwrap()
    }
}

fn try_program(writer: &str, reader: Option<&str>) -> Result<Arc<WithMemory<ProgramBorrows>>, SchemaError> {
    let writer = Document::parse(writer, std::iter::empty())?;
    let reader = reader.map(|text| Document::parse(text, std::iter::empty())).transpose()?;
    Ok(Arc::new(WithMemory::try_new(|arena| compile(&writer, reader.as_ref(), arena))?))
}

fn decoder(schema: &str) -> Decoder {
    Decoder::new(try_program(schema, None).unwrap_or_else(|error| panic!("{schema}: {error}")))
}

fn show(schema: &str, data: &[u8]) -> String {
    decoder(schema).show(data)
}

fn show_resolved(writer: &str, reader: &str, data: &[u8]) -> String {
    let program = try_program(writer, Some(reader)).unwrap_or_else(|error| panic!("{reader}: {error}"));
    Decoder::new(program).show(data)
}

/// What the compiler notes about a schema: name and what it is read as.
fn noted(schema: &str) -> Vec<String> {
    let program = try_program(schema, None).unwrap();
    program
        .get()
        .unknown
        .iter()
        .map(|note| format!("{}: {} as {}", note.place, note.name, note.read_as))
        .collect()
}

/// A number in zig-zag coding.
fn long(number: i64) -> Vec<u8> {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    let mut bytes = Vec::new();
    while rest >= 0x80 {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// Bytes behind their length.
fn sized(bytes: &[u8]) -> Vec<u8> {
    [long(bytes.len() as i64), bytes.to_vec()].concat()
}
