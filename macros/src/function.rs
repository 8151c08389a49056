//! Which functions can be tests with volumes.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, Error, Expr, Item, ItemFn, Result, ReturnType, Stmt, Type};

use crate::errors::{all, refuse};

/// Reads the annotated function, or says why it cannot be a test with volumes.
pub(crate) fn test_function(item: TokenStream) -> Result<ItemFn> {
    let Item::Fn(function) = syn::parse2(item)? else {
        let message = "`#[kdev_volumes]` stands on a test function, not on this";
        return Err(Error::new(Span::call_site(), message));
    };
    let signature = &function.sig;
    let twice = function.attrs.iter().map(Attribute::path).find(|path| {
        path.segments
            .last()
            .is_some_and(|segment| segment.ident == "kdev_volumes")
    });
    let opaque_within = (!returns_opaque(&function)).then(|| find_impl(signature.output.to_token_stream()));
    all([
        none_of(
            twice,
            "`#[kdev_volumes]` stands twice on this test (name all its volumes in one)",
        ),
        none_of(
            made_by_other_macro(&function),
            "another macro has made this test, and perhaps others without volumes (put `#[kdev_volumes]` \
             first, above it)",
        ),
        none_of(signature.constness, "a test with volumes cannot be a `const fn`"),
        none_of(&signature.abi, "a test with volumes cannot be an `extern fn`"),
        none_of(&signature.variadic, "a test has no variadic arguments"),
        none_of(
            opaque_within.flatten(),
            "the return type of a test with volumes is written out (`Result<(), E>`), or `impl Termination` as a whole",
        ),
    ])?;
    Ok(function)
}

/// Finds the name of a function that a macro such as rstest has made for one case of a test: it is not
/// in the source, and all that the function does is to call another. Below the first of rstest's
/// `#[case]`s, only some of the cases would have volumes, and this one cannot tell.
fn made_by_other_macro(function: &ItemFn) -> Option<&Ident> {
    let name = &function.sig.ident;
    let is_word = |expr: &Expr| matches!(expr, Expr::Path(path) if path.path.get_ident().is_some());
    let (last, before) = function.block.stmts.split_last()?;
    let calls = match last {
        Stmt::Expr(Expr::Call(call), _) => is_word(&call.func) && call.args.iter().all(is_word),
        _ => false,
    };
    let only_calls = calls && before.iter().all(|statement| matches!(statement, Stmt::Local(_)));
    let written = name.span().source_text()?;
    (only_calls && *name != written.trim_start_matches("r#")).then_some(name)
}

/// Whether the test returns `impl Trait`, and nothing around it.
pub(crate) fn returns_opaque(function: &ItemFn) -> bool {
    matches!(&function.sig.output, ReturnType::Type(_, ty) if matches!(**ty, Type::ImplTrait(_)))
}

/// Whether an attribute is rustc's own, and takes no arguments out of a signature.
pub(crate) fn is_inert(attribute: &Attribute) -> bool {
    const INERT: [&str; 16] = [
        "test",
        "should_panic",
        "ignore",
        "doc",
        "cfg",
        "cfg_attr",
        "allow",
        "expect",
        "warn",
        "deny",
        "forbid",
        "must_use",
        "inline",
        "cold",
        "track_caller",
        "deprecated",
    ];
    INERT.iter().any(|name| attribute.path().is_ident(name))
}

fn none_of(tokens: impl ToTokens, message: &str) -> Result<()> {
    if tokens.to_token_stream().is_empty() {
        Ok(())
    } else {
        refuse(tokens, message)
    }
}

fn find_impl(tokens: TokenStream) -> Option<Ident> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(word) if word == "impl" => Some(word),
        TokenTree::Group(group) => find_impl(group.stream()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("const fn f() {}", "cannot be a `const fn`")]
    #[case("extern \"C\" fn f() {}", "cannot be an `extern fn`")]
    #[case(
        "fn f() -> Result<(), Box<(impl Debug,)>> {}",
        "or `impl Termination` as a whole"
    )]
    #[case("#[kdev_volumes(test = 1)] fn f() {}", "stands twice")]
    #[case("#[k::kdev_volumes(test = 1)] fn f() {}", "stands twice")]
    #[case("struct S;", "stands on a test function")]
    #[case("fn f();", "stands on a test function")]
    fn what_cannot_be_a_test_is_refused(#[case] item: &str, #[case] expected: &str) {
        let message = test_function(item.parse().unwrap()).err().unwrap().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
