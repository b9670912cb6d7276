use tidegate_plugin::prelude::*;

struct Pass;

impl Transform for Pass {
    type Config = ();

    fn open(_: (), _: &Context) -> Result<Self> {
        Ok(Self)
    }

    fn apply(&mut self, record: Record<'b>, out: &mut Emit<'_, 'b>) -> Result<()> {
        out.emit(record)
    }
}

fn main() {}
