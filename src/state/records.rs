use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::ops::Range;

use serde_json::{Map, Value};

use crate::images;
use crate::session_id::SessionId;
use crate::state::layout::Layout;
use crate::state::{Kind, Record};

/// The version of the file that this crate writes. kerneldev-mcp writes none, which is the same.
pub(super) const VERSION: u64 = 1;

/// What the file holds. Entries that we cannot read, and keys that we do not know, stay in it.
///
/// An entry is read when somebody looks into it, and written anew only when it was changed: of a thousand, a session
/// has to do with its own. What is not read stays where it is in the file's text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    text: String,
    entries: Vec<Entry>,
    others: Map<String, Value>,
    /// Whether there are other entries than were read.
    is_changed: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    /// Where it stands in the file's text; `None` if it does not yet.
    at: Option<Range<usize>>,
    lv_name: String,
    /// `None` if it is none that we can read.
    record: OnceCell<Option<Box<Record>>>,
    /// Whether the text may say something else.
    is_touched: bool,
}

impl Records {
    /// Reads the file's text, and which version it says that it is of.
    pub(super) fn read(text: String) -> serde_json::Result<(Option<Value>, Self)> {
        let Layout {
            version,
            allocations,
            others,
        } = serde_json::from_str(&text)?;
        let entries = allocations.iter().map(|entry| Entry::read(&text, entry.get()));
        let records = Self {
            entries: entries.collect::<serde_json::Result<_>>()?,
            others,
            is_changed: false,
            text,
        };
        Ok((version, records))
    }

    /// Returns the records, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Record> {
        self.entries.iter().filter_map(|entry| entry.record(&self.text))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Record> {
        let Self { text, entries, .. } = self;
        entries.iter_mut().filter_map(|entry| entry.record_mut(text))
    }

    /// Returns the records of these names.
    pub(crate) fn named_mut<'a>(
        &'a mut self,
        lv_names: &'a BTreeSet<String>,
    ) -> impl Iterator<Item = &'a mut Record> {
        let Self { text, entries, .. } = self;
        let named = entries
            .iter_mut()
            .filter(|entry| lv_names.contains(&entry.lv_name));
        named.filter_map(|entry| entry.record_mut(text))
    }

    /// Returns the records of one session.
    pub(crate) fn of_session(&self, session: &SessionId) -> impl Iterator<Item = &Record> {
        let theirs = self.entries_of(session);
        theirs.filter_map(|entry| entry.record(&self.text))
    }

    /// Tells whether any entry is of that session, also one that we cannot read.
    pub(crate) fn has_session(&self, session: &SessionId) -> bool {
        self.entries_of(session).next().is_some()
    }

    fn entries_of(&self, session: &SessionId) -> impl Iterator<Item = &Entry> {
        let mark = format!("-{session}-");
        self.entries.iter().filter(move |entry| {
            entry.lv_name.contains(&mark) && SessionId::of_lv(&entry.lv_name).as_ref() == Some(session)
        })
    }

    pub(crate) fn extend(&mut self, records: impl IntoIterator<Item = Record>) {
        let before = self.entries.len();
        self.entries.extend(records.into_iter().map(Entry::from));
        self.is_changed |= self.entries.len() != before;
    }

    /// Adds a record, or puts it in the place of the one of that name.
    pub(crate) fn put(&mut self, record: Record) {
        let Self { text, entries, .. } = self;
        let mut named = entries.iter_mut().filter(|entry| entry.lv_name == record.lv_name);
        match named.find_map(|entry| entry.record_mut(text)) {
            Some(place) => *place = record,
            None => self.extend([record]),
        }
    }

    /// Returns the record of that name.
    pub(crate) fn named(&self, lv_name: &str) -> Option<&Record> {
        let mut named = self.entries.iter().filter(|entry| entry.lv_name == lv_name);
        named.find_map(|entry| entry.record(&self.text))
    }

    /// Drops the records of which `drop` is true.
    pub(crate) fn drop_if(&mut self, drop: impl Fn(&Record) -> bool) {
        self.retain(|entry, text| !entry.record(text).is_some_and(&drop));
    }

    /// Drops the records of these names.
    pub(crate) fn drop_named(&mut self, drop: impl Fn(&str) -> bool) {
        self.retain(|entry, text| !drop(&entry.lv_name) || entry.record(text).is_none());
    }

    fn retain(&mut self, keep: impl Fn(&Entry, &str) -> bool) {
        let before = self.entries.len();
        self.entries.retain(|entry| keep(entry, &self.text));
        self.is_changed |= self.entries.len() != before;
    }

    /// Tells whether they say something else than was read.
    pub(super) fn is_changed(&self) -> bool {
        self.is_changed || self.entries.iter().any(|entry| entry.is_changed(&self.text))
    }

    /// Writes the file's text, a line for each entry. Lines that stay as they are, one after another, go out as one.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        write!(out, "{{\n  \"version\": {VERSION},\n  \"allocations\": [")?;
        // What is still to be written of the text that was read.
        let mut kept = 0..0;
        let mut between = "\n    ";
        for entry in &self.entries {
            let at = entry.at.clone().filter(|_| !entry.is_touched);
            match (at, entry.record.get()) {
                (Some(at), _) if self.text.get(kept.end..at.start) == Some(BETWEEN) => kept.end = at.end,
                (at, record) => {
                    out.write_all(self.text[kept].as_bytes())?;
                    out.write_all(between.as_bytes())?;
                    if let (None, Some(Some(record))) = (&at, record) {
                        serde_json::to_writer(&mut *out, record)?;
                    }
                    kept = at.unwrap_or_default();
                    between = BETWEEN;
                }
            }
        }
        out.write_all(self.text[kept].as_bytes())?;
        write!(out, "\n  ]")?;
        for (key, value) in &self.others {
            write!(out, ",\n  {}: {value}", Value::from(key.as_str()))?;
        }
        writeln!(out, "\n}}")
    }
}

