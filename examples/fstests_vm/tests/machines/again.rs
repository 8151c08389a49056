//! Tests that run more than once, in one run or from run to run.

use std::fs;

use serde_json::json;

use crate::support::{Kernel, Scene};

#[test]
fn what_changed_since_a_run_is_told() {
    let scene = Scene::new();
    let tests = scene.copy_tree().join("tests/demo");
    let args = ["--", "demo/001", "demo/002", "demo/007", "demo/008"];
    let then = scene.run(Kernel::Uml, &args).exits(1).dir();
    fs::copy(tests.join("002.out"), tests.join("002.text")).unwrap();
    fs::write(tests.join("002"), "cat tests/demo/002.text\n").unwrap();
    fs::write(tests.join("007"), "exit 4\n").unwrap();

    let baseline = format!("--baseline={}", then.display());
    let ran = scene
        .run(Kernel::Uml, &[&[baseline.as_str()], &args[..]].concat())
        .exits(1);
    let comparison = &ran.events_of("summary")[0]["comparison"];
    assert_eq!(comparison["with"].as_str(), then.file_name().unwrap().to_str());
    assert_eq!(comparison["fixed"], json!(["demo/002"]));
    assert_eq!(comparison["still_failing"], json!(["demo/008"]));
    assert_eq!(comparison["new_failures"].as_array().unwrap().len(), 1, "{ran}");
    let new = &comparison["new_failures"][0];
    assert_eq!(
        (&new["name"], &new["then"], &new["now"]),
        (&json!("demo/007"), &json!("pass"), &json!("fail"))
    );
    let summary = fs::read_to_string(ran.dir().join("summary.txt")).unwrap();
    for told in [
        "demo/007  pass -> fail: [failed, exit status 4]",
        "fixed (1): demo/002",
    ] {
        assert!(summary.contains(told), "{summary}");
    }
    scene.left().is_nothing();
}

#[test]
fn a_test_is_repeated_as_often_as_asked_for() {
    let scene = Scene::new();
    let ran = scene
        .run(Kernel::Uml, &["--repeat=2", "--", "demo/007", "demo/009"])
        .exits(1);
    let attempts: Vec<Vec<String>> = ran
        .tests()
        .iter()
        .map(|test| {
            let attempts = test["attempts"].as_array().unwrap().iter();
            attempts
                .map(|attempt| attempt["outcome"].as_str().unwrap().to_owned())
                .collect()
        })
        .collect();
    assert_eq!(attempts, [["pass", "pass"], ["fail", "pass"]]);
    // Who repeats wants to know of one time in many: only a retry may make up for a failure.
    assert_eq!(ran.outcomes()[1].1, "fail");
    assert_eq!(ran.events_of("test-ended").len(), 4);
    scene.left().is_nothing();
}
