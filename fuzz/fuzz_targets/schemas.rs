//! Schemas.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use tidegate_fuzz::schemas::Schemas;

thread_local! {
    static TARGET: RefCell<Schemas> = RefCell::new(Schemas::new());
}

fuzz_target!(init: TARGET.with(|_| ()), |input: &[u8]| TARGET.with_borrow_mut(|target| target.run(input)));
