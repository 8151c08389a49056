//! What a reader may find in place of what it expects, for property tests.

use std::fmt;

use proptest::collection::vec;
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop_oneof};
use proptest::sample::{Index, select};
use serde_json::{Map, Value};

/// What fails prints itself, and becomes a case of a table; no file of seeds is left in the tree.
/// `PROPTEST_CASES` asks for more than the usual 256.
pub(crate) fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// What a file holds. A test that fails shows it as text.
#[derive(Clone)]
pub(crate) struct Text(pub(crate) Vec<u8>);

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

/// Any bytes at all.
pub(crate) fn bytes() -> impl Strategy<Value = Text> {
    vec(any::<u8>(), 0..200).prop_map(Text)
}

/// JSON in which the named keys are likely, and nothing else is.
pub(crate) fn trees(keys: &'static [&'static str]) -> impl Strategy<Value = Text> {
    tree(keys).prop_map(|tree| Text(tree.to_string().into_bytes()))
}

/// Good JSON in which a few values are lost or replaced, and then a few bytes damaged.
pub(crate) fn damaged(good: Value) -> impl Strategy<Value = Text> {
    (vec(change(), 0..4), vec(tear(), 0..3)).prop_map(move |(changes, tears)| {
        let mut tree = good.clone();
        for change in changes {
            change.make(&mut tree);
        }
        let mut text = tree.to_string().into_bytes();
        for tear in tears {
            tear.make(&mut text);
        }
        Text(text)
    })
}

/// Good text of which a few bytes are damaged.
pub(crate) fn torn(good: &'static str) -> impl Strategy<Value = String> {
    vec(tear(), 0..4).prop_map(|tears| {
        let mut text = good.as_bytes().to_vec();
        for tear in tears {
            tear.make(&mut text);
        }
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// A change to some value of a tree.
#[derive(Clone, Debug)]
enum Change {
    Replace(Index, Value),
    /// Removes what is in it, for an object or an array; else makes it null.
    Lose(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        (any::<Index>(), odd()).prop_map(|(at, value)| Change::Replace(at, value)),
        any::<(Index, Index)>().prop_map(|(at, which)| Change::Lose(at, which)),
    ]
}

impl Change {
    fn make(self, tree: &mut Value) {
        let (Self::Replace(at, _) | Self::Lose(at, _)) = self;
        let mut all = Vec::new();
        pointers(tree, String::new(), &mut all);
        let found = tree
            .pointer_mut(&all[at.index(all.len())])
            .expect("it was found in this tree");
        match (self, found) {
            (Self::Replace(_, value), found) => *found = value,
            (Self::Lose(_, which), Value::Object(map)) if !map.is_empty() => {
                let key = map
                    .keys()
                    .nth(which.index(map.len()))
                    .expect("within the length")
                    .clone();
                map.remove(&key);
            }
            (Self::Lose(_, which), Value::Array(values)) if !values.is_empty() => {
                values.remove(which.index(values.len()));
            }
            (Self::Lose(..), found) => *found = Value::Null,
        }
    }
}

/// The JSON pointers (RFC 6901) of all values of a tree.
fn pointers(tree: &Value, at: String, all: &mut Vec<String>) {
    match tree {
        Value::Object(map) => {
            for (key, value) in map {
                let key = key.replace('~', "~0").replace('/', "~1");
                pointers(value, format!("{at}/{key}"), all);
            }
        }
        Value::Array(values) => {
            for (number, value) in values.iter().enumerate() {
                pointers(value, format!("{at}/{number}"), all);
            }
        }
        _ => {}
    }
    all.push(at);
}

/// Damage to the bytes of a text.
#[derive(Clone, Debug)]
enum Tear {
    Flip(Index, u8),
    Cut(Index),
    Drop(Index, usize),
    Insert(Index, Vec<u8>),
}

fn tear() -> impl Strategy<Value = Tear> {
    let insert = prop_oneof![
        Just(vec![0]),
        Just(vec![0xff]),
        Just(b"9".repeat(40)),
        Just(b"[".repeat(300)),
        Just(b"+".to_vec()),
        Just(b"0".to_vec()),
        vec(any::<u8>(), 1..8),
    ];
    prop_oneof![
        3 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Tear::Flip(at, 1 << bit)),
        1 => any::<Index>().prop_map(Tear::Cut),
        1 => (any::<Index>(), 1..10_usize).prop_map(|(at, length)| Tear::Drop(at, length)),
        3 => (any::<Index>(), insert).prop_map(|(at, bytes)| Tear::Insert(at, bytes)),
    ]
}

impl Tear {
    fn make(self, text: &mut Vec<u8>) {
        let (Self::Flip(at, _) | Self::Cut(at) | Self::Drop(at, _) | Self::Insert(at, _)) = self;
        let at = at.index(text.len() + 1);
        match self {
            Self::Flip(_, bits) => text.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= bits),
            Self::Cut(_) => text.truncate(at),
            Self::Drop(_, length) => drop(text.drain(at..text.len().min(at + length))),
            Self::Insert(_, bytes) => drop(text.splice(at..at, bytes)),
        }
    }
}

/// A value that is not what stands in its place.
fn odd() -> impl Strategy<Value = Value> {
    prop_oneof![leaf(), leaf(), tree(&["version"]), (1..200_usize).prop_map(deep)]
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (0..100_u64).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        select(
            &[
                "",
                "\0",
                "-",
                "0",
                "+1",
                "1e9",
                "18446744073709551616",
                "ffffffff"
            ][..]
        )
        .prop_map(Value::from),
        vec(any::<char>(), 0..20).prop_map(|text| Value::from(String::from_iter(text))),
    ]
}

fn tree(keys: &'static [&'static str]) -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 32, 6, move |inner| {
        let key = prop_oneof![
            4 => select(keys).prop_map(str::to_owned),
            1 => vec(any::<char>(), 0..5).prop_map(String::from_iter),
        ];
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            vec((key, inner), 0..6).prop_map(|pairs| Value::Object(Map::from_iter(pairs))),
        ]
    })
}

/// A value within so many arrays.
fn deep(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inner, _| Value::Array(vec![inner]))
}
