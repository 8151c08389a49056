//! Misuse of the attribute, and what the compiler says of it.

#[test]
fn misuse_is_an_error_at_its_place_and_what_is_promised_compiles() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("tests/ui/*.rs");
    cases.pass("tests/ui/pass/*.rs");
}
