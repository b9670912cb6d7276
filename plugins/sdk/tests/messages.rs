//! The compiler's errors for plugins that do not have the accepted form. After a change of a message, or with another compiler,
//! run `TRYBUILD=overwrite cargo test --workspace --test messages` to overwrite the expected texts, and read them before you
//! commit them.

#[test]
fn errors_name_the_accepted_form() {
    trybuild::TestCases::new().compile_fail("tests/messages/*.rs");
}
