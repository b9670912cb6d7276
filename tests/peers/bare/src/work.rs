//! What is done with a value.

use std::io::{self, Error, ErrorKind, Write};

use sonic_rs::{JsonValueMutTrait, JsonValueTrait, Value};

/// What is done with each value.
#[derive(Clone, Copy)]
pub(crate) enum Work {
    /// Nothing.
    Count,
    /// Its bytes are a line.
    Copy,
    /// It is parsed, and written as a line.
    Rewrite,
    /// Its field `after` without `customer_id` is a line.
    Unwrap,
}

impl Work {
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        match name {
            "count" => Ok(Self::Count),
            "copy" => Ok(Self::Copy),
            "rewrite" => Ok(Self::Rewrite),
            "unwrap" => Ok(Self::Unwrap),
            _ => Err(format!("no work {name}; there are count, copy, rewrite and unwrap")),
        }
    }

    /// Writes the line for a value.
    pub(crate) fn run(self, value: &[u8], out: &mut impl Write) -> io::Result<()> {
        let parse = || {
            sonic_rs::from_slice::<Value>(value).map_err(|error| Error::new(ErrorKind::InvalidData, error))
        };
        match self {
            Self::Count => return Ok(()),
            Self::Copy => out.write_all(value)?,
            Self::Rewrite => write(&parse()?, out)?,
            Self::Unwrap => {
                let mut event = parse()?;
                match event.get_mut("after") {
                    Some(row) if row.is_object() => {
                        if let Some(row) = row.as_object_mut() {
                            row.remove(&"customer_id");
                        }
                        write(row, out)?;
                    }
                    _ => out.write_all(b"null")?,
                }
            }
        }
        out.write_all(b"\n")
    }
}

fn write(value: &Value, out: &mut impl Write) -> io::Result<()> {
    let text = sonic_rs::to_vec(value).map_err(|error| Error::new(ErrorKind::InvalidData, error))?;
    out.write_all(&text)
}
