//! Each thing that can be wrong on the outside: a clear error with its remedy, and no trace.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;

use crate::scene::{NOBODY, Said, Say, Scene};

#[test]
fn a_pool_that_is_not_set_up_is_an_error_that_says_how_to_make_it() {
    let scene = Scene::with_pool_named("nowhere");
    let said = scene.child("passes").say();
    assert_eq!(said.code, Some(101));
    assert!(said.err.contains("there is no pool `nowhere`"), "{}", said.err);
    assert!(
        said.err
            .contains("kdev pool setup --pool=nowhere --device=DEVICE"),
        "{}",
        said.err
    );
    assert!(
        said.err.contains("tests/system/children.rs"),
        "the panic points at the test: {}",
        said.err
    );
    assert!(
        !scene.state_dir().exists(),
        "nothing is written for a pool that is not there"
    );
}

#[test]
fn a_bad_keep_policy_is_an_error_before_anything_is_made() {
    let scene = Scene::embedded();
    let said = scene.child("passes").env("KDEV_KEEP", "sometimes").say();
    assert_eq!(said.code, Some(101));
    assert!(
        said.err.contains("`KDEV_KEEP=sometimes`") && said.err.contains("`failed`"),
        "{}",
        said.err
    );
    assert!(!scene.state_dir().exists());
}

#[test]
fn a_bad_time_to_wait_is_an_error_before_anything_is_made() {
    let scene = Scene::embedded();
    let said = scene.child("passes").env("KDEV_WAIT", "10").say();
    assert_eq!(said.code, Some(101));
    assert!(
        said.err.contains("`KDEV_WAIT=10`") && said.err.contains("`10m`") && said.err.contains("`forever`"),
        "{}",
        said.err
    );
    assert!(!scene.state_dir().exists());
}

#[test]
fn all_pools_where_none_is_set_up_is_an_error_that_says_how_to_make_one() {
    let scene = Scene::with_pool_named("auto");
    let said = scene.child("passes").say();
    assert_eq!(said.code, Some(101));
    assert!(
        said.err
            .contains("`auto` is all pools that are set up, and there is none")
            && said.err.contains("kdev pool setup"),
        "{}",
        said.err
    );
    assert!(!scene.state_dir().exists());
}

#[test]
fn a_file_is_no_fallback_in_a_list_of_pools() {
    let scene = Scene::with_pool_named("nvme,images");
    let said = scene.child("passes").say();
    assert_eq!(said.code, Some(101));
    assert!(
        said.err
            .contains("bad list of pools `nvme,images` (`images` stands alone"),
        "{}",
        said.err
    );
}

/// Runs an annotated test as another user, who may write to the scene, and whose the state is meanwhile.
pub(crate) fn passes_as_nobody(scene: &Scene) -> Said {
    let program = scene.path("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(scene.path(""), fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = scene.program(&program);
    command
        .args(["--exact", "children::passes", "--ignored", "--nocapture"])
        .uid(NOBODY)
        .gid(NOBODY);
    scene.give_state_to(NOBODY);
    let said = command.say();
    scene.give_state_to(0);
    said
}

#[test]
fn without_root_the_error_says_what_to_do() {
    let scene = Scene::embedded();
    let said = passes_as_nobody(&scene);
    assert_eq!(said.code, Some(101));
    assert!(
        said.err.contains("needs root") && said.err.contains("sudo -E"),
        "{}",
        said.err
    );
    scene.assert_no_trace();
}

/// A test does what it should and leaves its volume mounted: it fails, says where, and the volume goes later.
pub(crate) fn a_volume_left_mounted_fails_the_test(scene: &Scene, child: &str) {
    let point = scene.mount_point();
    let said = scene.child(child).env("CHILD_MOUNT_POINT", &point.path).say();
    assert_eq!(said.code, Some(101), "{}", said.out);
    assert!(
        said.err.contains(&format!("mounted on {}", point.path.display())),
        "{}",
        said.err
    );
    drop(point);
    assert_eq!(scene.records().len(), 1);
    scene.kdev(&["pool", "cleanup"]).good();
    scene.assert_no_trace();
}

/// The first volume fits the limit and is made; the second does not.
#[test]
fn if_one_volume_cannot_be_made_there_is_none() {
    one_too_large_is_none(&Scene::embedded());
}

pub(crate) fn one_too_large_is_none(scene: &Scene) {
    let child = scene.child("wants_too_much");
    let script = "trap '' XFSZ; ulimit -f 65536; exec \"$@\"";
    let said = scene
        .program("sh")
        .args(["-c", script, "sh"])
        .arg(child.get_program())
        .args(child.get_args())
        .say();
    assert_eq!(said.code, Some(101), "{}", said.err);
    assert!(
        said.err
            .contains("could not make a sparse file of the volume's size"),
        "{}",
        said.err
    );
    scene.assert_no_trace();
}

#[test]
fn a_directory_that_cannot_hold_the_files_is_named() {
    let scene = Scene::embedded();
    let said = scene.child("passes").env("TMPDIR", "/nonexistent").say();
    assert_eq!(said.code, Some(101));
    assert!(
        said.err.contains("could not make a file in `/nonexistent`"),
        "{}",
        said.err
    );
    scene.assert_no_trace();
}

#[test]
fn a_state_directory_that_cannot_be_made_is_named() {
    let scene = Scene::embedded();
    fs::write(scene.path("file"), "").unwrap();
    let said = scene
        .child("passes")
        .env("KDEV_STATE_DIR", scene.path("file/state"))
        .say();
    assert_eq!(said.code, Some(101));
    assert!(
        said.err.contains("make the directory") && said.err.contains("file/state`"),
        "{}",
        said.err
    );
}

#[test]
fn a_state_directory_that_is_full_leaves_no_lease() {
    let scene = Scene::embedded();
    let full = scene.mount_point();
    scene
        .program("mount")
        .args(["-t", "tmpfs", "-o", "size=8k", "tmpfs"])
        .arg(&full.path)
        .good();
    fs::write(full.path.join("full"), [1; 4096]).unwrap();
    let said = scene.child("passes").env("KDEV_STATE_DIR", &full.path).say();
    assert_eq!(said.code, Some(101));
    assert!(
        said.err.contains("lv-state.json") && said.err.contains("No space left"),
        "{}",
        said.err
    );
    assert_eq!(fs::read_dir(full.path.join("leases")).unwrap().count(), 0);
}

#[test]
fn a_state_file_of_a_later_version_is_not_written() {
    let scene = Scene::embedded();
    fs::create_dir_all(scene.state_dir()).unwrap();
    let file = scene.state_dir().join("lv-state.json");
    let text = r#"{"version": 2, "allocations": []}"#;
    fs::write(&file, text).unwrap();
    let said = scene.child("passes").say();
    assert_eq!(said.code, Some(101));
    assert!(
        said.err.contains("has version 2") && said.err.contains("KDEV_STATE_DIR"),
        "{}",
        said.err
    );
    assert_eq!(fs::read_to_string(file).unwrap(), text);
    assert!(scene.leases().is_empty());
}

#[test]
fn a_test_that_should_panic_does_not_pass_for_want_of_volumes() {
    let scene = Scene::with_pool_named("nowhere");
    let said = scene.child("should_panic_and_does").say();
    assert_eq!(said.code, Some(101), "{}", said.out);
    assert!(said.err.contains("there is no pool `nowhere`"), "{}", said.err);
}
