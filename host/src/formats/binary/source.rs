//! Reads data of a binary format from its start to its end: what the encodings of all formats have in common.

use super::{DataError, Fault};

/// Data, and how far it is read.
#[derive(Clone, Copy)]
pub(crate) struct Source<'b> {
    bytes: &'b [u8],
    at: usize,
    /// Where the bytes begin in the data as a whole, for errors.
    base: usize,
}

/// A part of the data, for reading it later.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part<'b> {
    pub(crate) bytes: &'b [u8],
    /// Where it begins in the data as a whole.
    pub(crate) at: usize,
}

impl<'b> From<Part<'b>> for Source<'b> {
    fn from(part: Part<'b>) -> Self {
        Self { bytes: part.bytes, at: 0, base: part.at }
    }
}

impl<'b> Source<'b> {
    pub(crate) const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0, base: 0 }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// Number of bytes that were not read yet.
    pub(crate) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// What was not read yet.
    pub(crate) fn rest(&self) -> &'b [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// What was not read yet, with its place.
    pub(crate) fn part(&self) -> Part<'b> {
        Part { bytes: self.rest(), at: self.base + self.at }
    }

    #[cold]
    pub(crate) fn error(&self, fault: Fault) -> Box<DataError> {
        DataError::new(fault, self.base + self.at)
    }

    /// The next `len` bytes.
    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'b [u8], Box<DataError>> {
        let taken = self.at.checked_add(len).and_then(|end| self.bytes.get(self.at..end));
        let Some(taken) = taken else {
            return Err(self.error(Fault::End { needed: len as u64, left: self.left() }));
        };
        self.at += len;
        Ok(taken)
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Box<DataError>> {
        let Some(array) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) else {
            return Err(self.error(Fault::End { needed: N as u64, left: self.left() }));
        };
        self.at += N;
        Ok(*array)
    }

    /// A number in variable-length coding.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, Box<DataError>> {
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
}

/// A number with a sign, from zig-zag coding.
#[inline]
pub(crate) const fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}
