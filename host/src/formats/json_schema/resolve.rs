//! Follows `$ref`: within a schema, and to the schemas that it was registered with.

use super::{SchemaError, node::Node};
use crate::formats::registry::RegisteredSchema;

/// References that may lead from one to the next.
const MAX_HOPS: usize = 64;

/// A schema with all that it refers to. The first document is the schema itself.
#[derive(Debug)]
pub(super) struct Documents {
    documents: Vec<(String, Node)>,
}

/// A part of a schema, and the document that it is in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'d> {
    pub(super) document: usize,
    pub(super) node: &'d Node,
}

impl Documents {
    /// Parses a registered schema and what it refers to.
    ///
    /// # Errors
    /// When one of them is not JSON.
    pub(super) fn parse(schema: &RegisteredSchema) -> Result<Self, SchemaError> {
        let references = schema.references.iter().map(|reference| (&*reference.name, &*reference.text));
        let documents = std::iter::once(("", &*schema.text)).chain(references).map(|(name, text)| {
            let node = serde_json::from_str(text).map_err(|error| SchemaError::Json(error.to_string()))?;
            Ok((name.to_owned(), node))
        });
        Ok(Self { documents: documents.collect::<Result<_, SchemaError>>()? })
    }

    pub(super) fn root(&self) -> Option<Place<'_>> {
        self.documents.first().map(|(_, node)| Place { document: 0, node })
    }

    /// What a part refers to, or the part itself.
    ///
    /// # Errors
    /// When the reference leads nowhere.
    pub(super) fn resolve<'d>(&'d self, place: Place<'d>, name: &str) -> Result<Place<'d>, SchemaError> {
        let mut at = place;
        for _ in 0..MAX_HOPS {
            let Some(reference) = at.node.get("$ref").and_then(Node::as_str) else { return Ok(at) };
            at = self.follow(at.document, reference).ok_or_else(|| lost(name, reference))?;
        }
        Err(lost(name, place.node.text("$ref")))
    }

    fn follow(&self, document: usize, reference: &str) -> Option<Place<'_>> {
        let (file, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let document = if file.is_empty() { document } else { self.document(file)? };
        let root = &self.documents.get(document)?.1;
        let node = match fragment {
            "" => Some(root),
            pointer if pointer.starts_with('/') => pointed(root, pointer),
            anchor => anchored(root, anchor),
        };
        node.map(|node| Place { document, node })
    }

    /// The document of a name: that of the reference, its own `$id`, or the last part of either, because a relative reference
    /// is resolved against the `$id` around it.
    fn document(&self, file: &str) -> Option<usize> {
        let last = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
        let id = |node: &Node| {
            node.get("$id").or_else(|| node.get("id")).and_then(Node::as_str).map(str::to_owned)
        };
        let is = |wanted: &str, form: &dyn Fn(&str) -> String| {
            let wanted = form(wanted);
            self.documents.iter().position(|(name, node)| {
                form(name) == wanted || id(node).is_some_and(|id| form(&id) == wanted)
            })
        };
        is(file, &|text| text.trim_end_matches('#').to_owned()).or_else(|| is(file, &last))
    }
}

fn lost(place: &str, reference: &str) -> SchemaError {
    SchemaError::Reference { place: place.to_owned(), reference: reference.to_owned() }
}

/// The part that a JSON pointer (RFC 6901) in a fragment leads to.
fn pointed<'d>(root: &'d Node, pointer: &str) -> Option<&'d Node> {
    pointer.split('/').skip(1).try_fold(root, |node, step| {
        let step = percent_encoding::percent_decode_str(step).decode_utf8_lossy();
        let step = step.replace("~1", "/").replace("~0", "~");
        match node {
            Node::List(items) => items.get(step.parse::<usize>().ok()?),
            _ => node.get(&step),
        }
    })
}

/// The part with an anchor, or with the older form of one, `"$id": "#anchor"`.
fn anchored<'d>(node: &'d Node, anchor: &str) -> Option<&'d Node> {
    let is_named = |name| node.text(name).strip_prefix('#') == Some(anchor);
    if node.text("$anchor") == anchor || is_named("$id") || is_named("id") {
        return Some(node);
    }
    let within = node.fields().iter().map(|(_, node)| node).chain(node.items());
    within.into_iter().find_map(|node| anchored(node, anchor))
}
