//! Values in Avro.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use tidegate_fuzz::registered::{Registered, avro};

thread_local! {
    static TARGET: RefCell<Registered> = RefCell::new(avro());
}

fuzz_target!(init: TARGET.with(|_| ()), |input: &[u8]| TARGET.with_borrow_mut(|target| target.run(input)));
