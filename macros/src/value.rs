//! What stands to the right of a `=`: sizes, names, numbers.

use kdev_volumes_spec::{Bytes, SpecError};
use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::{Error, Expr, ExprArray, ExprGroup, ExprLit, ExprRepeat, Lit, Result};

use crate::errors::{all, both, refuse};

/// Turns what breaks a rule of the library into an error at a place in the user's file.
pub(crate) fn at(span: Span) -> impl Fn(SpecError) -> Error {
    move |error| Error::new(span, error)
}

/// How large one volume is, or each of a set.
pub(crate) enum Sizes {
    One(Bytes),
    /// `["10G", "5G"]`
    Each(Vec<Bytes>),
    /// `["10G"; 3]`. The count may be absurd, so nothing is made of it before it is checked.
    Repeated(Bytes, usize),
}

pub(crate) fn sizes(value: &Expr) -> Result<Sizes> {
    match ungrouped(value) {
        Expr::Array(ExprArray { elems, .. }) => all(elems.iter().map(bytes)).map(Sizes::Each),
        Expr::Repeat(ExprRepeat { expr, len, .. }) => {
            both(bytes(expr), count(len)).map(|(size, count)| Sizes::Repeated(size, count))
        }
        one => bytes(one).map(Sizes::One),
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

fn count(value: &Expr) -> Result<usize> {
    number(value).map_or_else(
        || {
            refuse(
                value,
                "how many volumes is written as a whole number, such as `[\"10G\"; 3]`",
            )
        },
        Ok,
    )
}

pub(crate) fn order(value: &Expr) -> Result<u32> {
    number(value).map_or_else(
        || refuse(value, "an order is a whole number from 0 to 4294967295"),
        Ok,
    )
}

fn number<N: std::str::FromStr<Err: std::fmt::Display>>(value: &Expr) -> Option<N> {
    match literal(value) {
        Some(Lit::Int(number)) if number.suffix().is_empty() => number.base10_parse().ok(),
        _ => None,
    }
}

/// Returns a string; `what` says what it is for.
pub(crate) fn string(value: &Expr, what: &str) -> Result<String> {
    match literal(value) {
        Some(Lit::Str(text)) => Ok(text.value()),
        _ => refuse(value, what),
    }
}

/// Returns a list of strings.
pub(crate) fn strings(value: &Expr, what: &str) -> Result<Vec<String>> {
    match ungrouped(value) {
        Expr::Array(ExprArray { elems, .. }) => all(elems.iter().map(|element| string(element, what))),
        _ => refuse(value, what),
    }
}

fn literal(value: &Expr) -> Option<&Lit> {
    match ungrouped(value) {
        Expr::Lit(ExprLit { lit, .. }) => Some(lit),
        _ => None,
    }
}

/// What a `macro_rules!` macro passes on as `$size:expr` comes in a group.
fn ungrouped(value: &Expr) -> &Expr {
    match value {
        Expr::Group(ExprGroup { expr, .. }) => ungrouped(expr),
        other => other,
    }
}
