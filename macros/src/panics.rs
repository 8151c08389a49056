//! Which panics a test wants.

use proc_macro2::TokenStream;
use quote::quote;
use syn::punctuated::Punctuated;
use syn::{Attribute, Expr, Meta, MetaNameValue, Token, parse_quote};

/// Tells the attributes of each of rstest's cases, which stand before it, from those of all, which stand
/// after the last.
pub(crate) fn cases(attributes: &[Attribute]) -> (Vec<&[Attribute]>, &[Attribute]) {
    let is_case = |attribute: &Attribute| {
        let first = attribute.path().segments.first();
        first.is_some_and(|segment| segment.ident == "case")
    };
    let mut cases: Vec<&[Attribute]> = attributes.split(is_case).collect();
    let all = cases.pop().unwrap_or_default();
    (cases, all)
}

/// Returns the text that the test's panic has to hold, if a panic is what it wants, as an expression: what
/// is wanted under a condition is for the compiler to decide.
pub(crate) fn should_panic(attributes: &[Attribute]) -> TokenStream {
    let conditional = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg_attr"))
        .filter_map(|attribute| {
            let parts = attribute.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated);
            let parts = parts.ok()?;
            let condition = parts.first()?;
            let text = parts.iter().skip(1).find_map(wanted_panic)?;
            Some(quote!(if ::core::cfg!(#condition) { ::core::option::Option::Some(#text) } else))
        });
    match attributes
        .iter()
        .find_map(|attribute| wanted_panic(&attribute.meta))
    {
        Some(text) => quote!(::core::option::Option::Some(#text)),
        None => quote!(#(#conditional)* { ::core::option::Option::None }),
    }
}

/// Reads `should_panic`, `should_panic = "text"` and `should_panic(expected = "text")`.
fn wanted_panic(meta: &Meta) -> Option<Expr> {
    if !meta.path().is_ident("should_panic") {
        return None;
    }
    let written = match meta {
        Meta::Path(_) => None,
        Meta::NameValue(MetaNameValue { value, .. }) => Some(value.clone()),
        Meta::List(list) => list
            .parse_args::<MetaNameValue>()
            .ok()
            .map(|expected| expected.value),
    };
    Some(written.unwrap_or_else(|| parse_quote!("")))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use syn::ItemFn;

    use super::*;

    #[rstest]
    #[case("fn f() {}", "{ None }")]
    #[case("#[should_panic] fn f() {}", "Some (\"\")")]
    #[case("#[should_panic = \"x\"] fn f() {}", "Some (\"x\")")]
    #[case("#[test] #[should_panic(expected = \"x\")] fn f() {}", "Some (\"x\")")]
    #[case(
        "#[cfg_attr(unix, should_panic)] fn f() {}",
        "if :: core :: cfg ! (unix) { Some (\"\") } else { None }"
    )]
    #[case(
        "#[cfg_attr(all(a, b), ignore, should_panic(expected = \"x\"))] fn f() {}",
        "if :: core :: cfg ! (all (a , b)) { Some (\"x\") } else { None }"
    )]
    #[case("#[cfg_attr(should_panic, ignore)] #[test] fn f() {}", "{ None }")]
    fn a_panic_may_be_wanted_under_a_condition(#[case] item: &str, #[case] expected: &str) {
        let function: ItemFn = syn::parse_str(item).unwrap();
        let wanted = should_panic(&function.attrs).to_string();
        assert_eq!(wanted.replace(":: core :: option :: Option :: ", ""), expected);
    }

    #[test]
    fn what_stands_before_a_case_is_its_own() {
        let item =
            "#[rstest] #[should_panic] #[case::a(1)] #[case(2)] #[should_panic] #[case(3)] #[test] fn f() {}";
        let function: ItemFn = syn::parse_str(item).unwrap();
        let (cases, all) = cases(&function.attrs);
        let lengths: Vec<usize> = cases.iter().map(|case| case.len()).collect();
        assert_eq!((lengths, all.len()), (vec![2, 0, 1], 1));
    }
}
