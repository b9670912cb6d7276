//! Reads Protobuf's wire format.

use crate::formats::{
    binary::{DataError, Fault},
    json::Part,
};

/// Numbers of fields have 29 bits.
const MAX_FIELD_NUMBER: u64 = (1 << 29) - 1;

/// How a field is encoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum WireType {
    Varint,
    Fixed64,
    Bytes,
    GroupStart,
    GroupEnd,
    Fixed32,
}

impl WireType {
    fn of(number: u64) -> Option<Self> {
        Some(match number {
            0 => Self::Varint,
            1 => Self::Fixed64,
            2 => Self::Bytes,
            3 => Self::GroupStart,
            4 => Self::GroupEnd,
            5 => Self::Fixed32,
            _ => return None,
        })
    }

    /// Its number on the wire.
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Varint => 0,
            Self::Fixed64 => 1,
            Self::Bytes => 2,
            Self::GroupStart => 3,
            Self::GroupEnd => 4,
            Self::Fixed32 => 5,
        }
    }
}

/// Number and encoding of a field.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Tag {
    pub(super) number: u32,
    pub(super) wire_type: WireType,
}

/// The bytes of a message, and how far they are read.
#[derive(Clone, Copy)]
pub(super) struct Source<'b> {
    bytes: &'b [u8],
    at: usize,
    /// Where the bytes begin in the data as a whole, for errors.
    base: usize,
}

impl<'b> Source<'b> {
    pub(super) const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0, base: 0 }
    }

    /// A part of the data, for reading it later.
    pub(super) fn part(&self) -> Part<'b> {
        Part { bytes: self.rest(), at: self.base + self.at }
    }

    pub(super) const fn of_part(part: Part<'b>) -> Self {
        Self { bytes: part.bytes, at: 0, base: part.at }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// What was not read yet.
    pub(super) fn rest(&self) -> &'b [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    #[cold]
    pub(super) fn error(&self, fault: Fault) -> Box<DataError> {
        DataError::new(fault, self.base + self.at)
    }

    /// The next `len` bytes.
    #[inline]
    pub(super) fn take(&mut self, len: usize) -> Result<&'b [u8], Box<DataError>> {
        let taken = self.at.checked_add(len).and_then(|end| self.bytes.get(self.at..end));
        let Some(taken) = taken else {
            return Err(self.error(Fault::End { needed: len as u64, left: self.left() }));
        };
        self.at += len;
        Ok(taken)
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Box<DataError>> {
        let Some(array) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) else {
            return Err(self.error(Fault::End { needed: N as u64, left: self.left() }));
        };
        self.at += N;
        Ok(*array)
    }

    #[inline]
    pub(super) fn varint(&mut self) -> Result<u64, Box<DataError>> {
        match self.bytes.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.longer_varint(),
        }
    }

    fn longer_varint(&mut self) -> Result<u64, Box<DataError>> {
        let mut number = 0u64;
        for (index, byte) in self.rest().iter().take(10).enumerate() {
            // The tenth byte has room for the highest of 64 bits.
            if index == 9 && *byte > 1 {
                return Err(self.error(Fault::Varint));
            }
            number |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.at += index + 1;
                return Ok(number);
            }
        }
        Err(self.error(Fault::End { needed: self.left() as u64 + 1, left: self.left() }))
    }

    /// Bytes behind their length.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'b [u8], Box<DataError>> {
        let length = self.varint()?;
        match usize::try_from(length) {
            Ok(length) => self.take(length),
            Err(_) => Err(self.error(Fault::End { needed: length, left: self.left() })),
        }
    }

    /// The message, packed list or text behind its length, as a source of its own.
    #[inline]
    pub(super) fn nested(&mut self) -> Result<Self, Box<DataError>> {
        let bytes = self.bytes()?;
        Ok(Self { bytes, at: 0, base: self.base + self.at - bytes.len() })
    }

    /// The number and encoding of the next field.
    #[inline]
    pub(super) fn tag(&mut self) -> Result<Tag, Box<DataError>> {
        let begin = *self;
        let tag = self.varint()?;
        let number = tag >> 3;
        if number == 0 || number > MAX_FIELD_NUMBER {
            return Err(begin.error(Fault::FieldNumber(number)));
        }
        let kind = tag & 7;
        let Some(wire_type) = WireType::of(kind) else {
            // Three bits.
            return Err(begin.error(Fault::WireType(kind as u8)));
        };
        Ok(Tag { number: number as u32, wire_type })
    }

    /// Skips the value of a field. `max_depth` bounds groups within each other.
    pub(super) fn skip(&mut self, tag: Tag, max_depth: u32) -> Result<(), Box<DataError>> {
        match tag.wire_type {
            WireType::Varint => self.varint().map(|_| ()),
            WireType::Fixed64 => self.take(8).map(|_| ()),
            WireType::Fixed32 => self.take(4).map(|_| ()),
            WireType::Bytes => self.bytes().map(|_| ()),
            WireType::GroupStart => self.group(tag.number, max_depth).map(|_| ()),
            WireType::GroupEnd => Err(self.error(Fault::GroupEnd)),
        }
    }

    /// The fields of a group that has begun, as a source of its own.
    pub(super) fn group(&mut self, number: u32, max_depth: u32) -> Result<Self, Box<DataError>> {
        let begin = self.at;
        let mut open = vec![number];
        loop {
            let end = self.at;
            let tag = self.tag()?;
            match tag.wire_type {
                WireType::GroupStart if open.len() >= max_depth as usize => {
                    return Err(self.error(Fault::Depth(max_depth)));
                }
                WireType::GroupStart => open.push(tag.number),
                WireType::GroupEnd if open.pop() != Some(tag.number) => {
                    return Err(self.error(Fault::GroupEnd));
                }
                WireType::GroupEnd if open.is_empty() => {
                    let bytes = self.bytes.get(begin..end).unwrap_or_default();
                    return Ok(Self { bytes, at: 0, base: self.base + begin });
                }
                WireType::GroupEnd => {}
                _ => self.skip(tag, max_depth)?,
            }
        }
    }
}

#[inline]
pub(super) const fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}
