//! Reads Avro's primitive encodings.

use crate::formats::binary::{DataError, Fault};

/// The data of one value, and how far it is read.
#[derive(Clone, Copy)]
pub(super) struct Source<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Source<'b> {
    pub(super) const fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(super) fn left(&self) -> usize {
        self.bytes.len() - self.at
    }

    #[cold]
    pub(super) fn error(&self, fault: Fault) -> Box<DataError> {
        DataError::new(fault, self.at)
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

    /// A number in variable-length zig-zag coding.
    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, Box<DataError>> {
        match self.bytes.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(zigzag(u64::from(*byte)))
            }
            _ => self.longer(),
        }
    }

    fn longer(&mut self) -> Result<i64, Box<DataError>> {
        let mut number = 0u64;
        for (index, byte) in self.bytes[self.at..].iter().take(10).enumerate() {
            // The tenth byte has room for the highest of 64 bits.
            if index == 9 && *byte > 1 {
                return Err(self.error(Fault::Varint));
            }
            number |= u64::from(byte & 0x7f) << (7 * index);
            if *byte < 0x80 {
                self.at += index + 1;
                return Ok(zigzag(number));
            }
        }
        Err(self.error(Fault::End { needed: self.left() as u64 + 1, left: self.left() }))
    }

    #[inline]
    pub(super) fn int(&mut self) -> Result<i64, Box<DataError>> {
        let number = self.long()?;
        if i32::try_from(number).is_err() {
            return Err(self.error(Fault::Int));
        }
        Ok(number)
    }

    /// Bytes behind their length.
    #[inline]
    pub(super) fn bytes(&mut self) -> Result<&'b [u8], Box<DataError>> {
        let length = self.long()?;
        match usize::try_from(length) {
            Ok(length) => self.take(length),
            Err(_) => Err(self.error(Fault::Negative(length))),
        }
    }

    pub(super) fn boolean(&mut self) -> Result<bool, Box<DataError>> {
        let [byte] = self.array()?;
        match byte {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.error(Fault::Boolean(other))),
        }
    }

    /// The items of the next block of an array or map, and the bytes of the block, if it states them. 0: the end.
    #[inline]
    pub(super) fn block(&mut self) -> Result<(u64, Option<usize>), Box<DataError>> {
        let count = self.long()?;
        if count >= 0 {
            return Ok((count.unsigned_abs(), None));
        }
        let length = self.long()?;
        let Ok(bytes) = usize::try_from(length) else { return Err(self.error(Fault::Negative(length))) };
        if bytes > self.left() {
            return Err(self.error(Fault::End { needed: bytes as u64, left: self.left() }));
        }
        Ok((count.unsigned_abs(), Some(bytes)))
    }

    /// # Errors
    /// When anything is left.
    pub(super) fn end(&self) -> Result<(), Box<DataError>> {
        if self.left() == 0 { Ok(()) } else { Err(self.error(Fault::Trailing(self.left()))) }
    }
}

#[inline]
const fn zigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}
