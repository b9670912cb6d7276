//! The schema's id in a message.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use tidegate_fuzz::wire::Wire;

thread_local! {
    static TARGET: RefCell<Wire> = RefCell::new(Wire::new());
}

fuzz_target!(init: TARGET.with(|_| ()), |input: &[u8]| TARGET.with_borrow_mut(|target| target.run(input)));
