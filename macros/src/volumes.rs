//! The volumes among what stands in the parentheses.

use std::iter::repeat_n;

use kdev_volumes_spec::{Bytes, FSTESTS, Spec, SpecError, VolumeSpec};
use proc_macro2::Span;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Error, Expr, Ident, Result, Token, parenthesized, token};

use crate::errors::{all, both, refuse};
use crate::value::{Sizes, at, order, sizes, string, strings};

/// Checks the volumes against each other too.
pub(crate) fn spec(entries: &[Entry]) -> Result<Spec> {
    let asked: Vec<Result<Asked>> = entries.iter().map(Entry::asked).collect();
    let good: Vec<&Asked> = asked.iter().flatten().collect();
    let clashes: Vec<Error> = (0..good.len())
        .filter_map(|at| clash(good[at], &good[..at]))
        .collect();
    let asked = all(asked.into_iter().chain(clashes.into_iter().map(Err)))?;
    Spec::new(asked.into_iter().flat_map(|asked| asked.volumes)).map_err(at(Span::call_site()))
}

/// What may stand within a volume's parentheses.
const KEYS: [&str; 5] = ["size", "env", "order", "mkfs", "mkfs_args"];

/// A volume or a set of them, with the place to point at if an earlier one has taken a name or a variable.
struct Asked {
    volumes: Vec<VolumeSpec>,
    span: Span,
}

/// The first clash alone: after `fstests`, one of `fstests` has seven.
fn clash(second: &Asked, earlier: &[&Asked]) -> Option<Error> {
    let mut before: Vec<&VolumeSpec> = earlier.iter().flat_map(|asked| &asked.volumes).collect();
    second
        .volumes
        .iter()
        .find_map(|volume| {
            let pair = |first: &&VolumeSpec| Spec::new([(*first).clone(), volume.clone()]);
            let clash = before.iter().find_map(|first| pair(first).err());
            before.push(volume);
            clash
        })
        .map(at(second.span))
}

/// `test(size = "10G", ...)`, or `test = "10G"`, which is short for a `size` alone.
pub(crate) struct Entry {
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
    fn asked(&self) -> Result<Asked> {
        let sizes = self.sizes();
        // A bad size must not hide a bad name.
        let volumes = self.named(sizes.as_ref().unwrap_or(&Sizes::One(Bytes::new(1))));
        let settings = volumes
            .and_then(|volumes| self.with_env(volumes))
            .and_then(|volumes| self.with_mkfs(volumes))
            .and_then(|volumes| self.with_mkfs_args(volumes));
        let ((_, volumes), (_, order)) = both(both(sizes, settings), both(self.check_keys(), self.order()))?;
        let span = self.key("env").map_or_else(|| self.name.span(), Spanned::span);
        Ok(Asked {
            volumes: volumes
                .into_iter()
                .map(|volume| volume.with_order(order))
                .collect(),
            span,
        })
    }

    /// Makes the volumes of their sizes: one, a set, or those of fstests.
    fn named(&self, sizes: &Sizes) -> Result<Vec<VolumeSpec>> {
        let name = &self.name;
        if ["self", "super"].iter().any(|word| name == word) {
            return refuse(
                name,
                format!("a volume cannot be named `{name}` (no argument could have the name)"),
            );
        }
        let text = name.unraw().to_string();
        let is_fstests = text == FSTESTS;
        let volumes = match *sizes {
            Sizes::One(size) if is_fstests => Spec::fstests(size).map(|spec| spec.volumes().to_vec()),
            _ if is_fstests => {
                let message = "`fstests` takes one size, which each of its seven volumes has";
                return refuse(self.key("size"), message);
            }
            Sizes::One(size) => VolumeSpec::new(&text, size).map(|volume| vec![volume]),
            Sizes::Each(ref sizes) => VolumeSpec::set(&text, sizes.iter().copied()),
            Sizes::Repeated(size, count) => VolumeSpec::set(&text, repeat_n(size, count)),
        };
        volumes.map_err(|error| {
            let is_of_set = matches!(error, SpecError::Set { .. });
            let value = self.key("size").filter(|_| is_of_set);
            at(value.map_or_else(|| name.span(), Spanned::span))(error)
        })
    }

    fn with_env(&self, volumes: Vec<VolumeSpec>) -> Result<Vec<VolumeSpec>> {
        let Some(value) = self.key("env") else {
            return Ok(volumes);
        };
        let env = string(
            value,
            "the name of an environment variable is a string such as \"MY_DEV\"",
        )?;
        each(volumes, value, |volume| volume.with_env(&env))
    }

    fn with_mkfs(&self, volumes: Vec<VolumeSpec>) -> Result<Vec<VolumeSpec>> {
        let Some(value) = self.key("mkfs") else {
            return Ok(volumes);
        };
        let fs_type = string(value, "the type of a filesystem is a string such as \"ext4\"")?;
        each(volumes, value, |volume| volume.with_mkfs(&fs_type))
    }

    fn with_mkfs_args(&self, volumes: Vec<VolumeSpec>) -> Result<Vec<VolumeSpec>> {
        let Some(value) = self.key("mkfs_args") else {
            return Ok(volumes);
        };
        let args = strings(
            value,
            "the arguments of mkfs are a list of strings such as `[\"-m\", \"crc=1\"]`",
        )?;
        each(volumes, value, |volume| volume.with_mkfs_args(&args))
    }

    fn sizes(&self) -> Result<Sizes> {
        let name = &self.name;
        match self.key("size") {
            Some(value) => sizes(value),
            None => refuse(
                name,
                format!("volume `{name}` has no size (such as `{name} = \"10G\"`)"),
            ),
        }
    }

    fn order(&self) -> Result<u32> {
        self.key("order").map_or(Ok(0), order)
    }

    fn check_keys(&self) -> Result<Vec<()>> {
        all(self.keys.iter().enumerate().map(|(at, Key { name, .. })| {
            if !KEYS.iter().any(|key| name == key) {
                let known = KEYS.map(|key| format!("`{key}`")).join(", ");
                return refuse(name, format!("unknown key `{name}` (a volume may have {known})"));
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

/// Changes each volume; what breaks a rule is at `value`.
fn each(
    volumes: Vec<VolumeSpec>,
    value: &Expr,
    change: impl Fn(VolumeSpec) -> std::result::Result<VolumeSpec, SpecError>,
) -> Result<Vec<VolumeSpec>> {
    let changed: std::result::Result<_, _> = volumes.into_iter().map(change).collect();
    changed.map_err(at(value.span()))
}
