//! `kdev plan` on a suite as a user would write it.

use std::env;
use std::fs;
use std::process::Command;

use crate::scene::{Say, Scene};
use crate::suite::{ARCHIVE, source};

const README: &str = include_str!("../../README.md");

/// As the README shows it: the same tests, by arguments that a reader has.
const SHOWN: &str = "$ kdev plan --room=512M -- --package annotated-suite -E 'binary(filesystems)'\n";

/// `kdev plan` for some of the tests of this workspace: built here, or, in the test bed, outside.
pub(crate) fn plan(scene: &Scene, options: &[&str], filter: &str) -> Command {
    let mut command = scene.kdev(&["plan"]);
    command
        .args(options)
        .arg("--")
        .args(source())
        .args(["-E", filter]);
    if env::var_os(ARCHIVE).is_some() {
        command.env("CARGO", "cargo-nextest");
    }
    command
}

pub(crate) const FILESYSTEMS: &str = "binary_id(annotated-suite::filesystems)";

/// Each row of a table, as its columns.
fn rows(said: &str) -> Vec<Vec<&str>> {
    let rows = said.lines().skip(1).take_while(|line| !line.is_empty());
    rows.map(|line| {
        line.split("  ")
            .map(str::trim)
            .filter(|cell| !cell.is_empty())
            .collect()
    })
    .collect()
}

#[test]
fn the_plan_in_the_readme_is_what_is_printed() {
    let (_, shown) = README.split_once(SHOWN).expect("the README shows the command");
    let (shown, _) = shown.split_once("```").expect("a block ends");
    let scene = Scene::embedded();
    assert_eq!(plan(&scene, &["--room=512M"], FILESYSTEMS).good(), shown);
}

#[test]
fn the_parts_of_several_machines_are_planned_each_for_itself_and_are_the_whole() {
    let scene = Scene::embedded();
    let plan_of = |part: &[&str]| {
        plan(&scene, &["--room=4G"], "package(annotated-suite)")
            .args(part)
            .good()
    };
    let whole = plan_of(&[]);
    let parts = ["hash:1/3", "hash:2/3", "hash:3/3"].map(|part| plan_of(&["--partition", part]));
    let mut together: Vec<Vec<&str>> = parts.iter().flat_map(|part| rows(part)).collect();
    let mut all = rows(&whole);
    assert!(parts.iter().all(|part| rows(part).len() < all.len()));
    together.sort_unstable();
    all.sort_unstable();
    assert_eq!(together, all);
}

#[test]
fn the_cases_of_a_function_are_one_row_and_each_is_bounded() {
    let scene = Scene::embedded();
    let file = scene.path("plan.toml");
    let write = format!("--write={}", file.display());
    let filter = "binary_id(shapes::shapes) & test(/^(has_cases|r#try|nested)/)";
    let said = plan(&scene, &["--room=4M", &write], filter).good();
    let names: Vec<&str> = rows(&said).into_iter().map(|row| row[0]).collect();
    assert_eq!(
        names,
        [
            "shapes::shapes has_cases (2 cases)",
            "shapes::shapes has_cases_and_is_async (2 cases)",
            "shapes::shapes nested::deeper::is_in_a_module_and_knows_the_crate_by_another_name",
            "shapes::shapes r#try",
        ]
    );
    assert!(said.contains("6 tests need 24M in all"), "{said}");
    assert!(said.contains("One at a time fits"), "{said}");
    let written = fs::read_to_string(&file).unwrap();
    assert_eq!(written.matches("test(=has_cases::case_").count(), 2, "{written}");
}

#[test]
fn a_plan_without_a_pool_has_no_bound() {
    let scene = Scene::embedded();
    let said = plan(
        &scene,
        &[],
        "test(=a_volume_is_at_least_as_large_as_it_was_asked_for)",
    )
    .good();
    // Rounded up to pages, not to extents.
    assert_eq!(
        rows(&said),
        [[
            "annotated-suite::devices a_volume_is_at_least_as_large_as_it_was_asked_for",
            "38676K",
            "test 33M, scratch 5000000B"
        ]]
    );
    assert!(said.contains("all may run at once"), "{said}");
    let refused = scene.kdev(&["plan", "--write"]).say();
    assert_eq!(refused.code, Some(1));
    assert!(refused.err.contains("have no bound"), "{}", refused.err);
}

