//! What a program with annotated tests tells `kdev plan` while it lists them, and nobody else.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::scene::{Say, Scene};

/// This very program, which has annotated tests, as runners have it list them.
fn lists(scene: &Scene, args: &[&str], directory: Option<&Path>) -> Command {
    let mut command = scene.program(env::current_exe().unwrap());
    command.args(["--list", "--format", "terse"]).args(args);
    if let Some(directory) = directory {
        command.env("KDEV_PLAN_DIR", directory);
    }
    command
}

fn told(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_program_tells_what_its_tests_need_only_when_asked_and_never_on_standard_output() {
    let scene = Scene::embedded();
    let directory = scene.path("told");
    fs::create_dir(&directory).unwrap();
    let plain = lists(&scene, &[], None).good();
    let ignored = lists(&scene, &["--ignored"], None).good();
    assert!(plain.contains("children::passes: test\n"), "{plain}");

    assert_eq!(lists(&scene, &["--ignored"], Some(&directory)).good(), ignored);
    assert_eq!(
        told(&directory),
        [""; 0],
        "it is told once, not twice at the same time"
    );
    assert_eq!(lists(&scene, &[], Some(&directory)).good(), plain);
    let [file] = told(&directory).try_into().unwrap();
    let program = env::current_exe().unwrap();
    let name = program.file_name().unwrap().to_str().unwrap();
    assert_eq!(file, format!("{name}.json"), "nobody told it another name");

    let text = fs::read(directory.join(file)).unwrap();
    let told_now: Value = serde_json::from_slice(&text).unwrap();
    assert_eq!(told_now["program"], program.to_str().unwrap());
    let tests = told_now["tests"].as_array().unwrap();
    let of = |name: &str| tests.iter().find(|test| test["function"] == name).unwrap();
    let test = of("waits_after_unmounting");
    assert_eq!(test["module"], "system::children");
    let volume = |name: &str, env: &str| json!({"name": name, "bytes": 32 << 20, "env": env, "order": 0});
    assert_eq!(
        test["volumes"],
        json!([volume("test", "TEST_DEV"), volume("scratch", "SCRATCH_DEV")])
    );
}

#[test]
fn the_name_that_nextest_gives_to_a_program_is_a_file_name() {
    let scene = Scene::embedded();
    let directory = scene.path("told");
    fs::create_dir(&directory).unwrap();
    lists(&scene, &[], Some(&directory))
        .env("NEXTEST_BINARY_ID", "kdev-volumes::../system")
        .good();
    assert_eq!(told(&directory), ["kdev-volumes%3A%3A%2E%2E%2Fsystem.json"]);
}

#[test]
fn a_program_that_runs_tests_tells_nothing() {
    let scene = Scene::embedded();
    let directory = scene.path("told");
    fs::create_dir(&directory).unwrap();
    scene.child("passes").env("KDEV_PLAN_DIR", &directory).good();
    assert_eq!(told(&directory), [""; 0]);
}

#[test]
fn a_program_that_cannot_tell_lists_its_tests_all_the_same() {
    let scene = Scene::embedded();
    let plain = lists(&scene, &[], None).good();
    let said = lists(&scene, &[], Some(&scene.path("missing"))).say();
    assert_eq!((said.code, said.out), (Some(0), plain));
    assert!(
        said.err.contains("could not tell `kdev plan` what tests ask for"),
        "{}",
        said.err
    );
}
