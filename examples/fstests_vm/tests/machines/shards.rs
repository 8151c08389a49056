//! Parts of a run: at once in several machines, or one each on several hosts.

use std::collections::BTreeSet;

use crate::support::{Kernel, Ran, Scene};

const TESTS: [&str; 5] = ["--", "-g", "quick", "-g", "flaky"];

#[test]
fn two_machines_at_once_come_to_what_one_comes_to() {
    let scene = Scene::new();
    let one = scene.run(Kernel::Uml, &TESTS).exits(1);
    let two = scene
        .run(Kernel::Uml, &[&["--shards=2"], &TESTS[..]].concat())
        .exits(1);
    assert_eq!(two.outcomes(), one.outcomes());
    assert_eq!(two.results()["shards"], 2);
    let of: BTreeSet<u64> = two
        .tests()
        .iter()
        .map(|test| test["shard"].as_u64().unwrap())
        .collect();
    assert_eq!(of, BTreeSet::from([1, 2]));
    assert_eq!(
        two.events_of("test-started").len(),
        one.outcomes().len(),
        "each runs once: {two}"
    );
    // Both are up before either has run its first test.
    let volumes = two.results()["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|volume| volume["path"].to_string())
        .collect::<BTreeSet<_>>();
    assert_eq!(volumes.len(), 4);
    scene.left().is_nothing();
}

#[test]
fn shares_of_several_hosts_are_together_the_whole() {
    let scene = Scene::new();
    let whole = scene.run(Kernel::Uml, &TESTS).exits(1);
    let share = |share: &str| scene.run(Kernel::Uml, &[&["--shard", share], &TESTS[..]].concat());
    let (first, second) = (share("1/2"), share("2/2"));
    for part in [&first, &second] {
        assert!(
            !part.outcomes().is_empty() && part.outcomes().len() < whole.outcomes().len(),
            "{part}"
        );
    }
    let merged = merge(&scene, &[&first, &second]).exits(1);
    assert_eq!(merged.outcomes(), whole.outcomes());
    assert_eq!(merged.junit(), whole.junit());

    let lacking = merge(&scene, &[&second]).exits(2);
    assert!(lacking.errors.contains("share 1 missing of 2"), "{lacking}");
    scene.left().is_nothing();
}

fn merge(scene: &Scene, parts: &[&Ran]) -> Ran {
    let mut merge = scene.program(["--json", "--results"]);
    merge
        .arg(scene.results())
        .arg("--merge")
        .args(parts.iter().map(|part| part.dir()));
    scene.ran(merge)
}

#[test]
fn two_runs_at_once_do_not_notice_each_other() {
    let scene = Scene::new();
    let args = ["--", "demo/001", "demo/009", "demo/010"];
    let runs = [scene.start(Kernel::Uml, &args), scene.start(Kernel::Uml, &args)];
    let [one, other] = runs.map(|run| run.wait().exits(1));
    assert_ne!(one.dir(), other.dir());
    // It passes on a volume on which it has failed before.
    assert_eq!(one.outcomes()[1].1, "fail");
    assert_eq!(one.outcomes(), other.outcomes());
    scene.left().is_nothing();
}
