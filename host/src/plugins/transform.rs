//! Opened transforms: the safe way to call one.
#![expect(unsafe_code, reason = "calls through the vtable of a plugin")]

use tidegate_abi::{
    Record,
    host::{Batch, Recognise},
    raw::TransformObject,
};

use super::{
    context::CallContext,
    error::{CallError, ErrorClass},
    open::{OpenError, OpenParams, wrong_kind},
    registry::Plugin,
};

/// An opened transform.
pub struct TransformInstance {
    name: String,
    object: TransformObject,
    context: &'static CallContext,
    gone: bool,
}

impl TransformInstance {
    /// Opens `plugin` as a transform.
    ///
    /// # Errors
    /// When its library cannot be loaded, or it returns an error.
    pub fn open(plugin: &Plugin, params: &OpenParams<'_>) -> Result<Self, OpenError> {
        let entry = plugin.entry()?;
        let Some(open) = entry.open_transform().into_option() else {
            return Err(wrong_kind(plugin, "transform").into());
        };
        let context = params.context();
        let object = params.open(context, open.call)?;
        Ok(Self { name: params.instance.to_owned(), object, context, gone: false })
    }

    /// A transform without a library, for the model test.
    #[cfg(test)]
    pub(crate) fn of(object: TransformObject) -> Self {
        let context = CallContext::of("model", 0, "transform");
        Self { name: "model".to_owned(), object, context, gone: false }
    }

    /// Name under which the connector uses it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The context of the calls, to request the end of one.
    #[must_use]
    pub fn context(&self) -> &'static CallContext {
        self.context
    }

    /// Whether it panicked and must be opened again.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone
    }

    /// Runs it over the records of `batch` for which `selects` is true.
    ///
    /// # Errors
    /// What the plugin returned; the batch is then as it was before.
    pub fn apply(
        &mut self,
        batch: &mut Batch,
        memory_limit: usize,
        selects: Option<&mut dyn FnMut(Record<'_>) -> bool>,
        recogniser: &mut impl Recognise,
    ) -> Result<(), CallError> {
        let apply = self.object.vtable.apply();
        let (instance, name) = (self.object.instance, self.name.as_str());
        let applied = batch.transform(
            memory_limit,
            selects,
            recogniser,
            |view, outputs| {
                // SAFETY: the instance belongs to this vtable, and `&mut self` makes this its only call.
                let applied = unsafe { apply(instance, view, outputs) };
                applied.into_result().map_err(|error| CallError::new(name, &error))
            },
            |broken| CallError::contract_violation(name, broken),
        );
        applied.map_err(|mut error| {
            self.gone |= error.class == ErrorClass::Panic;
            if batch.hit_memory_limit() {
                error.class = ErrorClass::OutOfMemoryBudget;
            }
            error
        })
    }

    /// Closes the transform.
    ///
    /// # Errors
    /// What the plugin returned.
    pub fn close(&mut self) -> Result<(), CallError> {
        // SAFETY: as in `apply`.
        unsafe { (self.object.vtable.close())(self.object.instance) }
            .into_result()
            .map_err(|error| CallError::new(&self.name, &error))
    }
}

impl Drop for TransformInstance {
    fn drop(&mut self) {
        // SAFETY: the last call on the instance.
        unsafe { (self.object.vtable.drop())(self.object.instance) };
    }
}
