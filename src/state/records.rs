use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::images;
use crate::session_id::SessionId;
use crate::state::{Kind, Record};

/// The version of the file that this crate writes. kerneldev-mcp writes none, which is the same.
pub(super) const VERSION: u64 = 1;

/// What the file holds. Entries that we cannot read, and keys that we do not know, stay in it.
///
/// An entry is read when somebody looks into it, and written anew only when it was changed: of a thousand, a session
/// has to do with its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    entries: Vec<Entry>,
    others: Map<String, Value>,
    /// Whether there are other entries than were read.
    is_changed: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    /// As it stands in the file; `None` if it does not yet.
    text: Option<Box<RawValue>>,
    lv_name: String,
    /// `None` if it is none that we can read.
    record: OnceCell<Option<Record>>,
    /// Whether `text` may say something else.
    is_touched: bool,
}

impl Records {
    /// Returns the records, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.entries.iter().filter_map(Entry::record)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Record> {
        self.entries.iter_mut().filter_map(Entry::record_mut)
    }

    /// Returns the records of these names.
    pub(crate) fn named_mut<'a>(
        &'a mut self,
        lv_names: &'a BTreeSet<String>,
    ) -> impl Iterator<Item = &'a mut Record> {
        self.entries
            .iter_mut()
            .filter(|entry| lv_names.contains(&entry.lv_name))
            .filter_map(Entry::record_mut)
    }

    /// Returns the sessions that any entry is of, also one that we cannot read.
    pub(crate) fn sessions(&self) -> BTreeSet<SessionId> {
        let names = self.entries.iter().map(|entry| &entry.lv_name);
        names.filter_map(|lv_name| SessionId::of_lv(lv_name)).collect()
    }

    pub(crate) fn extend(&mut self, records: impl IntoIterator<Item = Record>) {
        let before = self.entries.len();
        self.entries.extend(records.into_iter().map(Entry::from));
        self.is_changed |= self.entries.len() != before;
    }

    /// Adds a record, or puts it in the place of the one of that name.
    pub(crate) fn put(&mut self, record: Record) {
        match self
            .entries
            .iter_mut()
            .find_map(|entry| entry.named(&record.lv_name))
        {
            Some(place) => *place = record,
            None => self.extend([record]),
        }
    }

    /// Tells whether there is a record of that name.
    pub(crate) fn has(&self, lv_name: &str) -> bool {
        let mut named = self.entries.iter().filter(|entry| entry.lv_name == lv_name);
        named.any(|entry| entry.record().is_some())
    }

    /// Drops the records of which `drop` is true.
    pub(crate) fn drop_if(&mut self, drop: impl Fn(&Record) -> bool) {
        self.retain(|entry| !entry.record().is_some_and(&drop));
    }

    /// Drops the records of these names.
    pub(crate) fn drop_named(&mut self, drop: impl Fn(&str) -> bool) {
        self.retain(|entry| !drop(&entry.lv_name) || entry.record().is_none());
    }

    fn retain(&mut self, keep: impl Fn(&Entry) -> bool) {
        let before = self.entries.len();
        self.entries.retain(keep);
        self.is_changed |= self.entries.len() != before;
    }

    /// Tells whether they say something else than was read.
    pub(super) fn is_changed(&self) -> bool {
        self.is_changed || self.entries.iter().any(Entry::is_changed)
    }

    /// Writes the file's text, a line for each entry.
    pub(super) fn text(&self) -> serde_json::Result<Vec<u8>> {
        let mut text = format!("{{\n  \"version\": {VERSION},\n  \"allocations\": [").into_bytes();
        for (at, entry) in self.entries.iter().enumerate() {
            text.extend_from_slice(if at == 0 { b"\n    " } else { b",\n    " });
            match (&entry.text, entry.record.get()) {
                (Some(raw), _) if !entry.is_touched => text.extend_from_slice(raw.get().as_bytes()),
                (_, Some(Some(record))) => serde_json::to_writer(&mut text, record)?,
                (Some(raw), _) => text.extend_from_slice(raw.get().as_bytes()),
                (None, _) => {}
            }
        }
        text.extend_from_slice(b"\n  ]");
        for (key, value) in &self.others {
            text.extend_from_slice(b",\n  ");
            serde_json::to_writer(&mut text, key)?;
            text.extend_from_slice(b": ");
            serde_json::to_writer(&mut text, value)?;
        }
        text.extend_from_slice(b"\n}\n");
        Ok(text)
    }
}

