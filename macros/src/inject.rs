//! Which arguments of a test are guards, and which guards they are.

use kdev_volumes_spec::{Spec, VolumeSpec};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Pat, PatIdent, PatType, Path, Result, Token, Type, TypePath};

use crate::errors::{all, refuse, respanned};

type Arguments = Punctuated<FnArg, Token![,]>;

/// The attributes that rustc itself takes on an argument.
const PLAIN_ATTRIBUTES: [&str; 8] = [
    "allow", "cfg", "cfg_attr", "deny", "doc", "expect", "forbid", "warn",
];

const NO_GUARD: &str = "no guard has this type (an argument is a `Volume` or `&Volume` with the name of a \
                        volume, or one `Session` or `&Session` for all of them)";

/// An argument that becomes a `let` at the head of the test's body.
pub(crate) struct Injection {
    attributes: Vec<Attribute>,
    pattern: PatIdent,
    /// Of `&'a Volume`, without the lifetime: in the signature it outlives the body, the session does not.
    ampersand: Option<Token![&]>,
    ty: Type,
    guard: Guard,
}

enum Guard {
    Volume(String),
    Session,
}

/// Who takes the arguments that are no guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Taker {
    /// rustc, which takes none.
    Nobody,
    /// A macro below ours, such as rstest, whose fixtures have no attributes.
    OtherMacro,
}

/// Takes the guards out of a test's arguments; those given away come before those lent.
///
/// An argument with an attribute such as rstest's `#[case]` is left to the macro that knows it.
pub(crate) fn take_guards(arguments: &mut Arguments, spec: &Spec, taker: Taker) -> Result<Vec<Injection>> {
    let is_foreign =
        |argument: &FnArg| is_marked(argument) || (taker == Taker::OtherMacro && !is_of_guard_type(argument));
    let (foreign, own): (Arguments, Arguments) = std::mem::take(arguments).into_iter().partition(is_foreign);
    *arguments = foreign;
    let mut guards = all(own.iter().map(|argument| Injection::new(argument, spec)))?;
    all((0..guards.len()).map(|at| guards[at].check_beside(&guards[..at])))?;
    guards.sort_by_key(|guard| guard.ampersand.is_some());
    Ok(guards)
}

/// Whether an argument has an attribute of another macro.
fn is_marked(argument: &FnArg) -> bool {
    let plain = |attribute: &Attribute| {
        PLAIN_ATTRIBUTES
            .iter()
            .any(|name| attribute.path().is_ident(name))
    };
    matches!(argument, FnArg::Typed(PatType { attrs, .. }) if !attrs.iter().all(plain))
}

fn is_of_guard_type(argument: &FnArg) -> bool {
    match argument {
        // No macro takes `self` from a test.
        FnArg::Receiver(_) => true,
        FnArg::Typed(PatType { ty, .. }) => guarded(ty).is_some(),
    }
}

/// Finds the type behind a `&`, and whether it is a volume's rather than a session's; `None` if it is no
/// guard's.
fn guarded(ty: &Type) -> Option<(&Type, bool)> {
    let ty = match ungrouped(ty) {
        Type::Reference(reference) => ungrouped(&reference.elem),
        owned => owned,
    };
    match ty {
        Type::Path(path) if ends_in(path, "Volume") => Some((ty, true)),
        Type::Path(path) if ends_in(path, "Session") => Some((ty, false)),
        _ => None,
    }
}

impl Injection {
    fn new(argument: &FnArg, spec: &Spec) -> Result<Self> {
        let FnArg::Typed(PatType { attrs, pat, ty, .. }) = argument else {
            return refuse(argument, "a test has no `self` (write it outside of the `impl`)");
        };
        let reference = match ungrouped(ty) {
            Type::Reference(reference) => Some(reference),
            _ => None,
        };
        let Some((guarded, is_volume)) = guarded(ty) else {
            return refuse(argument, NO_GUARD);
        };
        if reference.is_some_and(|reference| reference.mutability.is_some()) {
            return refuse(
                ty,
                "a guard comes by value or by `&` (for a mutable one write `mut name: Volume`)",
            );
        }
        let pattern = match &**pat {
            Pat::Ident(pattern) if pattern.by_ref.is_none() && pattern.subpat.is_none() => pattern.clone(),
            _ => {
                return refuse(
                    pat,
                    format!(
                        "which volume? a guard has the plain name of one ({})",
                        there_are(spec)
                    ),
                );
            }
        };
        let guard = if is_volume {
            Guard::Volume(volume(&pattern.ident, spec)?)
        } else {
            Guard::Session
        };
        let ampersand = reference.map(|reference| reference.and_token);
        Ok(Self {
            attributes: attrs.clone(),
            pattern,
            ampersand,
            ty: guarded.clone(),
            guard,
        })
    }

