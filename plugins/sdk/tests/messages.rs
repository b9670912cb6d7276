//! What the compiler tells a plugin author who gets the form wrong. After a change of a message, or with another compiler,
//! `TRYBUILD=overwrite cargo test --workspace --test messages` writes the texts anew: read them before you commit them.

#[test]
fn errors_name_the_accepted_form() {
    trybuild::TestCases::new().compile_fail("tests/messages/*.rs");
}
