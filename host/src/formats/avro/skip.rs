//! Skips values that the reader's schema does not have.

use super::program::{Program, RecordId, Step, Type};
use crate::formats::binary::{Bounds, DataError, Fault, Source};

/// Skips a value.
///
/// # Errors
/// When it is not of its type, as far as that can be seen without looking into it.
pub(super) fn skip(
    program: &Program<'_>,
    ty: &Type<'_>,
    source: &mut Source<'_>,
    bounds: &mut Bounds,
) -> Result<(), Box<DataError>> {
    match ty {
        Type::Null | Type::Incompatible(_) => {}
        Type::Boolean => {
            source.boolean()?;
        }
        Type::Int | Type::IntAs(_) | Type::IntAsFloat | Type::Date | Type::Enum(_) => {
            source.int()?;
        }
        Type::Long | Type::LongAs(_) | Type::LongAsFloat | Type::Timestamp { .. } => {
            source.long()?;
        }
        Type::Float => {
            source.take(4)?;
        }
        Type::Double => {
            source.take(8)?;
        }
        Type::Bytes
        | Type::BytesAs(_)
        | Type::Text
        | Type::TextAs(_)
        | Type::UuidText
        | Type::Document
        | Type::BytesAsText
        | Type::TextAsBytes => {
            source.long_bytes()?;
        }
        Type::Fixed(size) | Type::FixedAs(size, _) => {
            source.take(*size)?;
        }
        Type::Uuid => {
            source.take(16)?;
        }
        Type::Duration => {
            source.take(12)?;
        }
        Type::Optional { null_at, some } => match source.long()? {
            index if index == i64::from(*null_at) => {}
            0 | 1 => skip(program, some, source, bounds)?,
            index => return Err(source.error(Fault::Union { index, branches: 2 })),
        },
        Type::Union(branches) => {
            let index = source.long()?;
            let branch = usize::try_from(index).ok().and_then(|index| branches.get(index));
            let Some(branch) = branch else {
                return Err(source.error(Fault::Union { index, branches: branches.len() }));
            };
            skip(program, branch, source, bounds)?;
        }
        Type::Record(id) | Type::VariableScaleDecimal(id) => record(program, *id, source, bounds)?,
        Type::List(item) => {
            blocks(source, bounds, |source, bounds| skip(program, item, source, bounds))?;
        }
        Type::Entries { record: id, .. } => {
            blocks(source, bounds, |source, bounds| record(program, *id, source, bounds))?;
        }
        Type::Map(values) => {
            blocks(source, bounds, |source, bounds| {
                source.long_bytes()?;
                skip(program, values, source, bounds)
            })?;
        }
    }
    Ok(())
}

fn record(
    program: &Program<'_>,
    id: RecordId,
    source: &mut Source<'_>,
    bounds: &mut Bounds,
) -> Result<(), Box<DataError>> {
    bounds.enter().map_err(|fault| source.error(fault))?;
    for step in &program.records[id as usize].steps {
        let (Step::Read { ty, .. } | Step::Skip(ty)) = step;
        skip(program, ty, source, bounds)?;
    }
    bounds.leave();
    Ok(())
}

/// Skips the blocks of an array or a map; a block that states its size is skipped as a whole.
fn blocks(
    source: &mut Source<'_>,
    bounds: &mut Bounds,
    mut item: impl FnMut(&mut Source<'_>, &mut Bounds) -> Result<(), Box<DataError>>,
) -> Result<(), Box<DataError>> {
    bounds.enter().map_err(|fault| source.error(fault))?;
    loop {
        let (count, bytes) = source.block()?;
        if count == 0 {
            bounds.leave();
            return Ok(());
        }
        if let Some(bytes) = bytes {
            source.take(bytes)?;
            continue;
        }
        bounds.take(count).map_err(|fault| source.error(fault))?;
        for _ in 0..count {
            item(source, bounds)?;
        }
    }
}
