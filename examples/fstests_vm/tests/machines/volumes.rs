//! What the guest wrote is on the volumes, which are kept if asked for.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use rstest::rstest;
use serde_json::Value;

use crate::support::{Kernel, Ran, Scene};

/// A file system that is mounted as the program says, until this is dropped.
struct Mounted(PathBuf);

impl Mounted {
    /// Does what the program says, but at a directory of the test's own.
    fn as_told(scene: &Scene, how: &str) -> Self {
        let words: Vec<&str> = how.split(' ').collect();
        let [role, "mount", options @ .., "/mnt"] = words.as_slice() else {
            panic!("no way to mount: {how}")
        };
        assert!(role.ends_with(':'), "{how}");
        let at = scene.path("mounted");
        fs::create_dir_all(&at).unwrap();
        let mounted = Self(at);
        let done = Command::new("mount")
            .args(options)
            .arg(&mounted.0)
            .status()
            .unwrap();
        assert!(done.success(), "{how}");
        mounted
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // It is not mounted if mounting it failed.
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[rstest]
#[case::of_loop_devices(Kernel::Uml, &["--pool=embedded"])]
#[case::of_images(Kernel::Uml, &["--pool=images"])]
#[case::of_slices(Kernel::Cloud, &["--pool=embedded", "--sliced"])]
#[case::of_slices_of_an_image(Kernel::Cloud, &["--pool=images", "--sliced"])]
fn kept_volumes_have_what_the_guest_wrote(#[case] kernel: Kernel, #[case] args: &[&str]) {
    let scene = Scene::new();
    let ran = scene
        .run(kernel, &[args, &["--keep-volumes", "--", "demo/001"]].concat())
        .exits(0);
    let how = how_to_mount(&ran);
    assert_eq!(how.len(), 2, "{ran}");
    let told = |role: &str| how.iter().find(|how| how.starts_with(role)).unwrap();

    let mounted = Mounted::as_told(&scene, told("test:"));
    assert_eq!(
        fs::read_to_string(mounted.0.join("marker")).unwrap(),
        "written-in-the-guest\n"
    );
    drop(mounted);
    // The scratch volume has no file system: a test makes one if it wants one.
    let scratch = told("scratch:");
    let path = scratch
        .split(' ')
        .find(|word| word.starts_with("/dev/") || word.ends_with(".img"))
        .unwrap();
    let offset = scratch
        .split([',', ' '])
        .find_map(|option| option.strip_prefix("offset="));
    let offset = offset.map_or(0, |offset| offset.parse::<u64>().unwrap());
    assert_eq!(text_at(path.as_ref(), offset + (8 << 20)), "scratch of the guest");

    let records = scene.left().records();
    let sliced = args.contains(&"--sliced");
    assert_eq!(records.len(), if sliced { 1 } else { 2 });
    assert!(
        records.iter().all(|record| record["kept"] != Value::Null),
        "{records:?}"
    );
    scene.left().are_only_volumes();
}

fn how_to_mount(ran: &Ran) -> Vec<String> {
    let notes = ran.notes();
    let mounts = notes.iter().filter(|note| note.contains(": mount -o ro"));
    mounts.map(|note| note.trim().to_owned()).collect()
}

fn text_at(path: &Path, offset: u64) -> String {
    let mut bytes = [0; 20];
    File::open(path)
        .unwrap()
        .read_exact_at(&mut bytes, offset)
        .unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[rstest]
#[case::failed("demo/008", 1, 2)]
#[case::passed("demo/007", 0, 0)]
fn volumes_are_kept_on_failure_only_if_so_asked_for(
    #[case] test: &str,
    #[case] code: i32,
    #[case] volumes: usize,
) {
    let scene = Scene::new();
    let ran = scene
        .run(
            Kernel::Uml,
            &["--pool=images", "--keep-volumes=failed", "--", test],
        )
        .exits(code);
    assert_eq!(how_to_mount(&ran).len(), volumes);
    assert_eq!(scene.left().records().len(), volumes);
}

#[test]
fn the_seven_volumes_of_fstests_are_there_in_their_roles() {
    let scene = Scene::new();
    let tree = scene.copy_tree();
    let said = "echo QA output created by 007\necho $SCRATCH_DEV_POOL | wc -w\n[[ -b $LOGWRITES_DEV ]] && echo log\n";
    fs::write(tree.join("tests/demo/007"), said).unwrap();
    fs::write(
        tree.join("tests/demo/007.out"),
        "QA output created by 007\n5\nlog\n",
    )
    .unwrap();
    let mut command = scene.program([
        "--json",
        "--size=256M",
        "--memory=512M",
        "--boot-limit=5m",
        "--kernel",
    ]);
    command
        .arg(Kernel::Uml.path())
        .arg("--fstests")
        .arg(&tree)
        .arg("--results")
        .arg(scene.results());
    let ran = scene.ran({
        command.args(["--", "demo/007"]);
        command
    });
    let ran = ran.exits(0);
    assert_eq!(ran.results()["volumes"].as_array().unwrap().len(), 7);
    scene.left().is_nothing();
}
