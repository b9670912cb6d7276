//! JSON, and the change events in it.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use tidegate_fuzz::json::Json;

thread_local! {
    static TARGET: RefCell<Json> = RefCell::new(Json::new());
}

fuzz_target!(init: TARGET.with(|_| ()), |input: &[u8]| TARGET.with_borrow_mut(|target| target.run(input)));
