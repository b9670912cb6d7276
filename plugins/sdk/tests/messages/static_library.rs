use tidegate_plugin::prelude::*;

struct Pass;

impl Transform for Pass {
    type Config = ();

    fn open(_: (), _: &Context) -> Result<Self> {
        Ok(Self)
    }

    fn apply<'b>(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
        out.emit(record)
    }
}

// The manifest that trybuild writes has no `crate-type`.
export_plugin!(transform: Pass);

fn main() {}
