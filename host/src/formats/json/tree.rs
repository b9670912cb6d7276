//! Building trees in a batch's arena from JSON text.

use tidegate_abi::{Arena, Field, Value};

use crate::formats::{binary::Part, types::Unavailable};

use super::{
    InvalidUnicode,
    budget::{BudgetExceeded, MemoryBudget},
    error::{Fault, JsonError},
    findings::{FindingKind, Findings},
    lexer::{Lexer, Text},
    names::{self, FEW, Names},
};

/// Bytes of each kind of scratch memory that stay; what one huge record needed beyond goes with it.
const MAX_RETAINED_BYTES: usize = 256 << 10;

/// Memory that a decoder keeps from record to record: items of collections that are still open, and text with escapes.
#[derive(Default)]
pub(crate) struct Scratch<'b> {
    pub(crate) values: Vec<Value<'b>>,
    pub(crate) fields: Vec<Field<'b>>,
    pub(crate) text: String,
    pub(crate) bytes: Vec<u8>,
    /// What the values of this record may still take.
    pub(crate) budget: MemoryBudget,
    /// What becomes of text that is no Unicode in documents within the record.
    pub(crate) invalid_unicode: InvalidUnicode,
    /// The placeholder for unavailable values.
    pub(crate) unavailable: Unavailable,
    /// What was unusual about the payload that was read last.
    pub(crate) findings: Findings<'b>,
    /// Items of lists and maps that come one by one, each with the place of its field.
    pub(crate) items: Vec<(u32, Value<'b>)>,
    /// Data of nested messages that are decoded once their message is read, each with the place of its field.
    pub(crate) parts: Vec<(u32, Part<'b>)>,
    /// Of each open oneof, the field that was read last, counted from 1.
    pub(crate) chosen: Vec<u32>,
    slots: Vec<u32>,
}

impl Scratch<'_> {
    /// Memory of a decoder with this placeholder for unavailable values.
    pub(crate) fn new(unavailable: Unavailable) -> Self {
        Self { unavailable, ..Self::default() }
    }

    /// The same memory for the next record.
    ///
    /// Collecting an emptied vector into one of the same layout keeps its allocation; the only thing that changes is
    /// the lifetime of items that are not there. A test counts allocations to see that it stays so.
    pub(crate) fn recycle(mut self) -> Scratch<'static> {
        self.values.clear();
        self.fields.clear();
        self.text.clear();
        self.bytes.clear();
        self.values.shrink_to(MAX_RETAINED_BYTES / size_of::<Value<'_>>());
        self.fields.shrink_to(MAX_RETAINED_BYTES / size_of::<Field<'_>>());
        self.text.shrink_to(MAX_RETAINED_BYTES);
        self.bytes.shrink_to(MAX_RETAINED_BYTES);
        self.items.clear();
        self.items.shrink_to(MAX_RETAINED_BYTES / size_of::<(u32, Value<'_>)>());
        self.parts.clear();
        self.parts.shrink_to(MAX_RETAINED_BYTES / size_of::<(u32, Part<'_>)>());
        self.chosen.clear();
        self.chosen.shrink_to(MAX_RETAINED_BYTES / size_of::<u32>());
        self.slots.clear();
        self.slots.shrink_to(MAX_RETAINED_BYTES / size_of::<u32>());
        Scratch {
            values: self.values.into_iter().map(|_| Value::NULL).collect(),
            fields: self.fields.into_iter().map(|_| Field::new("", Value::NULL)).collect(),
            items: self.items.into_iter().map(|(slot, _)| (slot, Value::NULL)).collect(),
            parts: self.parts.into_iter().map(|(slot, _)| (slot, Part { bytes: &[], at: 0 })).collect(),
            chosen: self.chosen,
            text: self.text,
            bytes: self.bytes,
            budget: MemoryBudget::default(),
            invalid_unicode: self.invalid_unicode,
            unavailable: self.unavailable,
            findings: self.findings.recycle(),
            slots: self.slots,
        }
    }
}

impl<'b> Scratch<'b> {
    /// Text whose invalid bytes are replaced by U+FFFD, which takes up to three times their room.
    ///
    /// # Errors
    /// When there is no room left.
    #[cold]
    pub(crate) fn replace_invalid(
        &mut self,
        bytes: &[u8],
        arena: Arena<'b>,
    ) -> Result<&'b str, BudgetExceeded> {
        self.findings.replaced += 1;
        let text = String::from_utf8_lossy(bytes);
        self.budget.take(text.len(), "its text with U+FFFD")?;
        Ok(arena.str(&text))
    }

    /// The struct of the fields from `base` on, whose names may repeat: then the last value counts.
    pub(crate) fn finish_fields(&mut self, base: usize, arena: Arena<'b>) -> Value<'b> {
        let Self { fields, slots, findings, .. } = self;
        let first_finding = findings.mark();
        if fields.len() - base > 1 {
            names::merge(fields, base, slots, |name| findings.add(FindingKind::Doubled, name));
        }
        let object = arena.object(&fields[base..]);
        fields.truncate(base);
        if findings.mark() > first_finding {
            findings.belong_to(object, first_finding);
        }
        object
    }
}

/// An object whose fields are being read.
#[derive(Clone, Copy)]
pub(crate) struct Open {
    /// Its first field among those that are open.
    base: usize,
    /// Its first finding.
    findings: usize,
}

/// A lexer with an arena to build in.
pub(crate) struct Parser<'b, 's> {
    pub(crate) lexer: Lexer<'b>,
    pub(crate) arena: Arena<'b>,
    pub(crate) scratch: &'s mut Scratch<'b>,
}

impl<'b> Parser<'b, '_> {
    /// Reads a value of any kind.
    pub(crate) fn value(&mut self) -> Result<Value<'b>, JsonError> {
        match self.lexer.peek() {
            Some(b'"') => self.string().map(Value::string),
            Some(b'{') => self.object(),
            Some(b'[') => self.array(),
            Some(first) => self.lexer.scalar(first),
            None => Err(self.lexer.error(Fault::End)),
        }
    }

    /// Reads a string: the text of the payload where it has no escapes, else a copy in the arena.
    #[inline(always)]
    pub(crate) fn string(&mut self) -> Result<&'b str, JsonError> {
        match self.lexer.string()? {
            Text::Plain(text) => Ok(text),
            Text::Escaped(start) => self.unescaped(start),
        }
    }

    #[cold]
    fn unescaped(&mut self, start: usize) -> Result<&'b str, JsonError> {
        self.scratch.text.clear();
        self.lexer.unescape(start, &mut self.scratch.text)?;
        Ok(self.arena.str(&self.scratch.text))
    }

    /// Reads a field's name and the colon behind it.
    #[inline]
    pub(crate) fn name(&mut self) -> Result<&'b str, JsonError> {
        self.lexer.name_follows()?;
        let name = self.string()?;
        self.lexer.expect(b':', Fault::Colon)?;
        Ok(name)
    }

    fn object(&mut self) -> Result<Value<'b>, JsonError> {
        self.fields(|parser, _| parser.value())
    }

    fn array(&mut self) -> Result<Value<'b>, JsonError> {
        self.items(Self::value)
    }

    /// Reads an object; `read` reads the value of a field, given its name.
    #[inline]
    pub(crate) fn fields(
        &mut self,
        mut read: impl FnMut(&mut Self, &'b str) -> Result<Value<'b>, JsonError>,
    ) -> Result<Value<'b>, JsonError> {
        self.lexer.open()?;
        if self.lexer.take(b'}') {
            self.lexer.close();
            return Ok(Value::object(&[]));
        }
        let open = self.open_object();
        let mut names = Names::default();
        loop {
            let name = self.name()?;
            let value = read(self, name)?;
            if names.may_repeat(name) {
                self.put(open, name, value);
            } else {
                self.scratch.fields.push(Field::new(name, value));
            }
            if !self.lexer.another(b'}', Fault::ObjectEnd)? {
                return Ok(self.finish_object(open, true));
            }
        }
    }

    /// Begins an object, whose bracket is consumed.
    #[inline]
    pub(crate) fn open_object(&self) -> Open {
        Open { base: self.scratch.fields.len(), findings: self.scratch.findings.mark() }
    }

    /// The fields of the object that is open, as far as they are read.
    #[inline]
    pub(crate) fn open_fields(&self, open: Open) -> &[Field<'b>] {
        &self.scratch.fields[open.base..]
    }

    /// Adds a field whose name may have come before: then its value takes the place of the earlier one. When there are
    /// many fields, [`Parser::finish_object`] sees to that.
    #[inline(never)]
    pub(crate) fn put(&mut self, open: Open, name: &'b str, value: Value<'b>) {
        let field = Field::new(name, value);
        let fields = &mut self.scratch.fields[open.base..];
        let known =
            if fields.len() < FEW { fields.iter_mut().find(|known| known.name() == name) } else { None };
        match known {
            Some(known) => {
                *known = field;
                self.scratch.findings.add(FindingKind::Doubled, name);
            }
            None => self.scratch.fields.push(field),
        }
    }

    /// The object of its open fields. `names_may_repeat` unless a schema has shown that they do not.
    #[inline]
    pub(crate) fn finish_object(&mut self, open: Open, names_may_repeat: bool) -> Value<'b> {
        if names_may_repeat && self.scratch.fields.len() - open.base > FEW {
            self.merge_names(open);
        }
        let object = self.arena.object(&self.scratch.fields[open.base..]);
        self.scratch.fields.truncate(open.base);
        if self.scratch.findings.mark() > open.findings {
            self.scratch.findings.belong_to(object, open.findings);
        }
        object
    }

    #[inline(never)]
    fn merge_names(&mut self, open: Open) {
        let Scratch { fields, slots, findings, .. } = &mut *self.scratch;
        names::merge(fields, open.base, slots, |name| findings.add(FindingKind::Doubled, name));
    }

    /// Reads an array; `read` reads one item.
    #[inline]
    pub(crate) fn items(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Result<Value<'b>, JsonError>,
    ) -> Result<Value<'b>, JsonError> {
        self.lexer.open()?;
        if self.lexer.take(b']') {
            self.lexer.close();
            return Ok(Value::list(&[]));
        }
        let base = self.scratch.values.len();
        loop {
            let item = read(self)?;
            self.scratch.values.push(item);
            if !self.lexer.another(b']', Fault::ArrayEnd)? {
                break;
            }
        }
        let list = self.arena.list(&self.scratch.values[base..]);
        self.scratch.values.truncate(base);
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(items: usize) -> Scratch<'static> {
        Scratch {
            values: vec![Value::NULL; items],
            fields: vec![Field::new("", Value::NULL); items],
            text: "x".repeat(items),
            bytes: vec![0; items],
            slots: vec![0; items],
            ..Scratch::default()
        }
    }

    fn kept(scratch: &Scratch<'_>) -> [usize; 5] {
        [
            scratch.values.capacity() * size_of::<Value<'_>>(),
            scratch.fields.capacity() * size_of::<Field<'_>>(),
            scratch.text.capacity(),
            scratch.bytes.capacity(),
            scratch.slots.capacity() * size_of::<u32>(),
        ]
    }

    #[test]
    fn what_ordinary_records_need_stays_and_what_a_huge_one_needed_goes() {
        let ordinary = scratch(100);
        let before = kept(&ordinary);
        assert_eq!(kept(&ordinary.recycle()), before);
        let huge = scratch(1 << 20).recycle();
        assert!(kept(&huge).iter().all(|bytes| *bytes <= MAX_RETAINED_BYTES), "{:?}", kept(&huge));
        assert!(huge.values.is_empty() && huge.text.is_empty());
    }
}
