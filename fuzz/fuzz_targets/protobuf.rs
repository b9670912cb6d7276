//! Values in Protobuf.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use tidegate_fuzz::registered::{Registered, protobuf};

thread_local! {
    static TARGET: RefCell<Registered> = RefCell::new(protobuf());
}

fuzz_target!(init: TARGET.with(|_| ()), |input: &[u8]| TARGET.with_borrow_mut(|target| target.run(input)));