    /// Refuses a volume that is taken twice, and anything beside a whole session.
    fn check_beside(&self, others: &[Injection]) -> Result<()> {
        let message = others.iter().find_map(|other| match (&other.guard, &self.guard) {
            (Guard::Volume(other), Guard::Volume(name)) => {
                (other == name).then(|| format!("volume `{name}` is an argument twice"))
            }
            _ => Some("a `Session` holds all the volumes, so no other guard can stand beside it".into()),
        });
        message.map_or(Ok(()), |message| refuse(&self.pattern, message))
    }

    /// Whether binding it needs the session to be mutable.
    pub(crate) fn takes_from_session(&self) -> bool {
        self.ampersand.is_none() && matches!(self.guard, Guard::Volume(_))
    }

    /// Writes the `let` that binds the argument; `session` is the variable that holds the session.
    pub(crate) fn binding(&self, session: &Ident, library: &Path) -> TokenStream {
        let Self {
            attributes,
            pattern,
            ampersand,
            ty,
            guard,
        } = self;
        let name = &pattern.ident;
        // A type that is not ours is reported where the user wrote it.
        let span = Span::mixed_site().located_at(ty.span());
        let mut session = session.clone();
        session.set_span(span);
        let library = respanned(library, span);
        let value = match guard {
            Guard::Session => quote_spanned!(span=> #ampersand #session),
            Guard::Volume(volume) if ampersand.is_some() => {
                quote_spanned!(span=> #library::__private::lend(&#session, #volume))
            }
            Guard::Volume(volume) => {
                quote_spanned!(span=> #library::__private::take(&mut #session, #volume))
            }
        };
        // The second line uses the guard, so that one which is only held is no unused variable;
        // `#[allow(unused_variables)]` would be an error under `#![forbid(unused_variables)]`.
        quote_spanned! {Span::mixed_site()=>
            #(#attributes)*
            let #pattern: #ampersand #ty = #value;
            #(#attributes)*
            let _ = &#name;
        }
    }
}

fn ends_in(path: &TypePath, name: &str) -> bool {
    path.path
        .segments
        .last()
        .is_some_and(|segment| segment.ident == name)
}

/// What a `macro_rules!` macro passes on as `$ty:ty` comes in a group.
fn ungrouped(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => ungrouped(&group.elem),
        other => other,
    }
}

/// Returns the volume that an argument is named after; `_test` is `test`, held but not used.
fn volume(argument: &Ident, spec: &Spec) -> Result<String> {
    let written = argument.unraw().to_string();
    // No volume's name starts with an underscore.
    let name = written.strip_prefix('_').unwrap_or(&written);
    if spec.volumes().iter().any(|volume| volume.name() == name) {
        return Ok(name.to_owned());
    }
    refuse(
        argument,
        format!("no volume is named `{name}` here ({})", there_are(spec)),
    )
}

fn there_are(spec: &Spec) -> String {
    let names: Vec<&str> = spec.volumes().iter().map(VolumeSpec::name).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    format!("there {verb}: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use kdev_volumes_spec::Bytes;
    use quote::ToTokens;
    use rstest::rstest;
    use syn::parse::Parser;

    use super::*;

    fn guards(arguments: &str) -> Result<(String, Vec<Injection>)> {
        guards_beside(Taker::Nobody, arguments)
    }

    fn guards_beside(taker: Taker, arguments: &str) -> Result<(String, Vec<Injection>)> {
        let size = Bytes::new(1);
        let spec = ["test", "scratch", "type"].map(|name| VolumeSpec::new(name, size).unwrap());
        let mut arguments = Arguments::parse_terminated.parse_str(arguments).unwrap();
        let guards = take_guards(&mut arguments, &Spec::new(spec).unwrap(), taker)?;
        Ok((arguments.to_token_stream().to_string(), guards))
    }

    #[rstest]
    #[case("test: Volume", "let test : Volume = take (& mut session , \"test\") ;")]
    #[case(
        "mut test: a::Volume",
        "let mut test : a :: Volume = take (& mut session , \"test\") ;"
    )]
    #[case("_test: Volume", "let _test : Volume = take (& mut session , \"test\") ;")]
    #[case("r#type: Volume", "let r#type : Volume = take (& mut session , \"type\") ;")]
    #[case("test: &Volume", "let test : & Volume = lend (& session , \"test\") ;")]
    #[case(
        "test: &'a ::k::Volume",
        "let test : & :: k :: Volume = lend (& session , \"test\") ;"
    )]
    #[case("all: Session", "let all : Session = session ;")]
    #[case("all: &Session", "let all : & Session = & session ;")]
    fn a_guard_is_bound_as_it_was_written(#[case] argument: &str, #[case] expected: &str) {
        let (left, guards) = guards(argument).unwrap();
        assert_eq!(left, "");
        let session = Ident::new("session", Span::call_site());
        let binding = guards[0]
            .binding(&session, &syn::parse_quote!(::kdev_volumes))
            .to_string()
            .replace(":: kdev_volumes :: __private :: ", "");
        assert!(binding.starts_with(expected), "{binding}");
    }

    #[test]
    fn what_is_given_away_is_bound_before_what_is_lent() {
        let (_, guards) = guards("test: &Volume, scratch: Volume").unwrap();
        let names: Vec<String> = guards
            .iter()
            .map(|guard| guard.pattern.ident.to_string())
            .collect();
        assert_eq!(names, ["scratch", "test"]);
    }

    #[test]
    fn an_argument_of_another_macro_is_left_alone() {
        let (left, guards) =
            guards("#[case] fs: &str, #[cfg(unix)] test: Volume, #[from(x)] y: u32").unwrap();
        assert_eq!(left, "# [case] fs : & str , # [from (x)] y : u32");
        assert_eq!(guards.len(), 1);
    }

    #[test]
    fn a_fixture_is_left_to_the_macro_that_knows_it() {
        let (left, guards) =
            guards_beside(Taker::OtherMacro, "repository: Repo, test: &Volume, n: u32").unwrap();
        assert_eq!(left, "repository : Repo , n : u32");
        assert_eq!(guards.len(), 1);
        let misspelt = guards_beside(Taker::OtherMacro, "tset: Volume").err().unwrap();
        assert!(misspelt.to_string().contains("no volume is named `tset` here"));
        assert!(guards_beside(Taker::OtherMacro, "&self").is_err());
    }

    #[rstest]
    #[case(
        "scrtch: Volume",
        "no volume is named `scrtch` here (there are: test, scratch, type)"
    )]
    #[case("__test: Volume", "no volume is named `_test` here")]
    #[case(
        "_: Volume",
        "which volume? a guard has the plain name of one (there are: test"
    )]
    #[case("ref test: Volume", "the plain name")]
    #[case("(test): Volume", "the plain name")]
    #[case("test: &mut Volume", "by value or by `&`")]
    #[case("test: u32", "no guard has this type")]
    #[case("test: &&Volume", "no guard has this type")]
    #[case("test: Option<Volume>", "no guard has this type")]
    #[case("test: impl Volume", "no guard has this type")]
    #[case("&self", "a test has no `self`")]
    #[case("test: Volume, _test: &Volume", "volume `test` is an argument twice")]
    #[case("all: Session, test: Volume", "no other guard can stand beside it")]
    #[case("all: Session, more: &Session", "no other guard can stand beside it")]
    fn any_other_argument_is_refused(#[case] arguments: &str, #[case] expected: &str) {
        let message = guards(arguments).err().unwrap().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
