//! What stands in the parentheses of `#[kdev_volumes(...)]`.

use kdev_volumes_spec::{Bytes, Spec, SpecError, VolumeSpec};
use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Error, Expr, ExprGroup, ExprLit, Ident, Lit, LitStr, Path, Result, Token, parenthesized, parse_quote,
    token,
};

use crate::errors::{all, both, refuse};

/// What a test asks for.
pub(crate) struct Attribute {
    pub(crate) spec: Spec,
    /// Whether the test stays in the process of its runner.
    pub(crate) in_process: bool,
    /// By what path the library is found there.
    pub(crate) library: Path,
}

/// Reads what a test asks for, and checks it with the rules of the library itself.
pub(crate) fn parse(attribute: TokenStream) -> Result<Attribute> {
    let items = Punctuated::<Item, Token![,]>::parse_terminated.parse2(attribute)?;
    let (mut entries, mut in_process, mut library) = (Vec::new(), Vec::new(), Vec::new());
    for item in items {
        match item {
            Item::Volume(entry) => entries.push(entry),
            Item::InProcess(word) => in_process.push(word),
            Item::Library(word, path) => library.push((word, path)),
        }
    }
    let twice = all([
        in_process
            .get(1)
            .map_or(Ok(()), |word| refuse(word, "`in_process` stands twice")),
        library
            .get(1)
            .map_or(Ok(()), |(word, _)| refuse(word, "`crate` stands twice")),
    ]);
    let (spec, _) = both(spec(&entries), twice)?;
    Ok(Attribute {
        spec,
        in_process: !in_process.is_empty(),
        library: library
            .pop()
            .map_or_else(|| parse_quote!(::kdev_volumes), |(_, path)| path),
    })
}

/// What stands between two commas.
enum Item {
    Volume(Entry),
    /// The word alone.
    InProcess(Ident),
    /// `crate = "path"`.
    Library(Token![crate], Path),
}

impl Parse for Item {
    fn parse(input: ParseStream) -> Result<Self> {
        if input.peek(Token![crate]) {
            let word = input.parse()?;
            let wanted = "`crate` is the path of kdev-volumes where it has another name, such as `crate = \"renamed\"`";
            let path = input
                .parse::<Token![=]>()
                .and_then(|_| input.parse::<LitStr>())
                .and_then(|path| path.parse_with(Path::parse_mod_style));
            return path
                .map(|path| Self::Library(word, path))
                .map_err(|error| Error::new(error.span(), wanted));
        }
        // A volume may have the name; it has a size then.
        let ahead = input.fork();
        let is_alone = ahead.parse::<Ident>().is_ok_and(|word| word == "in_process")
            && (ahead.is_empty() || ahead.peek(Token![,]));
        Ok(match is_alone {
            true => Self::InProcess(input.parse()?),
            false => Self::Volume(input.parse()?),
        })
    }
}

fn spec(entries: &[Entry]) -> Result<Spec> {
    let volumes: Vec<Result<Asked>> = entries.iter().map(Entry::volume).collect();
    let good: Vec<&Asked> = volumes.iter().flatten().collect();
    let clashes: Vec<Error> = (0..good.len())
        .filter_map(|at| clash(good[at], &good[..at]))
        .collect();
    let volumes = all(volumes.into_iter().chain(clashes.into_iter().map(Err)))?;
    Spec::new(volumes.into_iter().map(|asked| asked.volume)).map_err(at(Span::call_site()))
}

/// Turns what breaks a rule of the library into an error at a place in the user's file.
fn at(span: Span) -> impl Fn(SpecError) -> Error {
    move |error| Error::new(span, error)
}

/// A volume, with the place to point at if an earlier one has taken its name or its variable.
struct Asked {
    volume: VolumeSpec,
    span: Span,
}

fn clash(second: &Asked, earlier: &[&Asked]) -> Option<Error> {
    let pair = |first: &&Asked| Spec::new([first.volume.clone(), second.volume.clone()]);
    earlier
        .iter()
        .find_map(|first| pair(first).err())
        .map(at(second.span))
}

/// `test(size = "10G", ...)`, or `test = "10G"`, which is short for a `size` alone.
struct Entry {
    name: Ident,
    keys: Punctuated<Key, Token![,]>,
}

struct Key {
    name: Ident,
    value: Expr,
}

impl Parse for Entry {
    fn parse(input: ParseStream) -> Result<Self> {
        let name = word(input, "a volume has a name, such as `test = \"10G\"`")?;
        let mut keys = Punctuated::new();
        if input.peek(token::Paren) {
            let content;
            parenthesized!(content in input);
            keys = content.parse_terminated(Key::parse, Token![,])?;
        } else if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            keys.push(Key {
                name: Ident::new("size", name.span()),
                value: input.parse()?,
            });
        }
        Ok(Self { name, keys })
    }
}