/// What stands between two entries.
const BETWEEN: &str = ",\n    ";

impl Entry {
    /// `entry` is a part of `text`.
    fn read(text: &str, entry: &str) -> serde_json::Result<Self> {
        let start = entry.as_ptr().addr() - text.as_ptr().addr();
        Ok(Self {
            at: Some(start..start + entry.len()),
            lv_name: lv_name_of(entry)?,
            record: OnceCell::new(),
            is_touched: false,
        })
    }

    /// What of it is written in the file's text.
    fn as_written(&self, text: &str) -> Option<Box<Record>> {
        self.at.clone().and_then(|at| read(&text[at])).map(Box::new)
    }

    fn record(&self, text: &str) -> Option<&Record> {
        self.record.get_or_init(|| self.as_written(text)).as_deref()
    }

    fn record_mut(&mut self, text: &str) -> Option<&mut Record> {
        self.record(text)?;
        self.is_touched = true;
        self.record.get_mut()?.as_deref_mut()
    }

    fn is_changed(&self, text: &str) -> bool {
        self.is_touched && self.as_written(text).as_deref() != self.record(text)
    }
}

impl From<Record> for Entry {
    fn from(record: Record) -> Self {
        Self {
            at: None,
            lv_name: record.lv_name.clone(),
            record: OnceCell::from(Some(Box::new(record))),
            is_touched: true,
        }
    }
}

/// What we write has its name in front; what others write is read to its end.
fn lv_name_of(entry: &str) -> serde_json::Result<String> {
    let in_front = || entry.strip_prefix("{\"lv_name\":\"")?.split_once('"');
    if let Some((lv_name, _)) = in_front().filter(|(lv_name, _)| !lv_name.contains('\\')) {
        return Ok(lv_name.to_owned());
    }
    let entry: Value = serde_json::from_str(entry)?;
    Ok(entry["lv_name"].as_str().unwrap_or_default().to_owned())
}

