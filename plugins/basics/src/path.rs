//! Paths of field names, such as `address.city`.

use tidegate_plugin::{Arena, Record, Value};

/// The value at `path`. A field whose name contains dots takes precedence over a nested field.
pub(crate) fn find<'b>(value: Value<'b>, path: &str) -> Option<Value<'b>> {
    if let Some(found) = value.get(path) {
        return Some(found);
    }
    let (name, rest) = path.split_once('.')?;
    find(value.get(name)?, rest)
}

/// The header at `path`, or the field of a header that holds a map. A header whose name contains dots takes precedence.
pub(crate) fn find_header<'b>(record: Record<'b>, path: &str, arena: Arena<'b>) -> Option<Value<'b>> {
    let nested = || {
        path.rmatch_indices('.').find_map(|(at, _)| {
            let (name, rest) = (path.get(..at)?, path.get(at + 1..)?);
            find(record.header(name, arena)?, rest)
        })
    };
    record.header(path, arena).or_else(nested)
}

/// A tree of field paths, traversed in parallel with a value.
#[derive(Debug)]
pub(crate) struct PathTree<T> {
    leaf: Option<T>,
    children: Vec<(String, PathTree<T>)>,
}

impl<T> Default for PathTree<T> {
    fn default() -> Self {
        Self { leaf: None, children: Vec::new() }
    }
}

impl<T: Clone> PathTree<T> {
    /// Inserts `leaf` at `path`. A path with dots can mean nested fields or one field with that name, so both are inserted.
    pub(crate) fn insert(&mut self, path: &str, leaf: T) {
        if let Some((name, rest)) = path.split_once('.') {
            self.child(name).insert(rest, leaf.clone());
        }
        self.child(path).leaf = Some(leaf);
    }

    fn child(&mut self, name: &str) -> &mut Self {
        let index = self.children.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
            self.children.push((name.to_owned(), Self::default()));
            self.children.len() - 1
        });
        &mut self.children[index].1
    }
}

impl<T> PathTree<T> {
    /// The subtree at field `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|(known, _)| known == name).map(|(_, child)| child)
    }

    /// The leaf at this node.
    pub(crate) fn leaf(&self) -> Option<&T> {
        self.leaf.as_ref()
    }

    /// Whether the tree has no leaf.
    pub(crate) fn is_empty(&self) -> bool {
        self.leaf.is_none() && self.children.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use tidegate_plugin::Field;

    use super::*;

    #[test]
    fn nested_fields_and_names_with_dots_are_found() {
        let inner = [Field::new("city", Value::int(1))];
        let row = [Field::new("address", Value::object(&inner)), Field::new("a.b", Value::int(2))];
        let row = Value::object(&row);
        assert_eq!(find(row, "address.city").and_then(|value| value.as_i64()), Some(1));
        assert_eq!(find(row, "a.b").and_then(|value| value.as_i64()), Some(2));
        assert!(find(row, "address.street").is_none());
        assert!(find(row, "address.city.x").is_none());
    }

    #[test]
    fn a_path_with_dots_is_inserted_both_ways() {
        let mut tree = PathTree::default();
        tree.insert("a.b", 7);
        assert_eq!(tree.get("a").and_then(|a| a.get("b")?.leaf()), Some(&7));
        assert_eq!(tree.get("a.b").and_then(PathTree::leaf), Some(&7));
        assert_eq!(tree.get("a").and_then(PathTree::leaf), None);
        assert!(tree.get("b").is_none());
    }
}
