//! Follows `$ref`: within a schema, and to the schemas that it was registered with.

use std::collections::HashMap;

use super::{SchemaError, node::Node};
use crate::formats::registry::RegisteredSchema;

/// References that may lead from one to the next.
const MAX_HOPS: usize = 64;

/// A schema with all that it refers to. The first document is the schema itself.
#[derive(Debug)]
pub(super) struct Documents {
    documents: Vec<(String, Node)>,
    named: Named,
}

/// The parts that have an `$id`, or an anchor within a document: document, then the index of each field or item on the way.
type Named = HashMap<(Option<usize>, String), (usize, Vec<usize>)>;

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
        let documents: Vec<(String, Node)> = documents.collect::<Result<_, SchemaError>>()?;
        let mut named = Named::new();
        for (document, (_, node)) in documents.iter().enumerate() {
            index(document, node, &mut Vec::new(), &mut named);
        }
        Ok(Self { documents, named })
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
        let base = if file.is_empty() { self.whole(document) } else { self.file(file) }?;
        let node = match fragment {
            "" => Some(base.node),
            pointer if pointer.starts_with('/') => pointed(base.node, pointer),
            anchor => return self.part((Some(base.document), anchor.to_owned())),
        };
        node.map(|node| Place { node, ..base })
    }

    fn whole(&self, document: usize) -> Option<Place<'_>> {
        self.documents.get(document).map(|(_, node)| Place { document, node })
    }

    /// What a reference names: a schema by the name that it was registered with, or a part by its `$id`. A relative reference is
    /// resolved against the `$id` around it, so if nothing has the whole name, the last part of it decides, if only one schema has
    /// it.
    fn file(&self, file: &str) -> Option<Place<'_>> {
        if let Some(document) = self.documents.iter().skip(1).position(|(name, _)| name == file) {
            return self.whole(document + 1);
        }
        if let Some(part) = self.part((None, file.to_owned())) {
            return Some(part);
        }
        let last = last_segment(file).filter(|last| !last.is_empty())?;
        let names =
            self.documents.iter().enumerate().skip(1).map(|(at, (name, _))| (name.as_str(), (at, vec![])));
        let ids = self.named.iter().filter(|((scope, _), _)| scope.is_none());
        let ids = ids.map(|((_, id), (document, path))| (id.as_str(), (*document, path.clone())));
        let mut found: Vec<(usize, Vec<usize>)> =
            names.chain(ids).filter(|(name, _)| last_segment(name) == Some(last)).map(|(_, at)| at).collect();
        found.sort();
        found.dedup();
        match found.as_slice() {
            [(document, path)] => self.at(*document, path),
            _ => None,
        }
    }

    fn part(&self, name: (Option<usize>, String)) -> Option<Place<'_>> {
        let (document, path) = self.named.get(&name)?;
        self.at(*document, path)
    }

    fn at(&self, document: usize, path: &[usize]) -> Option<Place<'_>> {
        let root = self.whole(document)?;
        let node = path.iter().try_fold(root.node, |node, step| match node {
            Node::List(items) => items.get(*step),
            _ => node.fields().get(*step).map(|(_, node)| node),
        });
        node.map(|node| Place { document, node })
    }
}

fn last_segment(name: &str) -> Option<&str> {
    name.trim_end_matches('#').rsplit('/').next()
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

/// Adds the parts of a document that have an `$id`, an anchor, or the older form of one, `"$id": "#anchor"`. The first counts.
fn index(document: usize, node: &Node, path: &mut Vec<usize>, named: &mut Named) {
    let mut add = |scope, name: &str| {
        named.entry((scope, name.to_owned())).or_insert_with(|| (document, path.clone()));
    };
    for id in ["$id", "id"].map(|key| node.text(key)).into_iter().filter(|id| !id.is_empty()) {
        match id.strip_prefix('#') {
            Some(anchor) => add(Some(document), anchor),
            None => add(None, id.trim_end_matches('#')),
        }
    }
    match node.text("$anchor") {
        "" => {}
        anchor => add(Some(document), anchor),
    }
    let within = node.fields().iter().map(|(_, node)| node).chain(node.items());
    for (at, node) in within.enumerate() {
        path.push(at);
        index(document, node, path, named);
        path.pop();
    }
}
