//! Files of records that are damaged: whatever is in them, nothing is lost.

use std::fs;

use proptest::prelude::{Strategy, prop_oneof, proptest};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::Error;
use crate::garbage::{self, Text};
use crate::state::file::tests::{add, foreign, on_disk, state, write};
use crate::state::layout::Layout;
use crate::state::{Record, State};

fn files() -> impl Strategy<Value = Text> {
    let odd = json!({"something": ["else"]});
    let good = json!({"version": 1, "allocations": [foreign("a"), odd, foreign("c")], "beside": {"x": 1}});
    prop_oneof![
        1 => garbage::bytes(),
        1 => garbage::trees(&["version", "allocations", "lv_name", "pid"]),
        4 => garbage::damaged(good),
    ]
}

/// What is written of a value that was read: all of it, and perhaps keys of ours beside.
fn is_kept(before: &Value, after: &Value) -> bool {
    match (before, after) {
        (Value::Object(before), Value::Object(after)) => before.iter().all(|(key, value)| {
            after
                .get(key)
                .map_or(value.is_null(), |after| is_kept(value, after))
        }),
        // serde_json reads the last digit of such a number as it pleases.
        (Value::Number(before), Value::Number(after)) if before.is_f64() => {
            let (before, after) = (before.as_f64().unwrap(), after.as_f64().unwrap());
            (before - after).abs() <= before.abs() * 1e-14
        }
        (Value::Array(before), Value::Array(after)) => {
            before.len() == after.len()
                && before
                    .iter()
                    .zip(after)
                    .all(|(before, after)| is_kept(before, after))
        }
        _ => before == after,
    }
}

/// Each entry may be nested as deep as serde_json reads, so the file as a whole may be deeper than that. What
/// nobody looks into stays as text.
fn assert_carries_over(state: &State, before: &[u8]) {
    let after = fs::read(state.dir().records_file()).unwrap();
    let (before, after) = (entries(before), entries(&after));
    assert_eq!(after.len(), before.len() + 1);
    for entry in before {
        assert!(after.contains(&entry), "{entry}");
    }
}

/// The entries as they are written.
fn entries(file: &[u8]) -> Vec<String> {
    let file: Layout = serde_json::from_slice(file).unwrap();
    file.allocations
        .iter()
        .map(|entry| entry.get().to_owned())
        .collect()
}

#[test]
fn an_entry_that_is_nested_as_deep_as_can_be_is_carried_over() {
    let (_root, state) = state();
    let deep = format!("{}{}", "[".repeat(127), "]".repeat(127));
    let text = format!("{{\"allocations\": [{deep}, {}]}}", foreign("a"));
    assert!(serde_json::from_str::<Value>(&text).is_err());
    write(&state, &text);
    add(&state, "b");
    assert_carries_over(&state, text.as_bytes());
    let records = state.snapshot().unwrap();
    assert!(["a", "b"].iter().all(|name| records.named(name).is_some()));
}

proptest! {
    #![proptest_config(garbage::config())]

    #[test]
    fn of_a_damaged_file_nothing_is_lost(Text(text) in files()) {
        let (root, state) = state();
        write(&state, &text);
        state.snapshot().unwrap();
        let record = Record::deserialize(foreign("b")).unwrap();
        let updated = state.update(|records| {
            records.extend([record]);
            Ok(())
        });
        if let Err(err) = updated {
            assert!(matches!(err, Error::NewerFile { .. }), "{err}");
            assert_eq!(fs::read(state.dir().records_file()).unwrap(), text);
            return Ok(());
        }
        let aside = fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().path());
        let aside = Vec::from_iter(aside.filter(|path| path.to_string_lossy().contains("unreadable-")));
        if aside.is_empty() && serde_json::from_slice::<Value>(&text).is_err() {
            assert_carries_over(&state, &text);
            return Ok(());
        }
        let written = on_disk(&state);
        let after = written["allocations"].as_array().unwrap();
        assert!(after.iter().any(|record| record["lv_name"] == "b"));
        match aside.as_slice() {
            [] => {
                let before: Value = serde_json::from_slice(&text).unwrap();
                for (key, value) in before.as_object().unwrap() {
                    let kept = is_kept(value, &written[key]);
                    assert!(kept || ["allocations", "version"].contains(&key.as_str()), "{key}");
                }
                for record in before["allocations"].as_array().into_iter().flatten() {
                    assert!(after.iter().any(|after| is_kept(record, after)), "{record}");
                }
            }
            [aside] => {
                assert_eq!(fs::read(aside).unwrap(), text);
                assert_eq!(after.len(), 1);
            }
            more => panic!("set aside more than once: {more:?}"),
        }
    }
}