impl Parse for Key {
    fn parse(input: ParseStream) -> Result<Self> {
        let name = word(input, "a volume's settings have names, such as `size = \"10G\"`")?;
        input.parse::<Token![=]>()?;
        Ok(Self {
            name,
            value: input.parse()?,
        })
    }
}

/// Any word, also `type` or `in`: the library's rules for names know no Rust keywords.
fn word(input: ParseStream, wanted: &str) -> Result<Ident> {
    Ident::parse_any(input).map_err(|error| Error::new(error.span(), wanted))
}

impl Entry {
    fn volume(&self) -> Result<Asked> {
        let size = self.size();
        // A bad size must not hide a bad name.
        let volume = self.named(size.as_ref().map_or(Bytes::new(1), |&size| size));
        let ((_, volume), (_, order)) = both(both(size, volume), both(self.check_keys(), self.order()))?;
        let span = self.key("env").map_or_else(|| self.name.span(), Spanned::span);
        Ok(Asked {
            volume: volume.with_order(order),
            span,
        })
    }

    fn named(&self, size: Bytes) -> Result<VolumeSpec> {
        let name = &self.name;
        if ["self", "super"].iter().any(|word| name == word) {
            return refuse(
                name,
                format!("a volume cannot be named `{name}` (no argument could have the name)"),
            );
        }
        let volume = VolumeSpec::new(&name.unraw().to_string(), size).map_err(at(name.span()))?;
        match self.key("env") {
            Some(value) => volume.with_env(&string(value)?).map_err(at(value.span())),
            None => Ok(volume),
        }
    }

    fn size(&self) -> Result<Bytes> {
        let name = &self.name;
        match self.key("size") {
            Some(value) => bytes(value),
            None => refuse(
                name,
                format!("volume `{name}` has no size (such as `{name} = \"10G\"`)"),
            ),
        }
    }

    fn order(&self) -> Result<u32> {
        let Some(value) = self.key("order") else {
            return Ok(0);
        };
        let order = match literal(value) {
            Some(Lit::Int(number)) if number.suffix().is_empty() => number.base10_parse().ok(),
            _ => None,
        };
        order.map_or_else(
            || refuse(value, "an order is a whole number from 0 to 4294967295"),
            Ok,
        )
    }

    fn check_keys(&self) -> Result<Vec<()>> {
        all(self.keys.iter().enumerate().map(|(at, Key { name, .. })| {
            if !["size", "env", "order"].iter().any(|key| name == key) {
                return refuse(
                    name,
                    format!("unknown key `{name}` (a volume has `size`, `env` and `order`)"),
                );
            }
            if self.keys.iter().take(at).any(|earlier| earlier.name == *name) {
                return refuse(name, format!("`{name}` stands twice"));
            }
            Ok(())
        }))
    }

    fn key(&self, name: &str) -> Option<&Expr> {
        self.keys
            .iter()
            .find(|key| key.name == name)
            .map(|key| &key.value)
    }
}

fn bytes(value: &Expr) -> Result<Bytes> {
    let text = match literal(value) {
        Some(Lit::Str(text)) => text.value(),
        Some(Lit::Int(number)) if number.suffix().is_empty() => number.base10_digits().to_owned(),
        // `10G` without quotes is a number with a suffix to Rust.
        Some(Lit::Int(number)) => {
            return refuse(
                number,
                format!("a size with a unit is written in quotes: \"{number}\""),
            );
        }
        _ => {
            return refuse(
                value,
                "a size is a string such as \"10G\", or a whole number of bytes",
            );
        }
    };
    text.parse().map_err(at(value.span()))
}

fn string(value: &Expr) -> Result<String> {
    match literal(value) {
        Some(Lit::Str(text)) => Ok(text.value()),
        _ => refuse(
            value,
            "the name of an environment variable is a string such as \"MY_DEV\"",
        ),
    }
}

