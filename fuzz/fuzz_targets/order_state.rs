//! What was stored of the order of events.
#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use tidegate_fuzz::order_state::OrderState;

thread_local! {
    static TARGET: RefCell<OrderState> = RefCell::new(OrderState::new());
}

fuzz_target!(init: TARGET.with(|_| ()), |input: &[u8]| TARGET.with_borrow_mut(|target| target.run(input)));
