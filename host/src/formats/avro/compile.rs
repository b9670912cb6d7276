//! Compiles a writer's schema, resolved to a reader's, into a program.

use std::collections::HashMap;

use tidegate_abi::{Arena, Value};

use super::{
    default::default_value,
    definition::{Definitions, VARIABLE_SCALE_DECIMAL, is_map_entry, semantic},
    error::SchemaError,
    leaf::{Leaf, leaf},
    program::{Program, RecordId, RecordType, Step, Symbol, Type},
    schema::{Document, Enum, Field, Kind, Node, NodeId, Record},
};
use crate::formats::{
    read::Unknown,
    types::{Scalar, is_known_collection},
};

/// Levels of types within each other, whether they are written there or referred to by name.
const MAX_DEPTH: usize = 200;

/// Compiles a schema; with a reader's schema, values become those of that one.
///
/// # Errors
/// When it cannot be used.
pub(super) fn compile<'m>(
    writer: &Document,
    reader: Option<&Document>,
    arena: Arena<'m>,
) -> Result<Program<'m>, SchemaError> {
    let mut compiler = Compiler {
        writer,
        reader,
        arena,
        records: Vec::new(),
        ids: HashMap::new(),
        unknown: Vec::new(),
        path: Vec::new(),
        depth: 0,
        types: 0,
    };
    let pair = Pair { writer: writer.root, reader: reader.map(|reader| reader.root) };
    let root = compiler.compile(pair, FieldContext::default())?;
    let records: Option<Vec<RecordType<'m>>> = compiler.records.into_iter().collect();
    let target = reader.unwrap_or(writer);
    Ok(Program {
        root,
        // Each is filled in before the compiler returns from it.
        records: records.unwrap_or_default(),
        schema: Definitions::new(target, arena).schema(target.root),
        unknown: compiler.unknown,
        types: compiler.types,
    })
}

/// A type of the writer, and the one that the reader has for it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Pair {
    writer: NodeId,
    reader: Option<NodeId>,
}

/// What the field around a type says of it.
#[derive(Clone, Copy, Default)]
struct FieldContext {
    /// It may hold a document of MongoDB.
    may_be_document: bool,
}

struct Compiler<'d, 'm> {
    writer: &'d Document,
    reader: Option<&'d Document>,
    arena: Arena<'m>,
    records: Vec<Option<RecordType<'m>>>,
    ids: HashMap<Pair, RecordId>,
    unknown: Vec<Unknown>,
    /// Names of the fields that lead to the type, for messages.
    path: Vec<String>,
    depth: usize,
    types: usize,
}

/// How well a branch of the reader's union takes a type of the writer.
#[derive(PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Match {
    None,
    /// Numbers become wider, text becomes bytes or the reverse.
    Promoted,
    Exact,
}

