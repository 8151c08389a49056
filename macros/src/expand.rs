//! From a test function to one that runs its body with volumes.

use kdev_volumes_spec::VolumeSpec;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Expr, ItemFn, Path, Result, ReturnType, Stmt, parse_quote};

use crate::attribute::{self, Attribute as Asked};
use crate::errors::{both, respanned};
use crate::function::{is_inert, returns_opaque, test_function};
use crate::inject::{Injection, Taker, take_guards};
use crate::panics::{cases, should_panic};

/// Wraps the body of the annotated function, or says all that is wrong with it.
pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> TokenStream {
    wrap(attribute, item.clone()).unwrap_or_else(|error| {
        let (error, function) = (error.into_compile_error(), no_test(item));
        quote!(#error #function)
    })
}

fn wrap(attribute: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let (attribute, mut function) = both(attribute::parse(attribute), test_function(item))?;
    let taker = if function.attrs.iter().all(is_inert) {
        Taker::Nobody
    } else {
        Taker::OtherMacro
    };
    let guards = take_guards(&mut function.sig.inputs, &attribute.spec, taker)?;
    let body = body(&function, &attribute, &guards);
    if returns_opaque(&function) {
        let library = &attribute.library;
        function.sig.output = parse_quote!(-> #library::__private::Ended);
    }
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

fn body(function: &ItemFn, attribute: &Asked, guards: &[Injection]) -> TokenStream {
    let library = &attribute.library;
    let session = Ident::new("__kdev_session", Span::mixed_site());
    let bindings = guards.iter().map(|guard| guard.binding(&session, library));
    let mutability = guards
        .iter()
        .any(Injection::takes_from_session)
        .then(|| quote!(mut));
    let is_opaque = returns_opaque(function);
    let returns = match &function.sig.output {
        ReturnType::Default => Some(quote!(-> ())),
        written => (!is_opaque).then(|| written.to_token_stream()),
    };
    let statements = &function.block.stmts;
    let declaration = declaration(function, attribute);
    let asyncness = function.sig.asyncness;
    let closure = quote_spanned! {Span::mixed_site()=>
        #asyncness |#mutability #session: #library::__private::Session| #returns {
            #(#bindings)*
            { #(#statements)* }
        }
    };
    // `run` is #[track_caller]: what it reports happened at the test's own line.
    let span = function.sig.ident.span();
    let library = respanned(library, span);
    let run = Ident::new(
        match (asyncness.is_some(), is_opaque) {
            (false, false) => "run",
            (false, true) => "run_opaque",
            (true, false) => "run_async",
            (true, true) => "run_opaque_async",
        },
        span,
    );
    let wait = asyncness.map(|_| quote_spanned!(span=> .await));
    let call = quote_spanned! {span=>
        #library::__private::#run(&__KDEV_DECLARATION, #closure) #wait
    };
    // What returns nothing ends as a statement, as lints want it.
    let end = matches!(function.sig.output, ReturnType::Default).then(|| quote!(;));
    // The written type stays in use, and so do its imports.
    let (generics, conditions) = (&function.sig.generics, &function.sig.generics.where_clause);
    let written = match &function.sig.output {
        ReturnType::Type(_, ty) if is_opaque => {
            Some(quote!(fn __kdev_returned #generics (_: #ty) #conditions {}))
        }
        _ => None,
    };
    quote! {
        #declaration
        #written
        #call #end
    }
}

fn declaration(function: &ItemFn, attribute: &Asked) -> TokenStream {
    let Asked {
        spec,
        in_process,
        library,
    } = attribute;
    let name = function.sig.ident.unraw().to_string();
    let line = quote_spanned!(function.sig.ident.span()=> ::core::line!());
    let (cases, all) = cases(&function.attrs);
    let cases = cases.into_iter().map(should_panic);
    let should_panic = should_panic(all);
    let volumes = spec
        .volumes()
        .iter()
        .map(|volume| declared_volume(volume, library));
    quote! {
        #[#library::__private::linkme::distributed_slice(#library::__private::DECLARATIONS)]
        #[linkme(crate = #library::__private::linkme)]
        static __KDEV_DECLARATION: #library::__private::Declaration = #library::__private::Declaration {
            module: ::core::module_path!(),
            function: #name,
            file: ::core::file!(),
            line: #line,
            should_panic: #should_panic,
            cases: &[#(#cases),*],
            in_process: #in_process,
            volumes: &[#(#volumes),*],
        };
    }
}

fn declared_volume(volume: &VolumeSpec, library: &Path) -> TokenStream {
    let (name, bytes, env, order) = (volume.name(), volume.size().get(), volume.env(), volume.order());
    let mkfs = volume.mkfs().into_iter();
    let mkfs = mkfs.chain(volume.mkfs_args().iter().map(String::as_str));
    quote! {
        #library::__private::DeclaredVolume {
            name: #name, bytes: #bytes, env: #env, order: #order, mkfs: &[#(#mkfs),*]
        }
    }
}

#[cfg(test)]
mod tests {
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
        should_panic: { ::core::option::Option::None },
        cases: &[],
        in_process: false,
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
        should_panic: ::core::option::Option::Some("text"),
        cases: &[],
        in_process: false,
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
    fn an_async_test_awaits_its_body() {
        let item = quote! {
            #[tokio::test]
            async fn name(test: Volume) -> impl Termination {
                wait().await;
            }
        };
        let expanded = expanded(quote!(in_process, crate = "k::v", test = 1), item);
        let (_, body) = expanded.split_once("};\n").unwrap();
        assert_eq!(
            body,
            r##"    fn __kdev_returned(_: impl Termination) {}
    k::v::__private::run_opaque_async(
            &__KDEV_DECLARATION,
            async |mut __kdev_session: k::v::__private::Session| {
                let test: Volume = k::v::__private::take(&mut __kdev_session, "test");
                let _ = &test;
                {
                    wait().await;
                }
            },
        )
        .await
}
"##
        );
        assert!(
            expanded.contains("async fn name() -> k::v::__private::Ended {"),
            "{expanded}"
        );
        assert!(expanded.contains("in_process: true,"), "{expanded}");
        assert!(!expanded.contains("kdev_volumes"), "{expanded}");
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
}
