//! Reads Protobuf's wire format.

use crate::formats::binary::{DataError, Fault, Part, Source};

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

impl<'b> Source<'b> {
    /// Bytes behind their length, which is a varint.
    #[inline]
    pub(super) fn varint_bytes(&mut self) -> Result<&'b [u8], Box<DataError>> {
        let length = self.varint()?;
        match usize::try_from(length) {
            Ok(length) => self.take(length),
            Err(_) => Err(self.error(Fault::End { needed: length, left: self.left() })),
        }
    }

    /// The message, packed list or text behind its length, as a source of its own.
    #[inline]
    pub(super) fn nested(&mut self) -> Result<Self, Box<DataError>> {
        let bytes = self.varint_bytes()?;
        let at = self.part().at - bytes.len();
        Ok(Part { bytes, at }.into())
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
            WireType::Bytes => self.varint_bytes().map(|_| ()),
            WireType::GroupStart => self.group(tag.number, max_depth).map(|_| ()),
            WireType::GroupEnd => Err(self.error(Fault::GroupEnd)),
        }
    }

    /// The fields of a group that has begun, as a source of its own.
    pub(super) fn group(&mut self, number: u32, max_depth: u32) -> Result<Self, Box<DataError>> {
        let begin = self.part();
        let mut open = vec![number];
        loop {
            let end = self.part().at;
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
                    let bytes = begin.bytes.get(..end - begin.at).unwrap_or_default();
                    return Ok(Part { bytes, ..begin }.into());
                }
                WireType::GroupEnd => {}
                _ => self.skip(tag, max_depth)?,
            }
        }
    }
}