impl<'d, 'm> Compiler<'d, 'm> {
    /// The node that says what values are: the reader's, if there is one.
    fn target(&self, pair: Pair) -> &'d Node {
        match (self.reader, pair.reader) {
            (Some(reader), Some(id)) => reader.node(id),
            _ => self.writer.node(pair.writer),
        }
    }

    fn compile(&mut self, pair: Pair, field: FieldContext) -> Result<Type<'m>, SchemaError> {
        if self.depth >= MAX_DEPTH {
            let problem = format!("the schema is nested deeper than {MAX_DEPTH} levels");
            return Err(SchemaError::At { place: self.place(), problem });
        }
        self.depth += 1;
        self.types += 1;
        let compiled = self.compile_type(pair, field);
        self.depth -= 1;
        compiled
    }

    fn compile_type(&mut self, pair: Pair, field: FieldContext) -> Result<Type<'m>, SchemaError> {
        let writer = self.writer;
        let from = writer.node(pair.writer);
        if let Kind::Union(branches) = &from.kind {
            return self.union(branches, pair.reader, field);
        }
        let target = self.target(pair);
        if let (Kind::Union(branches), Some(reader)) = (&target.kind, self.reader) {
            let best = branches
                .iter()
                .map(|branch| (self.matches(from, reader.node(*branch)), *branch))
                // The first of those that match best.
                .rev()
                .max_by(|left, right| left.0.cmp(&right.0));
            return match best {
                Some((quality, branch)) if quality != Match::None => {
                    self.compile(Pair { reader: Some(branch), ..pair }, field)
                }
                _ => Ok(self.incompatible(from, target)),
            };
        }
        if pair.reader.is_some() && self.matches(from, target) == Match::None {
            return Ok(self.incompatible(from, target));
        }
        match (&from.kind, &target.kind) {
            (Kind::Record(record), Kind::Record(target_record)) => {
                let id = self.record(pair, record, target_record)?;
                Ok(if semantic(target) == VARIABLE_SCALE_DECIMAL {
                    Type::VariableScaleDecimal(id)
                } else {
                    self.note_collection(target, "struct");
                    Type::Record(id)
                })
            }
            (Kind::Array(items), Kind::Array(target_items)) => {
                self.note_collection(target, "array");
                let reader = pair.reader.map(|_| *target_items);
                let item = self.compile(Pair { writer: *items, reader }, FieldContext::default())?;
                Ok(self.list(item, Pair { writer: *items, reader }))
            }
            (Kind::Map(values), Kind::Map(target_values)) => {
                self.note_collection(target, "map");
                let reader = pair.reader.map(|_| *target_values);
                let values = self.compile(Pair { writer: *values, reader }, FieldContext::default())?;
                Ok(Type::Map(Box::new(values)))
            }
            (Kind::Enum(symbols), Kind::Enum(target_symbols)) => {
                self.types += symbols.symbols.len();
                Ok(Type::Enum(resolve_symbols(symbols, pair.reader.map(|_| target_symbols), self.arena)))
            }
            _ => self.leaf(from, target, field),
        }
    }

    fn union(
        &mut self,
        branches: &[NodeId],
        reader: Option<NodeId>,
        field: FieldContext,
    ) -> Result<Type<'m>, SchemaError> {
        let types: Vec<Type<'m>> = branches
            .iter()
            .map(|branch| self.compile(Pair { writer: *branch, reader }, field))
            .collect::<Result<_, _>>()?;
        let mut types = types;
        if types.len() == 2
            && let Some(null_at) = types.iter().position(|ty| matches!(ty, Type::Null))
        {
            let some = Box::new(types.swap_remove(1 - null_at));
            return Ok(Type::Optional { null_at: null_at as u8, some });
        }
        Ok(Type::Union(types.into_boxed_slice()))
    }

    fn list(&self, item: Type<'m>, items: Pair) -> Type<'m> {
        let target = self.target(items);
        if let (Type::Record(record), Kind::Record(entry)) = (&item, &target.kind)
            && is_map_entry(target)
            && let [key, _] = entry.fields.as_slice()
        {
            let document = self.reader.filter(|_| items.reader.is_some()).unwrap_or(self.writer);
            let is_object = is_text(document, key.node);
            return Type::Entries { record: *record, is_object };
        }
        Type::List(Box::new(item))
    }

    /// Compiles a record, unless it was, or is just being compiled.
    fn record(&mut self, pair: Pair, from: &'d Record, to: &'d Record) -> Result<RecordId, SchemaError> {
        if let Some(id) = self.ids.get(&pair) {
            return Ok(*id);
        }
        let id = self.records.len() as RecordId;
        self.records.push(None);
        self.ids.insert(pair, id);
        let has = |name: &str| to.fields.iter().any(|field| field.name == name);
        let is_change = has("op") && (has("before") || has("after"));
        let is_row = has("__op") || has("__deleted");
        let names: Vec<&'m str> = to.fields.iter().map(|field| self.arena.str(&field.name)).collect();
        let mut steps = Vec::with_capacity(from.fields.len());
        let mut taken = vec![false; to.fields.len()];
        for (index, field) in from.fields.iter().enumerate() {
            self.path.push(field.name.clone());
            let slot = match pair.reader {
                None => Some(index),
                Some(_) => find(to, field).filter(|slot| !std::mem::replace(&mut taken[*slot], true)),
            };
            let step = match slot {
                Some(slot) => {
                    let name = names[slot];
                    let row = is_change && matches!(name, "before" | "after");
                    let about = FieldContext { may_be_document: row || name == "updatedFields" };
                    let reader = pair.reader.map(|_| to.fields[slot].node);
                    let ty = self.compile(Pair { writer: field.node, reader }, about)?;
                    Step::Read { name, slot: slot as u32, ty, is_row: row }
                }
                None => Step::Skip(
                    self.compile(Pair { writer: field.node, reader: None }, FieldContext::default())?,
                ),
            };
            self.path.pop();
            steps.push(step);
        }
        let mut defaults = Vec::new();
        if pair.reader.is_some() {
            for (slot, field) in to.fields.iter().enumerate().filter(|(slot, _)| !taken[*slot]) {
                match self.default_of(field) {
                    Some(value) => defaults.push((slot as u32, names[slot], value)),
                    None => steps.push(self.missing(field, slot, names[slot])),
                }
            }
        }
        let is_plain = defaults.is_empty()
            && steps.iter().zip(0..).all(|(step, at)| matches!(step, Step::Read { slot, .. } if *slot == at));
        self.records[id as usize] =
            Some(RecordType { steps, defaults, width: to.fields.len(), is_plain, is_row });
        Ok(id)
    }

    fn default_of(&self, field: &Field) -> Option<Value<'m>> {
        default_value(self.reader?, field.node, field.default.as_ref()?, self.arena)
    }

    /// A field that only the reader has, without a default that fits.
    fn missing(&self, field: &Field, slot: usize, name: &'m str) -> Step<'m> {
        let why = if field.default.is_some() { "a default that does not fit its type" } else { "no default" };
        let reason =
            format!("the writer's schema does not have this field, and the reader's has {why} for it");
        Step::Read { name, slot: slot as u32, ty: Type::Incompatible(self.arena.str(&reason)), is_row: false }
    }

    fn leaf(&mut self, from: &Node, target: &Node, field: FieldContext) -> Result<Type<'m>, SchemaError> {
        let place = self.place();
        let Leaf { ty, ignored } = leaf(target, &place)?;
        if let Some(name) = ignored {
            self.note(name, target.describe(), place);
        }
        if field.may_be_document && matches!(ty, Type::TextAs(Scalar::Json)) {
            return Ok(Type::Document);
        }
        Ok(match (&from.kind, ty) {
            (Kind::Int, Type::LongAs(scalar)) => Type::IntAs(scalar),
            (Kind::Int, Type::Long) => Type::Int,
            (Kind::Int, Type::Float | Type::Double) => Type::IntAsFloat,
            (Kind::Long, Type::Float | Type::Double) => Type::LongAsFloat,
            (Kind::Float, Type::Float | Type::Double) => Type::Float,
            (Kind::String, Type::BytesAs(scalar)) => Type::BytesAs(scalar),
            (Kind::String, Type::Bytes) => Type::TextAsBytes,
            (Kind::Bytes, Type::Text | Type::TextAs(_) | Type::UuidText) => Type::BytesAsText,
            (_, ty) => ty,
        })
    }

    fn note_collection(&mut self, target: &Node, type_name: &str) {
        let name = target.text("connect.name");
        let name = if type_name == "struct" { semantic(target) } else { name };
        if !is_known_collection(type_name, name) {
            self.note(name.to_owned(), type_name, self.place());
        }
    }

    fn note(&mut self, name: String, read_as: &str, place: String) {
        if !self.unknown.iter().any(|known| *known.name == *name) {
            self.unknown.push(Unknown { name: name.into(), read_as: read_as.into(), place: place.into() });
        }
    }

    fn place(&self) -> String {
        if self.path.is_empty() { "the value".to_owned() } else { self.path.join(".") }
    }

    fn incompatible(&self, from: &Node, to: &Node) -> Type<'m> {
        let reason =
            format!("the reader's schema has {} where the writer's has {}", to.describe(), from.describe());
        Type::Incompatible(self.arena.str(&reason))
    }

    /// Avro 1.12, "Schema Resolution".
    fn matches(&self, from: &Node, to: &Node) -> Match {
        let exact = |is_exact| if is_exact { Match::Exact } else { Match::None };
        match (&from.kind, &to.kind) {
            (Kind::Null, Kind::Null)
            | (Kind::Boolean, Kind::Boolean)
            | (Kind::Int, Kind::Int)
            | (Kind::Long, Kind::Long)
            | (Kind::Float, Kind::Float)
            | (Kind::Double, Kind::Double)
            | (Kind::Bytes, Kind::Bytes)
            | (Kind::String, Kind::String)
            | (Kind::Array(_), Kind::Array(_))
            | (Kind::Map(_), Kind::Map(_)) => Match::Exact,
            (Kind::Record(from), Kind::Record(to)) => exact(to.name.matches(&from.name)),
            (Kind::Enum(from), Kind::Enum(to)) => exact(to.name.matches(&from.name)),
            (Kind::Fixed(from, size), Kind::Fixed(to, other)) => exact(size == other && to.matches(from)),
            (Kind::Int, Kind::Long | Kind::Float | Kind::Double)
            | (Kind::Long, Kind::Float | Kind::Double)
            | (Kind::Float, Kind::Double)
            | (Kind::String, Kind::Bytes)
            | (Kind::Bytes, Kind::String)
            | (Kind::Union(_), _)
            | (_, Kind::Union(_)) => Match::Promoted,
            _ => Match::None,
        }
    }
}

