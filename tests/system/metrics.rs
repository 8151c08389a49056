//! The log of what happens to volumes, and what `kdev metrics` makes of it.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use serde_json::{Value, json};

use crate::scene::{Say, Scene};

/// The lines of the log.
pub(crate) fn events(scene: &Scene) -> Vec<Value> {
    let text = fs::read_to_string(scene.state_dir().join("events.jsonl")).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub(crate) fn kinds(scene: &Scene) -> Vec<String> {
    let kind = |event: Value| event["event"].as_str().unwrap().to_owned();
    events(scene).into_iter().map(kind).collect()
}

pub(crate) fn metrics(scene: &Scene, more: &[&str]) -> Value {
    let args = [&["metrics", "--json"], more].concat();
    serde_json::from_str(&scene.kdev(&args).good()).unwrap()
}

/// Writes a log by hand.
fn write_log(scene: &Scene, lines: &[String]) {
    fs::create_dir_all(scene.state_dir()).unwrap();
    fs::write(scene.state_dir().join("events.jsonl"), lines.join("\n") + "\n").unwrap();
}

#[test]
fn a_session_that_gives_all_back_is_two_lines_and_a_look_is_none() {
    let scene = Scene::embedded();
    scene.child("passes").good();
    scene.kdev(&["pool", "status"]).good();
    scene.kdev(&["pool", "cleanup"]).good();
    let [allocated, released] = events(&scene).try_into().unwrap();
    assert_eq!(
        (&allocated["event"], &released["event"]),
        (&json!("allocated"), &json!("released"))
    );
    for event in [&allocated, &released] {
        assert_eq!(event["pool"], "embedded");
        assert_eq!(event["volumes"][0]["bytes"], 16 << 20);
        assert!(event["test"].as_str().unwrap().ends_with("passes"), "{event}");
    }
    assert_eq!(allocated["session"], released["session"]);
    let all = &metrics(&scene, &[])["all"];
    assert_eq!(
        (&all["sessions"], &all["released"], &all["peak_volumes"]),
        (&json!(1), &json!(1), &json!(1))
    );
    assert_eq!(
        (&all["size_bytes"], &all["leaked"]),
        (&json!(16 << 20), &json!(0))
    );
    assert_eq!(
        (&all["making"]["count"], &all["held"]["count"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn what_is_kept_and_removed_later_is_told_and_no_leak() {
    let scene = Scene::embedded();
    scene.child("passes").env("KDEV_KEEP", "always").good();
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
    assert_eq!(kinds(&scene), ["allocated", "kept", "reaped"]);
    let all = &metrics(&scene, &[])["all"];
    assert_eq!(
        (&all["kept"], &all["kept_removed"], &all["leaked"]),
        (&json!(1), &json!(1), &json!(0))
    );
}

#[test]
fn what_a_killed_test_leaves_is_told_by_whoever_takes_it_back() {
    let scene = Scene::embedded().with_watchdogs();
    scene.start("waits").kill();
    scene.wait_for_watchdogs();
    assert_eq!(metrics(&scene, &[])["all"]["reaped"]["watchdog"], 1);

    // Without one, the kernel takes a loop device back, and the next program that starts the record.
    let scene = Scene::embedded();
    scene.start("waits").kill();
    scene.child("passes").good();
    assert_eq!(kinds(&scene), ["allocated", "reaped", "allocated", "released"]);
    let reaped = &events(&scene)[1];
    assert_eq!(
        (&reaped["occasion"], &reaped["was"]),
        (&json!("constructor"), &json!("gone"))
    );
    assert_eq!(metrics(&scene, &[])["all"]["forgotten"], 1);

    // An image stays until somebody removes it.
    let scene = Scene::images();
    scene.start("waits").kill();
    scene.kdev(&["pool", "cleanup"]).good();
    let all = &metrics(&scene, &["--pool=images"])["all"];
    assert_eq!(
        (&all["reaped"]["cleanup"], &all["leaked"]),
        (&json!(1), &json!(1))
    );
}

#[test]
fn a_session_that_could_not_be_had_is_a_failure() {
    let scene = Scene::embedded();
    scene.child("passes").good();
    let said = scene.child("passes").env("TMPDIR", scene.path("nowhere")).say();
    assert_ne!(said.code, Some(0), "{}", said.out);
    let failed = &events(&scene)[2];
    assert_eq!(
        (&failed["event"], &failed["wanted_bytes"]),
        (&json!("failed"), &json!(16 << 20))
    );
    assert!(failed["why"].as_str().unwrap().contains("nowhere"), "{failed}");
    assert_eq!(metrics(&scene, &[])["all"]["failures"], 1);
}

#[test]
fn a_log_that_cannot_be_written_fails_no_test_and_is_said_once() {
    let scene = Scene::embedded();
    let theirs = scene.path("theirs");
    fs::write(&theirs, "theirs").unwrap();
    fs::create_dir(scene.state_dir()).unwrap();
    symlink(&theirs, scene.state_dir().join("events.jsonl")).unwrap();
    let said = scene.child("passes").say();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(said.err.matches("lacks something").count(), 1, "{}", said.err);
    assert_eq!(fs::read(&theirs).unwrap(), b"theirs");
    let said = scene.kdev(&["metrics"]).say();
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("it is a symbolic link"), "{}", said.err);
}

#[test]
fn a_torn_line_is_counted_and_no_error() {
    let scene = Scene::embedded();
    scene.child("passes").good();
    let log = scene.state_dir().join("events.jsonl");
    let text = fs::read_to_string(&log).unwrap();
    fs::write(&log, format!("{text}{}", &text[..40])).unwrap();
    let found = metrics(&scene, &[]);
    assert_eq!(
        (&found["unreadable_lines"], &found["all"]["sessions"]),
        (&json!(1), &json!(1))
    );
    let said = scene.kdev(&["metrics"]).good();
    assert!(said.contains("lines of the log that cannot be read: 1"), "{said}");
}

#[test]
fn figures_can_be_had_by_pool_by_test_and_by_day() {
    let scene = Scene::embedded();
    scene.child("passes").good();
    scene.child("passes_with_two").good();
    let by_test = metrics(&scene, &["--by=test"]);
    let sessions = |group: &Value| (group["volumes"].clone(), group["peak_volumes"].clone());
    let groups = by_test["groups"].as_array().unwrap();
    let sessions: Vec<_> = groups.iter().map(sessions).collect();
    assert_eq!(sessions, [(json!(1), json!(1)), (json!(2), json!(2))]);
    let said = scene.kdev(&["metrics"]).good();
    assert!(
        said.contains("\nPOOL ") && said.contains("\nembedded  2 "),
        "{said}"
    );
    let days = metrics(&scene, &["--by=day", "--since=7d"]);
    assert!(
        days["groups"][0]["name"].as_str().unwrap().starts_with("20"),
        "{days}"
    );
    assert_eq!(metrics(&scene, &["--pool=nowhere"])["all"]["sessions"], 0);
    let help = scene.kdev(&["metrics", "--help"]).good();
    for key in by_test["all"].as_object().unwrap().keys() {
        assert!(help.contains(&format!("\n    {key} ")), "{key}: {help}");
    }
}

#[test]
fn without_a_log_there_are_no_figures_and_that_is_no_error() {
    let scene = Scene::embedded();
    assert_eq!(scene.kdev(&["metrics"]).good(), "nothing has happened yet\n");
    assert_eq!(metrics(&scene, &[])["groups"], json!([]));
    assert!(!scene.state_dir().exists(), "a look makes nothing");
}

/// The log has no end of it, and there is more to tell than that its volumes are there.
#[test]
fn what_is_kept_of_a_killed_test_is_not_held_by_it() {
    let scene = Scene::images();
    let mut child = scene.child("waits");
    let child = scene.start_command(child.env("KDEV_KEEP", "always"));
    let ended = || -> Value {
        let page = page(&scene);
        let (_, data) = page.split_once(r#"id="data">"#).unwrap();
        let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
        data["sessions"][0]["ended"].clone()
    };
    assert_eq!(ended(), "held");
    child.kill();
    assert_eq!(ended(), "kept");
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
}

/// Checks the text format (version 0.0.4) as strictly as Prometheus does, and returns the samples.
fn samples(text: &str) -> Vec<(String, f64)> {
    assert!(text.ends_with('\n'));
    let mut samples: Vec<(String, f64)> = Vec::new();
    let mut names: Vec<&str> = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(help) = lines.next() {
        let (name, _) = help.strip_prefix("# HELP ").expect(help).split_once(' ').unwrap();
        assert!(
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'),
            "{name}"
        );
        assert!(!names.contains(&name), "{name} comes twice");
        names.push(name);
        assert_eq!(lines.next().unwrap(), format!("# TYPE {name} gauge"));
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let labels = series.strip_prefix(name).expect(series);
            let is_quoted = labels.starts_with('{') && labels.ends_with("\"}");
            assert!(labels.is_empty() || is_quoted, "{series}");
            assert!(!samples.iter().any(|(before, _)| before == series), "{series}");
            samples.push((series.to_owned(), value.parse().expect(value)));
        }
        assert!(
            samples.last().unwrap().0.starts_with(name),
            "{name} has no sample"
        );
    }
    samples
}

#[test]
fn prometheus_is_told_of_the_log_and_of_what_is_there_now() {
    let scene = Scene::embedded();
    scene.child("passes").good();
    let child = scene.start("waits");
    let found = samples(&scene.kdev(&["metrics", "--prometheus"]).good());
    let value = |series: &str| found.iter().find(|(name, _)| name == series).expect(series).1;
    let count = |series: &str| {
        assert!(value(series).fract() == 0.0, "{series}");
        format!("{}", value(series))
    };
    assert_eq!(count("kdev_log_sessions{pool=\"embedded\"}"), "2");
    assert_eq!(count("kdev_volumes{pool=\"embedded\",verdict=\"alive\"}"), "1");
    assert_eq!(
        count("kdev_log_leaked_volumes{pool=\"embedded\",by=\"watchdog\"}"),
        "0"
    );
    assert!(value("kdev_log_held_seconds{pool=\"embedded\",quantile=\"0.99\"}") < 600.0);
    child.kill();

    // For the textfile collector, which is another user and may look at any moment.
    let file = scene.path("kdev.prom");
    let option = format!("--prometheus={}", file.display());
    assert_eq!(scene.kdev(&["metrics", &option]).good(), "");
    samples(&fs::read_to_string(&file).unwrap());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o644);
    let aside = fs::read_dir(scene.path("")).unwrap();
    let aside = aside.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .starts_with(".kdev-")
    });
    assert_eq!(aside.count(), 0);
    let said = scene
        .kdev(&["metrics", "--prometheus=/nowhere/at/all.prom"])
        .say();
    assert_eq!(said.code, Some(1));
    assert!(
        said.err.contains("could not write `/nowhere/at/all.prom`"),
        "{}",
        said.err
    );
}

#[test]
fn a_pool_of_any_name_is_one_label_for_prometheus() {
    let scene = Scene::embedded();
    let event = json!({"at": "2025-11-15T10:30:45.123Z", "pool": "a\"b\\c\nd", "event": "failed",
        "wanted_bytes": 1, "took_ms": 1, "why": "full"});
    write_log(&scene, &[event.to_string()]);
    let text = scene.kdev(&["metrics", "--prometheus"]).good();
    samples(&text);
    assert!(
        text.contains(r#"kdev_log_failures{pool="a\"b\\c\nd"} 1"#),
        "{text}"
    );
}

fn page(scene: &Scene) -> String {
    let file = scene.path("page.html");
    let said = scene.kdev(&["metrics", "--html", file.to_str().unwrap()]).good();
    assert_eq!(said, format!("wrote `{}`\n", file.display()));
    fs::read_to_string(file).unwrap()
}

#[test]
fn the_page_has_all_it_needs_and_may_ask_nobody_for_more() {
    let scene = Scene::embedded();
    scene.child("passes").good();
    let child = scene.start("waits");
    let page = page(&scene);
    child.kill();
    assert!(
        page.contains(
            r#"content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">"#
        )
    );
    for asks in [
        "http:",
        "https:",
        "//cdn",
        "url(",
        "@import",
        "src=",
        "href",
        "fetch(",
        "XMLHttpRequest",
        "import(",
        "WebSocket",
        "EventSource",
        "sendBeacon",
        "innerHTML",
        "eval(",
        "new Image",
        "{{",
    ] {
        assert!(!page.contains(asks), "{asks}");
    }
    let (_, data) = page.split_once(r#"id="data">"#).unwrap();
    let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    let ended = data["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| &one["ended"]);
    assert_eq!(ended.collect::<Vec<_>>(), ["released", "held"]);
}

#[test]
fn whatever_a_test_is_called_it_is_text_on_the_page() {
    let scene = Scene::embedded();
    let name = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{data}}<!--\u{2028}";
    let event = |event: &str, at: &str| {
        json!({"at": at, "pool": name, "event": event, "session": name, "test": name, "pid": 1,
            "volumes": [{"lv_name": name, "bytes": 4096}], "took_ms": 1, "held_ms": 1, "why": name})
    };
    let allocated = event("allocated", "2025-11-15T10:30:45.123Z").to_string();
    let released = event("released", "2025-11-15T10:30:46.123Z").to_string();
    write_log(&scene, &[allocated, released]);
    let page = page(&scene);
    assert!(!page.contains("<img") && !page.contains("<!--") && !page.contains("<script>alert"));
    assert_eq!(
        page.matches("</script>").count(),
        2,
        "the data's, and the script's"
    );
    assert!(page.contains("&lt;/script&gt;&lt;script&gt;alert(1)"));
    let (_, data) = page.split_once(r#"id="data">"#).unwrap();
    let data: Value = serde_json::from_str(data.split_once("</script>").unwrap().0).unwrap();
    assert_eq!(data["sessions"][0]["test"], name);
}