impl Entry {
    fn record(&self) -> Option<&Record> {
        let read = || self.text.as_ref().and_then(|text| read(text));
        self.record.get_or_init(read).as_ref()
    }

    fn record_mut(&mut self) -> Option<&mut Record> {
        self.record()?;
        self.is_touched = true;
        self.record.get_mut()?.as_mut()
    }

    fn named(&mut self, lv_name: &str) -> Option<&mut Record> {
        match self.lv_name == lv_name {
            true => self.record_mut(),
            false => None,
        }
    }

    fn is_changed(&self) -> bool {
        let before = || self.text.as_ref().and_then(|text| read(text));
        self.is_touched && before().as_ref() != self.record()
    }
}

impl From<Record> for Entry {
    fn from(record: Record) -> Self {
        Self {
            text: None,
            lv_name: record.lv_name.clone(),
            record: OnceCell::from(Some(record)),
            is_touched: true,
        }
    }
}

impl TryFrom<Box<RawValue>> for Entry {
    type Error = serde_json::Error;

    fn try_from(text: Box<RawValue>) -> serde_json::Result<Self> {
        Ok(Self {
            lv_name: lv_name_of(text.get())?,
            text: Some(text),
            record: OnceCell::new(),
            is_touched: false,
        })
    }
}

/// What we write has its name in front; what others write is read to its end.
fn lv_name_of(text: &str) -> serde_json::Result<String> {
    let in_front = || text.strip_prefix("{\"lv_name\":\"")?.split_once('"');
    if let Some((lv_name, _)) = in_front().filter(|(lv_name, _)| !lv_name.contains('\\')) {
        return Ok(lv_name.to_owned());
    }
    let entry: Value = serde_json::from_str(text)?;
    Ok(entry["lv_name"].as_str().unwrap_or_default().to_owned())
}

fn read(text: &RawValue) -> Option<Record> {
    let mut record: Record = serde_json::from_str(text.get()).ok()?;
    // kerneldev-mcp keeps no key of ours when it writes the file, and no volume of its own is in no VG.
    if record.vg_name.is_empty() && record.kind == Kind::Lvm {
        record.kind = match images::is_image(&record.lv_path) {
            true => Kind::Image,
            false => Kind::Loop,
        };
    }
    Some(record)
}

/// The file, as far as it is read at once.
pub(super) struct Layout {
    pub(super) version: Option<Value>,
    pub(super) records: Records,
}

impl<'de> Deserialize<'de> for Layout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Keys)
    }
}

struct Keys;

