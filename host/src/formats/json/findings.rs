//! What was found in a payload that is read all the same, though not as it is written.

use tidegate_abi::{Value, ValueRef};

/// Findings of one payload that are kept one by one; of more only the number is.
const MOST: usize = 32;

/// What is unusual about a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FindingKind {
    /// Its name comes more than once in its object.
    Doubled,
    /// Its schema has it and its object does not.
    Missing,
    /// The schema has no field of its number.
    UnknownField,
    /// Its enum has no symbol for its number.
    UnknownSymbol,
}

/// One of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finding<'b> {
    /// What is unusual.
    pub(crate) what: FindingKind,
    /// Name of the field.
    pub(crate) name: &'b str,
    /// The object that it stands in; null for the payload's envelope.
    object: Value<'b>,
}

/// The findings of one payload.
#[derive(Default)]
pub(crate) struct Findings<'b> {
    list: Vec<Finding<'b>>,
    /// How many came beyond those that are kept.
    further: u64,
    /// Characters and bytes that are no Unicode and became U+FFFD.
    pub(crate) replaced: u64,
}

impl<'b> Findings<'b> {
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty() && self.replaced == 0
    }

    /// Whether further ones are only counted.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MOST
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Finding<'b>> {
        self.list.iter().copied()
    }

    pub(crate) fn further(&self) -> u64 {
        self.further
    }

    pub(crate) fn clear(&mut self) {
        self.list.clear();
        (self.further, self.replaced) = (0, 0);
    }

    /// The same memory for the next record.
    pub(super) fn recycle(mut self) -> Findings<'static> {
        self.clear();
        let none = Finding { what: FindingKind::Missing, name: "", object: Value::NULL };
        Findings { list: self.list.into_iter().map(|_| none).collect(), further: 0, replaced: 0 }
    }

    /// How many there are: what comes from here on belongs to an object that opens now, or to one inside.
    pub(super) fn mark(&self) -> usize {
        self.list.len()
    }

    /// Adds one about a field of the object that is open, or of the envelope.
    #[cold]
    pub(crate) fn add(&mut self, what: FindingKind, name: &'b str) {
        if !self.is_full() {
            self.list.push(Finding { what, name, object: Value::NULL });
        } else {
            self.further += 1;
        }
    }

    /// The object that was opened at `mark` is complete.
    #[cold]
    pub(super) fn belong_to(&mut self, object: Value<'b>, mark: usize) {
        // Those of objects inside belong to them already.
        for finding in self.list.iter_mut().skip(mark).filter(|finding| finding.object.is_null()) {
            finding.object = object;
        }
    }
}

impl<'b> Finding<'b> {
    /// Appends the way to the field from `root` on, such as `after.tags[].name`.
    pub(crate) fn write_path(&self, root: Value<'b>, out: &mut String) {
        let length = out.len();
        if !self.object.is_null() && !write_way(root, self.object, out) {
            out.truncate(length);
        }
        out.push_str(self.name);
    }
}

/// Appends the way from `from` to the object `to`, with what parts it from a field; false if it is not there.
fn write_way(from: Value<'_>, to: Value<'_>, out: &mut String) -> bool {
    let length = out.len();
    match from.view() {
        ValueRef::Struct(row) => {
            if to.as_struct().is_some_and(|to| std::ptr::eq(to.fields(), row.fields())) {
                return true;
            }
            row.iter().any(|(name, value)| {
                out.truncate(length);
                out.push_str(name);
                if matches!(value.view(), ValueRef::Struct(_)) {
                    out.push('.');
                }
                write_way(value, to, out)
            })
        }
        ValueRef::List(list) => {
            out.push_str("[].");
            let length = out.len();
            list.iter().any(|item| {
                out.truncate(length);
                write_way(item, to, out)
            })
        }
        _ => false,
    }
}
