//! Compiles the text of a schema and of its imports to descriptors.

use std::collections::HashMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use prost_reflect::FileDescriptor;
use protox::{
    Compiler, Error,
    file::{File, FileResolver, GoogleFileResolver},
};

use super::error::SchemaError;
use crate::formats::registry::RegisteredSchema;

/// The name that the schema itself is compiled under. No import has this name.
const ROOT: &str = "schema";

/// Field 1 of `FileDescriptorProto` in front of its length and text: the file's name.
const NAME_TAG: u8 = 0x0a;

/// Files that schemas import without registering them. Confluent's and Apicurio's registries know them as well.
const KNOWN_FILES: [(&str, &str); 20] = [
    ("confluent/meta.proto", include_str!("proto/confluent/meta.proto")),
    ("confluent/type/decimal.proto", include_str!("proto/confluent/type/decimal.proto")),
    ("confluent/type/variant.proto", include_str!("proto/confluent/type/variant.proto")),
    ("google/type/calendar_period.proto", include_str!("proto/google/type/calendar_period.proto")),
    ("google/type/color.proto", include_str!("proto/google/type/color.proto")),
    ("google/type/date.proto", include_str!("proto/google/type/date.proto")),
    ("google/type/datetime.proto", include_str!("proto/google/type/datetime.proto")),
    ("google/type/dayofweek.proto", include_str!("proto/google/type/dayofweek.proto")),
    ("google/type/decimal.proto", include_str!("proto/google/type/decimal.proto")),
    ("google/type/expr.proto", include_str!("proto/google/type/expr.proto")),
    ("google/type/fraction.proto", include_str!("proto/google/type/fraction.proto")),
    ("google/type/interval.proto", include_str!("proto/google/type/interval.proto")),
    ("google/type/latlng.proto", include_str!("proto/google/type/latlng.proto")),
    ("google/type/localized_text.proto", include_str!("proto/google/type/localized_text.proto")),
    ("google/type/money.proto", include_str!("proto/google/type/money.proto")),
    ("google/type/month.proto", include_str!("proto/google/type/month.proto")),
    ("google/type/phone_number.proto", include_str!("proto/google/type/phone_number.proto")),
    ("google/type/postal_address.proto", include_str!("proto/google/type/postal_address.proto")),
    ("google/type/quaternion.proto", include_str!("proto/google/type/quaternion.proto")),
    ("google/type/timeofday.proto", include_str!("proto/google/type/timeofday.proto")),
];

/// The descriptor of a registered schema, with those of its imports in its pool.
///
/// # Errors
/// When the schema or one of its imports is not valid.
pub(super) fn compile(schema: &RegisteredSchema) -> Result<FileDescriptor, SchemaError> {
    let mut files = HashMap::with_capacity(schema.references.len() + 1);
    for reference in &schema.references {
        files.insert(reference.name.clone(), parse(&reference.name, &reference.text)?);
    }
    files.insert(ROOT.to_owned(), parse(ROOT, &schema.text)?);
    let mut compiler = Compiler::with_file_resolver(Files { files, google: GoogleFileResolver::new() });
    compiler.open_file(ROOT).map_err(|error| SchemaError::Invalid(message(&error)))?;
    compiler.descriptor_pool().get_file_by_name(ROOT).ok_or(SchemaError::Empty)
}

/// Parses the text of a schema, or a `FileDescriptorProto` in base64, which Confluent's serializer for Python registers.
fn parse(name: &str, text: &str) -> Result<File, SchemaError> {
    if is_nested_too_deep(text.as_bytes()) {
        return Err(SchemaError::Nested(MAX_NESTING));
    }
    if let Some(file) = of_descriptor(name, text) {
        let is_edition = file.file_descriptor_proto().syntax() == "editions";
        return if is_edition { Err(SchemaError::Edition) } else { Ok(file) };
    }
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("//"));
    if first.is_some_and(|line| line.starts_with("edition")) {
        return Err(SchemaError::Edition);
    }
    File::from_source(name, text).map_err(|error| SchemaError::Syntax(message(&error)))
}

fn of_descriptor(name: &str, text: &str) -> Option<File> {
    let mut descriptor = STANDARD.decode(text.trim()).ok().filter(|bytes| !is_nested_too_deep(bytes))?;
    // Imports are found by the name that they are referred to by. Of a field that occurs twice, the last value counts.
    descriptor.push(NAME_TAG);
    let mut length = name.len();
    while length >= 0x80 {
        descriptor.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    descriptor.push(length as u8);
    descriptor.extend_from_slice(name.as_bytes());
    File::decode_file_descriptor_proto(descriptor.as_slice()).ok()
}

/// Levels of braces and brackets, also in options. The compiler's recursion has no limit of its own.
const MAX_NESTING: usize = 200;

/// Whether brackets are nested too deep. A descriptor has the text of options among other bytes.
fn is_nested_too_deep(text: &[u8]) -> bool {
    let mut depth = 0usize;
    text.iter().any(|byte| {
        match byte {
            b'{' | b'[' | b'<' => depth += 1,
            b'}' | b']' | b'>' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > MAX_NESTING
    })
}

/// What is wrong, where. The error's own text has no position.
fn message(error: &Error) -> String {
    format!("{error:?}").trim().to_owned()
}

/// What a schema may import.
struct Files {
    files: HashMap<String, File>,
    google: GoogleFileResolver,
}

impl FileResolver for Files {
    fn open_file(&self, name: &str) -> Result<File, Error> {
        if let Some(file) = self.files.get(name) {
            return Ok(file.clone());
        }
        match KNOWN_FILES.iter().find(|(known, _)| *known == name) {
            Some((_, text)) => File::from_source(name, text),
            None => self.google.open_file(name),
        }
    }
}
