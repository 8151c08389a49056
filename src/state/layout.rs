use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// The file, as far as it is read at once.
pub(super) struct Layout<'text> {
    pub(super) version: Option<Value>,
    pub(super) allocations: Vec<&'text RawValue>,
    pub(super) others: Map<String, Value>,
}

impl<'de> Deserialize<'de> for Layout<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Layout<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the key `allocations`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Layout<'de>, A::Error> {
        let mut version = None;
        let mut allocations = None;
        let mut others = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "version" if version.is_none() => version = Some(map.next_value()?),
                "allocations" if allocations.is_none() => allocations = Some(map.next_value()?),
                "version" | "allocations" => {
                    return Err(de::Error::custom(format!("`{key}` is there twice")));
                }
                _ => drop(others.insert(key, map.next_value()?)),
            }
        }
        Ok(Layout {
            version,
            allocations: allocations.unwrap_or_default(),
            others,
        })
    }
}
