//! Building trees in a batch's arena from JSON text.

use tidegate_abi::{Arena, Field, Value};

use super::{
    error::{Fault, JsonError},
    lexer::{Lexer, Text},
    room::Room,
};

/// Bytes of each kind of scratch memory that stay; what one huge record needed beyond goes with it.
const LARGEST_KEPT: usize = 256 << 10;

/// Memory that a decoder keeps from record to record: items of collections that are still open, and text with escapes.
#[derive(Default)]
pub(crate) struct Scratch<'b> {
    pub(crate) values: Vec<Value<'b>>,
    pub(crate) fields: Vec<Field<'b>>,
    pub(crate) text: String,
    pub(crate) bytes: Vec<u8>,
    /// What the values of this record may still take.
    pub(crate) room: Room,
}

impl Scratch<'_> {
    /// The same memory for the next record.
    ///
    /// Collecting an emptied vector into one of the same layout keeps its allocation; the only thing that changes is
    /// the lifetime of items that are not there. A test counts allocations to see that it stays so.
    pub(crate) fn recycle(mut self) -> Scratch<'static> {
        self.values.clear();
        self.fields.clear();
        self.text.clear();
        self.bytes.clear();
        self.values.shrink_to(LARGEST_KEPT / size_of::<Value<'_>>());
        self.fields.shrink_to(LARGEST_KEPT / size_of::<Field<'_>>());
        self.text.shrink_to(LARGEST_KEPT);
        self.bytes.shrink_to(LARGEST_KEPT);
        Scratch {
            values: self.values.into_iter().map(|_| Value::NULL).collect(),
            fields: self.fields.into_iter().map(|_| Field::new("", Value::NULL)).collect(),
            text: self.text,
            bytes: self.bytes,
            room: Room::default(),
        }
    }
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
        self.fields(|parser, _, _| parser.value())
    }

    fn array(&mut self) -> Result<Value<'b>, JsonError> {
        self.items(Self::value)
    }

    /// Reads an object; `read` reads the value of a field, given its place and name.
    #[inline]
    pub(crate) fn fields(
        &mut self,
        mut read: impl FnMut(&mut Self, usize, &'b str) -> Result<Value<'b>, JsonError>,
    ) -> Result<Value<'b>, JsonError> {
        self.lexer.open()?;
        if self.lexer.take(b'}') {
            self.lexer.close();
            return Ok(Value::object(&[]));
        }
        let base = self.scratch.fields.len();
        loop {
            let name = self.name()?;
            let index = self.scratch.fields.len() - base;
            let value = read(self, index, name)?;
            self.scratch.fields.push(Field::new(name, value));
            if !self.lexer.another(b'}', Fault::ObjectEnd)? {
                return Ok(self.finish_object(base));
            }
        }
    }

    /// The object of the open fields from `base` on.
    #[inline]
    pub(crate) fn finish_object(&mut self, base: usize) -> Value<'b> {
        let object = self.arena.object(&self.scratch.fields[base..]);
        self.scratch.fields.truncate(base);
        object
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
            room: Room::default(),
        }
    }

    fn kept(scratch: &Scratch<'_>) -> [usize; 4] {
        [
            scratch.values.capacity() * size_of::<Value<'_>>(),
            scratch.fields.capacity() * size_of::<Field<'_>>(),
            scratch.text.capacity(),
            scratch.bytes.capacity(),
        ]
    }

    #[test]
    fn what_ordinary_records_need_stays_and_what_a_huge_one_needed_goes() {
        let ordinary = scratch(100);
        let before = kept(&ordinary);
        assert_eq!(kept(&ordinary.recycle()), before);
        let huge = scratch(1 << 20).recycle();
        assert!(kept(&huge).iter().all(|bytes| *bytes <= LARGEST_KEPT), "{:?}", kept(&huge));
        assert!(huge.values.is_empty() && huge.text.is_empty());
    }
}