impl<'de> Visitor<'de> for Keys {
    type Value = Layout;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with the key `allocations`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Layout, A::Error> {
        let mut version = None;
        let mut allocations: Option<Vec<Box<RawValue>>> = None;
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
        let entries = allocations.unwrap_or_default().into_iter().map(Entry::try_from);
        Ok(Layout {
            version,
            records: Records {
                entries: entries
                    .collect::<serde_json::Result<_>>()
                    .map_err(de::Error::custom)?,
                others,
                is_changed: false,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn records(text: &str) -> Records {
        let Layout { records, .. } = serde_json::from_str(text).unwrap();
        records
    }

    /// As kerneldev-mcp writes it.
    fn allocation(lv_name: &str) -> Value {
        json!({
            "lv_path": format!("/dev/vg/{lv_name}"), "lv_name": lv_name, "pool_name": "default", "vg_name": "vg",
            "volume_spec": {"name": "test", "size": "10G", "env_var": "TEST_DEV", "order": 0, "path": null},
            "pid": 1234, "allocated_at": "2025-11-15T10:30:45.123456", "session_id": "session-a3f9d2",
        })
    }

    fn three() -> Records {
        let unreadable = json!({"lv_name": "b", "pid": "many"});
        records(
            &json!({"allocations": [allocation("a"), unreadable, allocation("c")], "beside": 1}).to_string(),
        )
    }

    fn written(records: &Records) -> Value {
        serde_json::from_slice(&records.text().unwrap()).unwrap()
    }

    fn named(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_not_changed_is_written_as_it_was() {
        let entry = r#"{"lv_name":"a",   "pid" : 1.50}"#;
        let mut records = records(&format!(r#"{{"allocations":[{entry}]}}"#));
        assert_eq!(records.iter().count(), 0, "it is none of ours");
        records.extend([serde_json::from_value(allocation("b")).unwrap()]);
        let text = String::from_utf8(records.text().unwrap()).unwrap();
        assert!(text.contains(entry), "{text}");
    }

    #[test]
    fn our_own_text_is_read_and_written_as_the_same() {
        let mut before = three();
        // All of it is ours then.
        before.iter_mut().for_each(|record| record.pid += 1);
        let text = before.text().unwrap();
        let after = records(std::str::from_utf8(&text).unwrap());
        assert_eq!(after.text().unwrap(), text);
        assert!(before.iter().eq(after.iter()));
        assert!(!after.is_changed());
    }

    type Change = fn(&mut Records);

    #[rstest]
    #[case::nothing(|_: &mut Records| {}, false)]
    #[case::a_look(|records: &mut Records| assert_eq!(records.iter_mut().count(), 2), false)]
    #[case::the_same_again(|records: &mut Records| records.put(serde_json::from_value(allocation("a")).unwrap()), false)]
    #[case::nothing_added(|records: &mut Records| records.extend([]), false)]
    #[case::nothing_dropped(|records: &mut Records| records.drop_named(|name| name == "x"), false)]
    #[case::another_pid(|records: &mut Records| records.iter_mut().for_each(|record| record.pid = 1), true)]
    #[case::one_more(|records: &mut Records| records.put(serde_json::from_value(allocation("d")).unwrap()), true)]
    #[case::one_less(|records: &mut Records| records.drop_named(|name| name == "c"), true)]
    fn a_change_is_known(#[case] change: Change, #[case] is_one: bool) {
        let mut records = three();
        change(&mut records);
        assert_eq!(records.is_changed(), is_one);
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_neither_changed_nor_dropped_nor_replaced() {
        let mut records = three();
        assert!(!records.has("b"));
        assert_eq!(records.named_mut(&named(&["a", "b"])).count(), 1);
        records.drop_named(|_| true);
        records.put(serde_json::from_value(allocation("b")).unwrap());
        let written = written(&records);
        let entries = written["allocations"].as_array().unwrap();
        assert_eq!(entries[0], json!({"lv_name": "b", "pid": "many"}));
        assert_eq!((entries.len(), &entries[1]["pid"]), (2, &json!(1234)));
        assert_eq!(written["beside"], json!(1));
    }

    #[rstest]
    #[case::ours(r#"{"lv_name":"a","x":1}"#, "a")]
    #[case::not_in_front(r#"{"x":1,"lv_name":"a"}"#, "a")]
    #[case::with_blanks(r#"{ "lv_name" : "a" }"#, "a")]
    #[case::escaped(r#"{"lv_name":"\u0061\"b"}"#, "a\"b")]
    #[case::none(r#"{"x":1}"#, "")]
    #[case::no_name(r#"{"lv_name":7}"#, "")]
    #[case::no_object("7", "")]
    fn an_entry_is_known_by_its_name(#[case] text: &str, #[case] lv_name: &str) {
        assert_eq!(lv_name_of(text).unwrap(), lv_name);
    }
}