fn literal(value: &Expr) -> Option<&Lit> {
    match value {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        // What a `macro_rules!` macro passes on as `$size:expr` comes in a group.
        Expr::Group(ExprGroup { expr, .. }) => literal(expr),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use quote::ToTokens;
    use rstest::rstest;

    use super::*;

    fn messages(attribute: &str) -> Vec<String> {
        let error = parse(attribute.parse().unwrap()).err().unwrap();
        error.into_iter().map(|error| error.to_string()).collect()
    }

    #[rstest]
    #[case(r#"test = "10G""#, &[("test", 10 << 30, "TEST_DEV", 0)])]
    #[case(r#"test = "10G","#, &[("test", 10 << 30, "TEST_DEV", 0)])]
    #[case("test = 4096", &[("test", 4096, "TEST_DEV", 0)])]
    #[case("test = 0x10_00", &[("test", 4096, "TEST_DEV", 0)])]
    #[case(r#"test(size = "1K")"#, &[("test", 1024, "TEST_DEV", 0)])]
    #[case(r#"test(order = 3, env = "MY_DEV", size = 1,)"#, &[("test", 1, "MY_DEV", 3)])]
    #[case("a(size = 1, order = 2), b = 2", &[("b", 2, "B_DEV", 0), ("a", 1, "A_DEV", 2)])]
    #[case("pool1 = 1, pool2 = 1", &[("pool1", 1, "SCRATCH_DEV_POOL", 0), ("pool2", 1, "SCRATCH_DEV_POOL", 0)])]
    #[case("type = 1, r#in = 2", &[("type", 1, "TYPE_DEV", 0), ("in", 2, "IN_DEV", 0)])]
    fn a_volume_is_read_in_every_notation(
        #[case] attribute: &str,
        #[case] expected: &[(&str, u64, &str, u32)],
    ) {
        let spec = parse(attribute.parse().unwrap()).unwrap().spec;
        let read: Vec<_> = spec
            .volumes()
            .iter()
            .map(|v| (v.name(), v.size().get(), v.env(), v.order()))
            .collect();
        assert_eq!(read, expected);
    }

    #[rstest]
    #[case("test = 1", false, "::kdev_volumes")]
    #[case("in_process, test = 1", true, "::kdev_volumes")]
    #[case("test = 1, in_process,", true, "::kdev_volumes")]
    #[case("in_process = 1", false, "::kdev_volumes")]
    #[case("crate = \"kv\", test = 1", false, "kv")]
    #[case("crate = \"::a::kv\", in_process, test = 1", true, "::a::kv")]
    fn settings_of_the_whole_test_stand_beside_its_volumes(
        #[case] attribute: &str,
        #[case] in_process: bool,
        #[case] library: &str,
    ) {
        let read = parse(attribute.parse().unwrap()).unwrap();
        let path = read.library.to_token_stream().to_string().replace(' ', "");
        assert_eq!((read.in_process, path.as_str()), (in_process, library));
        assert_eq!(read.spec.volumes().len(), 1);
    }

    #[rstest]
    #[case("", "no volume was asked for")]
    #[case("test", "volume `test` has no size")]
    #[case("test()", "volume `test` has no size")]
    #[case("test(order = 1)", "volume `test` has no size")]
    #[case(r#"test = "10Q""#, "unknown unit `Q`")]
    #[case("test = 0", "cannot be empty")]
    #[case("test = -1", "a string such as \"10G\"")]
    #[case("test = 1.5", "a string such as \"10G\"")]
    #[case("test = true", "a string such as \"10G\"")]
    #[case("test = SIZE", "a string such as \"10G\"")]
    #[case("test = b\"10G\"", "a string such as \"10G\"")]
    #[case("test = 10G", "in quotes: \"10G\"")]
    #[case("test = 99999999999999999999", "8 EiB")]
    #[case("test(size = 1, fs = 1)", "unknown key `fs`")]
    #[case("test(size = 1, size = 1)", "`size` stands twice")]
    #[case("test(size = 1, order = -1)", "an order is a whole number")]
    #[case("test(size = 1, order = 1u8)", "an order is a whole number")]
    #[case("test(size = 1, order = 4294967296)", "an order is a whole number")]
    #[case("test(size = 1, env = 1)", "is a string such as \"MY_DEV\"")]
    #[case("test(size = 1, env = \"1A\")", "bad environment variable `1A`")]
    #[case("Test = 1", "bad volume name `Test`")]
    #[case("self = 1", "cannot be named `self`")]
    #[case("crate = 1", "`crate` is the path of kdev-volumes")]
    #[case("crate = \"a b\"", "`crate` is the path of kdev-volumes")]
    #[case("crate", "`crate` is the path of kdev-volumes")]
    #[case("test = 1, crate = \"a\", crate = \"b\"", "`crate` stands twice")]
    #[case("in_process, test = 1, in_process", "`in_process` stands twice")]
    #[case("in_process", "no volume was asked for")]
    #[case("test = 1, test = 2", "two volumes are named `test`")]
    #[case("test = 1, x(size = 1, env = \"TEST_DEV\")", "`test` and `x` both want")]
    #[case("test = 1 scratch = 1", "expected `,`")]
    #[case("\"10G\"", "a volume has a name")]
    #[case("test(\"10G\")", "such as `size = \"10G\"`")]
    fn a_mistake_is_one_error(#[case] attribute: &str, #[case] expected: &str) {
        let messages = messages(attribute);
        assert!(
            messages.len() == 1 && messages[0].contains(expected),
            "{messages:?}"
        );
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let messages = messages("Test = \"1X\", a(sise = 1, order = \"x\"), test = 1, test = 1, test = 1");
        let expected = [
            "bad size `1X`",
            "bad volume name `Test`",
            "volume `a` has no size",
            "unknown key `sise`",
            "an order is",
            "two volumes are named `test`",
            "two volumes are named `test`",
        ];
        assert_eq!(messages.len(), expected.len(), "{messages:?}");
        for (message, beginning) in messages.iter().zip(expected) {
            assert!(message.starts_with(beginning), "{message}");
        }
    }
}