/// The reader's field for a field of the writer: of its name, or with an alias of that name.
fn find(to: &Record, field: &Field) -> Option<usize> {
    let by_name = to.fields.iter().position(|known| known.name == field.name);
    by_name.or_else(|| to.fields.iter().position(|known| known.aliases.contains(&field.name)))
}

fn resolve_symbols<'m>(from: &Enum, to: Option<&Enum>, arena: Arena<'m>) -> Box<[Symbol<'m>]> {
    let known = |symbol: &str| Symbol::Known(arena.str(symbol));
    let resolve = |symbol: &String| match to {
        None => known(symbol),
        Some(to) if to.symbols.contains(symbol) => known(symbol),
        Some(Enum { default: Some(default), .. }) => known(default),
        Some(to) => {
            let reason = format!("the reader's enum {} does not have the symbol {symbol:?}", to.name.full);
            Symbol::Incompatible(arena.str(&reason))
        }
    };
    from.symbols.iter().map(resolve).collect()
}

/// Whether a type is text, perhaps optional.
fn is_text(document: &Document, id: NodeId) -> bool {
    match &document.node(id).kind {
        Kind::String => true,
        Kind::Union(branches) => {
            let mut others =
                branches.iter().filter(|branch| !matches!(document.node(**branch).kind, Kind::Null));
            others.all(|branch| is_text(document, *branch))
        }
        _ => false,
    }
}