#[test]
fn a_test_that_can_never_fit_is_named_and_the_others_are_planned() {
    let scene = Scene::embedded();
    let said = plan(&scene, &["--room=200M"], FILESYSTEMS).say();
    assert_eq!(said.code, Some(1), "{}", said.err);
    let end = "
6 tests need 672M in all, at most 320M each.
1 needs more than there is in a pool with room for 200M:
  annotated-suite::filesystems xfs_is_clean_after_unmount, 320M
One of the others at a time fits in a pool with room for 200M.
";
    assert!(said.out.ends_with(end), "{}", said.out);
}

#[test]
fn what_is_written_bounds_the_annotated_tests_and_nextest_takes_it() {
    let scene = Scene::embedded();
    let file = scene.path("plan.toml");
    let write = format!("--write={}", file.display());
    let said = plan(&scene, &["--room=512M", &write], FILESYSTEMS).good();
    let run = format!("cargo nextest run --tool-config-file kdev:{} ", file.display());
    assert!(said.contains(&run), "{said}");

    let mut show = scene.program("cargo-nextest");
    show.args(["nextest", "show-config", "test-groups"])
        .args(source());
    show.args(["--tool-config-file", &format!("kdev:{}", file.display())]);
    let shown = show.good();
    assert!(
        shown.contains("group: @tool:kdev:volumes (max threads = 2)"),
        "{shown}"
    );
    for row in rows(&said) {
        let (_, test) = row[0].split_once(' ').unwrap();
        assert!(shown.contains(test), "`{test}` is in no group: {shown}");
    }
    assert!(!shown.contains("direct_io_works"), "{shown}");

    fs::write(&file, "# mine\n").unwrap();
    let refused = plan(&scene, &["--room=512M", &write], FILESYSTEMS).say();
    assert_eq!(refused.code, Some(1));
    assert!(
        refused.err.contains("is not ours and was not touched"),
        "{}",
        refused.err
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), "# mine\n");
}

#[test]
fn what_stands_in_the_way_of_a_plan_is_told() {
    let scene = Scene::embedded();
    for (filter, why) in [
        ("none()", "none of the 0 tests that were listed is annotated"),
        (
            "no_such_predicate()",
            "ended with exit status 94, so it is not known",
        ),
    ] {
        let said = plan(&scene, &["--room=1G"], filter).say();
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{filter}");
        assert!(said.err.contains(why), "{filter}: {}", said.err);
    }
    let said = scene.kdev(&["plan", "--room=1G"]).env("CARGO", "false").say();
    assert_eq!(said.code, Some(69));
    assert!(
        said.err.contains("cargo-nextest is not installed"),
        "{}",
        said.err
    );
    let said = scene.kdev(&["plan", "--pool=nowhere"]).say();
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("there is no pool `nowhere`"), "{}", said.err);
    for args in [&["plan", "--room=1.5G"][..], &["plan", "--room=1G", "--pool=x"]] {
        assert_eq!(scene.kdev(args).say().code, Some(2), "{args:?}");
    }
}

/// Only that they are on record is looked at: no VG is asked for.
#[test]
fn a_plan_for_several_pools_is_an_error_that_says_what_to_do() {
    let scene = Scene::with_pool_named("auto");
    fs::create_dir(scene.state_dir()).unwrap();
    let entry = |name: &str| {
        serde_json::json!({
            "pool_name": name, "device": "/dev/none", "created_at": "2025-11-15T10:30:45", "created_by": "joe",
            "lvm_config": {"pv": "/dev/none", "vg_name": format!("{name}-vg"), "lv_prefix": "kdev", "thin_provisioning": false},
        })
    };
    let pools =
        serde_json::json!({"version": "1.0", "pools": {"fast": entry("fast"), "sata": entry("sata")}});
    fs::write(scene.state_dir().join("device-pool.json"), pools.to_string()).unwrap();
    for args in [&["plan"][..], &["plan", "--pool=fast,sata"]] {
        let said = scene.kdev(args).say();
        assert_eq!(said.code, Some(1), "{}", said.out);
        assert!(
            said.err.contains("are several pools, and a plan is for one"),
            "{}",
            said.err
        );
    }
}