fn read(entry: &str) -> Option<Record> {
    let mut record: Record = serde_json::from_str(entry).ok()?;
    // kerneldev-mcp keeps no key of ours when it writes the file, and no volume of its own is in no VG.
    if record.vg_name.is_empty() && record.kind == Kind::Lvm {
        record.kind = match images::is_image(&record.lv_path) {
            true => Kind::Image,
            false => Kind::Loop,
        };
    }
    Some(record)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn records(text: &str) -> Records {
        Records::read(text.to_owned()).unwrap().1
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

    fn text(records: &Records) -> Vec<u8> {
        let mut text = Vec::new();
        records.write(&mut text).unwrap();
        text
    }

    fn written(records: &Records) -> Value {
        serde_json::from_slice(&text(records)).unwrap()
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
        let text = String::from_utf8(text(&records)).unwrap();
        assert!(text.contains(entry), "{text}");
    }

    #[test]
    fn our_own_text_is_read_and_written_as_the_same() {
        let mut before = three();
        // All of it is ours then.
        before.iter_mut().for_each(|record| record.pid += 1);
        let text = text(&before);
        let after = records(std::str::from_utf8(&text).unwrap());
        assert_eq!(self::text(&after), text);
        assert!(before.iter().eq(after.iter()));
        assert!(!after.is_changed());
    }

    #[rstest]
    #[case::all(&[], "a b c d e")]
    #[case::the_first(&["a"], "A b c d e")]
    #[case::one_between(&["c"], "a b C d e")]
    #[case::two_in_a_row(&["b", "c"], "a B C d e")]
    #[case::the_last(&["e"], "a b c d E")]
    #[case::every_other(&["a", "c", "e"], "A b C d E")]
    fn what_is_changed_is_written_in_its_place(#[case] changed: &[&str], #[case] expected: &str) {
        let ours = |name: &&str| serde_json::from_value::<Record>(allocation(name)).unwrap();
        let mut before = Records::default();
        before.extend(["a", "x", "b", "c", "d", "e"].iter().map(ours));
        let mut after = records(std::str::from_utf8(&text(&before)).unwrap());
        after.drop_named(|name| name == "x");
        after
            .named_mut(&named(changed))
            .for_each(|record| record.lv_name.make_ascii_uppercase());
        let written = records(std::str::from_utf8(&text(&after)).unwrap());
        assert!(written.iter().eq(after.iter()));
        let names: Vec<_> = written.iter().map(|record| record.lv_name.as_str()).collect();
        assert_eq!(names.join(" "), expected);
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
    fn a_session_is_known_by_the_names_of_its_volumes() {
        let id = |hex: &str| SessionId::parse(&format!("20251115103045-{hex}")).unwrap();
        let odd = "kdev-20251115103045-a3f9d2-20251115103045-bbbbbb-test";
        let unreadable = json!({"lv_name": "kdev-20251115103045-cccccc-test", "pid": "many"});
        let allocations = [
            allocation("kdev-20251115103045-a3f9d2-test"),
            allocation(odd),
            unreadable,
        ];
        let records = records(&json!({"allocations": allocations}).to_string());
        let of = |hex: &str| {
            let session = id(hex);
            let names = records.of_session(&session).map(|record| record.lv_name.as_str());
            (names.collect::<Vec<_>>(), records.has_session(&session))
        };
        assert_eq!(of("a3f9d2"), (vec!["kdev-20251115103045-a3f9d2-test"], true));
        assert_eq!(of("bbbbbb"), (vec![odd], true));
        assert_eq!(of("cccccc"), (vec![], true));
        assert_eq!(of("dddddd"), (vec![], false));
    }

    #[test]
    fn an_entry_that_cannot_be_read_is_neither_changed_nor_dropped_nor_replaced() {
        let mut records = three();
        assert!(records.named("b").is_none());
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
