use tidegate_plugin::prelude::*;

struct Pass;

impl Transform for Pass {
    type Config = ();

    fn open(_: (), _: &Context) -> Result<Self> {
        Ok(Self)
    }

    fn apply(&mut self, record: Record<'_>, out: &mut Emit<'_, '_>) -> Result<()> {
        out.emit(record)
    }
}

fn main() {}
