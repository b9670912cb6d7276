//! Parses the JSON of a schema into nodes that refer to each other by number: types may be recursive.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::error::SchemaError;

/// A schema nested deeper cannot be used: it is compiled by recursion.
const MAX_DEPTH: usize = 200;

/// A type's number in its [`Document`].
pub(super) type NodeId = usize;

/// A parsed schema.
#[derive(Debug)]
pub(super) struct Document {
    nodes: Vec<Node>,
    pub(super) root: NodeId,
}

/// A type and its attributes.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) attributes: Map<String, Json>,
}

#[derive(Debug)]
pub(super) enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(Name, usize),
    Enum(Enum),
    Record(Record),
    Array(NodeId),
    Map(NodeId),
    Union(Vec<NodeId>),
}

/// A full name and other full names.
#[derive(Debug, Clone, Default)]
pub(super) struct Name {
    pub(super) full: String,
    aliases: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Enum {
    pub(super) name: Name,
    pub(super) symbols: Vec<String>,
    pub(super) default: Option<String>,
}

#[derive(Debug)]
pub(super) struct Record {
    pub(super) name: Name,
    pub(super) fields: Vec<Field>,
}

#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) aliases: Vec<String>,
    pub(super) node: NodeId,
    pub(super) default: Option<Json>,
}

impl Name {
    /// Whether a reader's name is that of a writer's type: the same without its namespace, or by an alias.
    pub(super) fn matches(&self, writer: &Self) -> bool {
        let same = |name: &str| unqualified(name) == unqualified(&writer.full);
        same(&self.full) || self.aliases.iter().any(|alias| *alias == writer.full || same(alias))
    }
}

fn unqualified(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(_, name)| name)
}

impl Node {
    /// A text attribute.
    pub(super) fn text(&self, name: &str) -> &str {
        self.attributes.get(name).and_then(Json::as_str).unwrap_or_default()
    }

    /// The name of the type in messages.
    pub(super) fn describe(&self) -> &str {
        match &self.kind {
            Kind::Null => "null",
            Kind::Boolean => "boolean",
            Kind::Int => "int",
            Kind::Long => "long",
            Kind::Float => "float",
            Kind::Double => "double",
            Kind::Bytes => "bytes",
            Kind::String => "string",
            Kind::Fixed(name, _) => &name.full,
            Kind::Enum(symbols) => &symbols.name.full,
            Kind::Record(record) => &record.name.full,
            Kind::Array(_) => "array",
            Kind::Map(_) => "map",
            Kind::Union(_) => "union",
        }
    }
}

impl Document {
    pub(super) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id]
    }

    /// Parses a schema. `references` are the texts of schemas whose types it uses, each after those that it uses itself.
    ///
    /// # Errors
    /// When it is no schema.
    pub(super) fn parse<'t>(
        text: &str,
        references: impl Iterator<Item = &'t str>,
    ) -> Result<Self, SchemaError> {
        let mut parser = Parser::default();
        for text in references {
            parser.document(text)?;
        }
        let root = parser.document(text)?;
        Ok(Self { nodes: parser.nodes, root })
    }
}

/// Checks a schema that somebody has configured.
///
/// # Errors
/// When it is none.
pub(crate) fn check(text: &str) -> Result<(), SchemaError> {
    Document::parse(text, std::iter::empty()).map(|_| ())
}

#[derive(Default)]
struct Parser {
    nodes: Vec<Node>,
    names: HashMap<String, NodeId>,
    /// Definitions of named types: the same one may come again, with a reference.
    definitions: HashMap<String, Json>,
    /// Names of the fields that lead to the type that is parsed, for errors.
    path: Vec<String>,
    depth: usize,
}

impl Parser {
    fn document(&mut self, text: &str) -> Result<NodeId, SchemaError> {
        // Some registries keep the name of a primitive type without quotes.
        let text = text.trim();
        let json = if is_primitive(text) {
            Json::from(text)
        } else {
            serde_json::from_str(text).map_err(|error| SchemaError::Json(error.to_string()))?
        };
        self.parse(&json, "")
    }

