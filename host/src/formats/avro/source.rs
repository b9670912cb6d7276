//! Reads Avro's primitive encodings.

use crate::formats::binary::{DataError, Fault, Source, zigzag};

impl<'b> Source<'b> {
    /// A number in variable-length zig-zag coding.
    #[inline]
    pub(super) fn long(&mut self) -> Result<i64, Box<DataError>> {
        self.varint().map(zigzag)
    }

    #[inline]
    pub(super) fn int(&mut self) -> Result<i64, Box<DataError>> {
        let number = self.long()?;
        if i32::try_from(number).is_err() {
            return Err(self.error(Fault::Int));
        }
        Ok(number)
    }

    /// Bytes behind their length, which is a long.
    #[inline]
    pub(super) fn long_bytes(&mut self) -> Result<&'b [u8], Box<DataError>> {
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
