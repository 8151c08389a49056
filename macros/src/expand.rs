//! From a test function to one that runs its body with volumes.

use kdev_volumes_spec::{Spec, VolumeSpec};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Error, Expr, Item, ItemFn, Result, ReturnType, Stmt, parse_quote};

use crate::attribute;
use crate::errors::{all, both, refuse};
use crate::inject::{Injection, take_guards};

/// Wraps the body of the annotated function, or says all that is wrong with it.
pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> TokenStream {
    wrap(attribute, item.clone()).unwrap_or_else(|error| {
        let (error, function) = (error.into_compile_error(), no_test(item));
        quote!(#error #function)
    })
}

fn wrap(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let (spec, mut function) = both(attribute::parse(attribute), test_function(item))?;
    let guards = take_guards(&mut function.sig.inputs, &spec)?;
    let body = body(&function, &spec, &guards);
    // In the user's own braces, so that rustc's complaints about the function point at it.
    function.block.stmts = vec![Stmt::Expr(Expr::Verbatim(body), None)];
    Ok(function.into_token_stream())
}

/// Returns what is left of a refused test: the function alone, so that its imports do not look unused
/// and an editor still knows its body.
fn no_test(item: TokenStream) -> Option<ItemFn> {
    let function: ItemFn = syn::parse2(item).ok()?;
    Some(ItemFn {
        attrs: vec![parse_quote!(#[allow(unused)])],
        ..function
    })
}

fn test_function(item: TokenStream) -> Result<ItemFn> {
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
    all([
        none_of(
            twice,
            "`#[kdev_volumes]` stands twice on this test (name all its volumes in one)",
        ),
        none_of(signature.constness, "a test with volumes cannot be a `const fn`"),
        none_of(
            signature.asyncness,
            "async tests are not supported; write a `fn` and block on the future in its body",
        ),
        none_of(&signature.abi, "a test with volumes cannot be an `extern fn`"),
        none_of(&signature.variadic, "a test has no variadic arguments"),
        none_of(
            find_impl(signature.output.to_token_stream()),
            "the return type of a test with volumes is written out (`Result<(), E>`), not `impl Trait`",
        ),
    ])?;
    Ok(function)
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

fn body(function: &ItemFn, spec: &Spec, guards: &[Injection]) -> TokenStream {
    let session = Ident::new("__kdev_session", Span::mixed_site());
    let bindings = guards.iter().map(|guard| guard.binding(&session));
    let mutability = guards
        .iter()
        .any(Injection::takes_from_session)
        .then(|| quote!(mut));
    let returns = match &function.sig.output {
        ReturnType::Default => quote!(-> ()),
        written => written.to_token_stream(),
    };
    let statements = &function.block.stmts;
    let declaration = declaration(function, spec);
    let closure = quote_spanned! {Span::mixed_site()=>
        |#mutability #session: ::kdev_volumes::__private::Session| #returns {
            #(#bindings)*
            { #(#statements)* }
        }
    };
    // `run` is #[track_caller]: what it reports happened at the test's own line.
    let run = quote_spanned! {function.sig.ident.span()=>
        ::kdev_volumes::__private::run(&__KDEV_DECLARATION, #closure)
    };
    // What returns nothing ends as a statement, as lints want it.
    let end = matches!(function.sig.output, ReturnType::Default).then(|| quote!(;));
    quote! {
        #declaration
        #run #end
    }
}

fn declaration(function: &ItemFn, spec: &Spec) -> TokenStream {
    let name = function.sig.ident.to_string();
    let line = quote_spanned!(function.sig.ident.span()=> ::core::line!());
    let should_panic = function
        .attrs
        .iter()
        .any(|attribute| attribute.path().is_ident("should_panic"));
    let volumes = spec.volumes().iter().map(declared_volume);
    quote! {
        #[::kdev_volumes::__private::linkme::distributed_slice(::kdev_volumes::__private::DECLARATIONS)]
        #[linkme(crate = ::kdev_volumes::__private::linkme)]
        static __KDEV_DECLARATION: ::kdev_volumes::__private::Declaration = ::kdev_volumes::__private::Declaration {
            module: ::core::module_path!(),
            function: #name,
            file: ::core::file!(),
            line: #line,
            should_panic: #should_panic,
            volumes: &[#(#volumes),*],
        };
    }
}

fn declared_volume(volume: &VolumeSpec) -> TokenStream {
    let (name, bytes, env, order) = (volume.name(), volume.size().get(), volume.env(), volume.order());
    let mkfs = volume.mkfs().into_iter();
    let mkfs = mkfs.chain(volume.mkfs_args().iter().map(String::as_str));
    quote! {
        ::kdev_volumes::__private::DeclaredVolume {
            name: #name, bytes: #bytes, env: #env, order: #order, mkfs: &[#(#mkfs),*]
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn expanded(attribute: TokenStream, item: TokenStream) -> String {
        prettyplease::unparse(&syn::parse2(expand(attribute, item)).unwrap())
    }

    #[test]
    fn a_test_gets_its_guards_in_its_body() {
        let attribute = quote!(
            test = "10G",
            scratch(
                size = 4096,
                env = "MY_DEV",
                order = 1,
                mkfs = "ext4",
                mkfs_args = ["-m", "0"]
            )
        );
        let item = quote! {
            /// Documented.
            #[test]
            pub(crate) fn name<'a>(scratch: &'a Volume, mut test: Volume) -> Result<(), E>
            where
                E: Debug,
            {
                #![expect(lint)]
                test.fill()?;
                Ok(())
            }
        };
        assert_eq!(
            expanded(attribute, item),
            r##"/// Documented.
#[test]
pub(crate) fn name<'a>() -> Result<(), E>
where
    E: Debug,
{
    #![expect(lint)]
    #[::kdev_volumes::__private::linkme::distributed_slice(
        ::kdev_volumes::__private::DECLARATIONS
    )]
    #[linkme(crate = ::kdev_volumes::__private::linkme)]
    static __KDEV_DECLARATION: ::kdev_volumes::__private::Declaration = ::kdev_volumes::__private::Declaration {
        module: ::core::module_path!(),
        function: "name",
        file: ::core::file!(),
        line: ::core::line!(),
        should_panic: false,
        volumes: &[
            ::kdev_volumes::__private::DeclaredVolume {
                name: "test",
                bytes: 10737418240u64,
                env: "TEST_DEV",
                order: 0u32,
                mkfs: &[],
            },
            ::kdev_volumes::__private::DeclaredVolume {
                name: "scratch",
                bytes: 4096u64,
                env: "MY_DEV",
                order: 1u32,
                mkfs: &["ext4", "-m", "0"],
            },
        ],
    };
    ::kdev_volumes::__private::run(
        &__KDEV_DECLARATION,
        |mut __kdev_session: ::kdev_volumes::__private::Session| -> Result<(), E> {
            let mut test: Volume = ::kdev_volumes::__private::take(
                &mut __kdev_session,
                "test",
            );
            let _ = &test;
            let scratch: &Volume = ::kdev_volumes::__private::lend(
                &__kdev_session,
                "scratch",
            );
            let _ = &scratch;
            {
                test.fill()?;
                Ok(())
            }
        },
    )
}
"##
        );
    }

    #[test]
    fn a_test_without_arguments_has_the_environment_only() {
        let item = quote! {
            #[test]
            #[should_panic(expected = "text")]
            unsafe fn name() {
                panic!("text")
            }
        };
        assert_eq!(
            expanded(quote!(test = 1), item),
            r##"#[test]
#[should_panic(expected = "text")]
unsafe fn name() {
    #[::kdev_volumes::__private::linkme::distributed_slice(
        ::kdev_volumes::__private::DECLARATIONS
    )]
    #[linkme(crate = ::kdev_volumes::__private::linkme)]
    static __KDEV_DECLARATION: ::kdev_volumes::__private::Declaration = ::kdev_volumes::__private::Declaration {
        module: ::core::module_path!(),
        function: "name",
        file: ::core::file!(),
        line: ::core::line!(),
        should_panic: true,
        volumes: &[
            ::kdev_volumes::__private::DeclaredVolume {
                name: "test",
                bytes: 1u64,
                env: "TEST_DEV",
                order: 0u32,
                mkfs: &[],
            },
        ],
    };
    ::kdev_volumes::__private::run(
        &__KDEV_DECLARATION,
        |__kdev_session: ::kdev_volumes::__private::Session| -> () { { panic!("text") } },
    );
}
"##
        );
    }

    #[test]
    fn a_refused_test_stays_as_a_function() {
        let item = quote! {
            #[test]
            fn name(test: Volume) {
                drop(test);
            }
        };
        assert_eq!(
            expanded(quote!(), item),
            r##"::core::compile_error! {
    "no volume was asked for (name at least one with its size, such as `test = \"10G\"`)"
}
#[allow(unused)]
fn name(test: Volume) {
    drop(test);
}
"##
        );
    }

    #[rstest]
    #[case("const fn f() {}", "cannot be a `const fn`")]
    #[case("async fn f() {}", "async tests are not supported")]
    #[case("extern \"C\" fn f() {}", "cannot be an `extern fn`")]
    #[case("fn f() -> impl Debug {}", "not `impl Trait`")]
    #[case("fn f() -> Result<(), Box<(impl Debug,)>> {}", "not `impl Trait`")]
    #[case("#[kdev_volumes(test = 1)] fn f() {}", "stands twice")]
    #[case("#[k::kdev_volumes(test = 1)] fn f() {}", "stands twice")]
    #[case("struct S;", "stands on a test function")]
    #[case("fn f();", "stands on a test function")]
    fn what_cannot_be_a_test_is_refused(#[case] item: &str, #[case] expected: &str) {
        let message = wrap(quote!(test = 1), item.parse().unwrap())
            .unwrap_err()
            .to_string();
        assert!(message.contains(expected), "{message}");
    }
}