    fn parse(&mut self, json: &Json, namespace: &str) -> Result<NodeId, SchemaError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.error(format!("it is nested deeper than {MAX_DEPTH} levels")));
        }
        let node = match json {
            Json::String(name) => self.named(name, namespace, Map::new()),
            Json::Array(branches) => self.union(branches, namespace),
            Json::Object(object) => self.object(json, object, namespace),
            _ => Err(self.error(format!("a type is expected, found {}", described(json)))),
        };
        self.depth -= 1;
        node
    }

    fn add(&mut self, kind: Kind, attributes: Map<String, Json>) -> NodeId {
        self.nodes.push(Node { kind, attributes });
        self.nodes.len() - 1
    }

    /// A primitive type, or a type that is defined elsewhere.
    fn named(
        &mut self,
        name: &str,
        namespace: &str,
        attributes: Map<String, Json>,
    ) -> Result<NodeId, SchemaError> {
        let kind = match name {
            "null" => Kind::Null,
            "boolean" => Kind::Boolean,
            "int" => Kind::Int,
            "long" => Kind::Long,
            "float" => Kind::Float,
            "double" => Kind::Double,
            "bytes" => Kind::Bytes,
            "string" => Kind::String,
            _ => {
                let qualified = qualify(name, namespace);
                let found = self.names.get(&qualified).or_else(|| self.names.get(name));
                return found.copied().ok_or_else(|| self.error(format!("the type {name:?} is not defined")));
            }
        };
        Ok(self.add(kind, attributes))
    }

    fn union(&mut self, branches: &[Json], namespace: &str) -> Result<NodeId, SchemaError> {
        let mut nodes = Vec::with_capacity(branches.len());
        for branch in branches {
            if branch.is_array() {
                return Err(self.error("a union directly in a union".to_owned()));
            }
            nodes.push(self.parse(branch, namespace)?);
        }
        if nodes.is_empty() {
            return Err(self.error("a union without branches".to_owned()));
        }
        Ok(self.add(Kind::Union(nodes), Map::new()))
    }

    fn object(
        &mut self,
        json: &Json,
        object: &Map<String, Json>,
        namespace: &str,
    ) -> Result<NodeId, SchemaError> {
        let type_name = match object.get("type") {
            Some(Json::String(name)) => name.as_str(),
            // The type may be written as an object or a union of its own.
            Some(inner @ (Json::Object(_) | Json::Array(_))) => return self.parse(inner, namespace),
            _ => return Err(self.error("a type without \"type\"".to_owned())),
        };
        match type_name {
            "record" | "error" | "enum" | "fixed" => self.definition(json, type_name, object, namespace),
            "array" => {
                let items = self.part(object, "items", namespace)?;
                Ok(self.add(Kind::Array(items), attributes(object)))
            }
            "map" => {
                let values = self.part(object, "values", namespace)?;
                Ok(self.add(Kind::Map(values), attributes(object)))
            }
            name => self.named(name, namespace, attributes(object)),
        }
    }

    fn part(
        &mut self,
        object: &Map<String, Json>,
        name: &str,
        namespace: &str,
    ) -> Result<NodeId, SchemaError> {
        let json = object.get(name).ok_or_else(|| self.error(format!("a type without {name:?}")))?;
        self.parse(json, namespace)
    }

    /// A record, an enum or a fixed.
    fn definition(
        &mut self,
        json: &Json,
        type_name: &str,
        object: &Map<String, Json>,
        namespace: &str,
    ) -> Result<NodeId, SchemaError> {
        let text = |name: &str| object.get(name).and_then(Json::as_str);
        let name = text("name").filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| self.error(format!("a type {type_name:?} without a name")))?;
        let full = match text("namespace") {
            _ if name.contains('.') => name.trim_start_matches('.').to_owned(),
            own => qualify(name, own.unwrap_or(namespace)),
        };
        if let Some(known) = self.definitions.get(&full) {
            if known == json {
                return Ok(self.names[&full]);
            }
            return Err(self.error(format!("the type {full:?} is defined twice")));
        }
        let own_namespace = full.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
        let aliases = texts(object.get("aliases")).map(|alias| qualify(alias, &own_namespace)).collect();
        let name = Name { full: full.clone(), aliases };
        self.definitions.insert(full.clone(), json.clone());
        // The number is known before the fields are, which may be of this very type.
        let id = self.add(Kind::Null, attributes(object));
        self.names.insert(full, id);
        self.nodes[id].kind = match type_name {
            "fixed" => {
                let size =
                    object.get("size").and_then(Json::as_u64).and_then(|size| usize::try_from(size).ok());
                Kind::Fixed(name, size.ok_or_else(|| self.error("a fixed without a size".to_owned()))?)
            }
            "enum" => {
                let symbols: Vec<String> = texts(object.get("symbols")).map(str::to_owned).collect();
                if symbols.is_empty() {
                    return Err(self.error("an enum without symbols".to_owned()));
                }
                Kind::Enum(Enum { name, symbols, default: text("default").map(str::to_owned) })
            }
            _ => Kind::Record(self.record(name, object, &own_namespace)?),
        };
        Ok(id)
    }

    fn record(
        &mut self,
        name: Name,
        object: &Map<String, Json>,
        namespace: &str,
    ) -> Result<Record, SchemaError> {
        let declared = object.get("fields").and_then(Json::as_array);
        let declared =
            declared.ok_or_else(|| self.error(format!("the record {:?} has no fields", name.full)))?;
        let mut fields: Vec<Field> = Vec::with_capacity(declared.len());
        let mut names = std::collections::HashSet::with_capacity(declared.len());
        for field in declared {
            let field_name = field["name"].as_str().filter(|name| !name.is_empty());
            let field_name = field_name
                .ok_or_else(|| self.error(format!("a field of the record {:?} has no name", name.full)))?;
            if !names.insert(field_name) {
                let problem =
                    format!("the record {:?} has two fields with the name {field_name:?}", name.full);
                return Err(self.error(problem));
            }
            self.path.push(field_name.to_owned());
            let ty = field.get("type").ok_or_else(|| self.error("a field without a type".to_owned()))?;
            let node = self.parse(ty, namespace)?;
            self.path.pop();
            fields.push(Field {
                name: field_name.to_owned(),
                aliases: texts(field.get("aliases")).map(str::to_owned).collect(),
                node,
                default: field.get("default").cloned(),
            });
        }
        Ok(Record { name, fields })
    }

    #[cold]
    fn error(&self, problem: String) -> SchemaError {
        let place = if self.path.is_empty() { "the schema".to_owned() } else { self.path.join(".") };
        SchemaError::At { place, problem }
    }
}

/// The attributes of a type that say what its values are. Of a record, the fields are not among them.
fn attributes(object: &Map<String, Json>) -> Map<String, Json> {
    let known =
        ["type", "name", "namespace", "fields", "symbols", "items", "values", "doc", "aliases", "size"];
    let own = object.iter().filter(|(name, _)| !known.contains(&name.as_str()));
    own.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn qualify(name: &str, namespace: &str) -> String {
    if namespace.is_empty() || name.contains('.') { name.to_owned() } else { format!("{namespace}.{name}") }
}

fn texts(list: Option<&Json>) -> impl Iterator<Item = &str> {
    list.and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
}

fn is_primitive(name: &str) -> bool {
    matches!(name, "null" | "boolean" | "int" | "long" | "float" | "double" | "bytes" | "string")
}

fn described(json: &Json) -> &'static str {
    match json {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}
