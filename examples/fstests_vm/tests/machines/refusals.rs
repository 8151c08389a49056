//! What is refused before a machine is started.

use std::fs;
use std::path::Path;
use std::process::Command;

use rstest::rstest;

use crate::support::{FakeKernel, Kernel, Ran, Scene, fake_fstests};

/// What each of our machines needs of a kernel but disks and a way to the host's files.
const BASE: [&str; 7] = [
    "SERIAL_8250_CONSOLE",
    "BLK_DEV_INITRD",
    "DEVTMPFS",
    "TMPFS",
    "OVERLAY_FS",
    "VIRTIO_PCI",
    "EXT4_FS",
];

/// Says so with that exit code, and has started nothing and made nothing.
fn is_refused(scene: &Scene, command: Command, code: i32, words: &[&str]) {
    let ran = scene.ran(command).exits(code);
    for word in words {
        assert!(ran.errors.contains(word), "`{word}` is not said: {ran}");
    }
    assert_is_one_line_with_a_remedy(&ran);
    assert_eq!(
        fs::read_dir(scene.results()).unwrap().count(),
        0,
        "it left a directory for results"
    );
    scene.left().is_nothing();
}

fn assert_is_one_line_with_a_remedy(ran: &Ran) {
    let errors = ran.errors.trim_end();
    if errors.starts_with("fstests_vm: ") {
        assert!(
            errors.lines().count() == 1 && errors.contains('(') && errors.contains(')'),
            "{ran}"
        );
    } else {
        // The reader of options has a form of its own.
        assert!(errors.contains("--help"), "{ran}");
    }
}

#[rstest]
#[case::without_a_way_to_files(&["VIRTIO_BLK"], 69, &["9p", "CONFIG_VIRTIO_FS"])]
#[case::without_disks(&["VIRTIO_FS"], 2, &["no virtio-blk", "CONFIG_VIRTIO_BLK=y"])]
fn a_kernel_that_lacks_something_is_refused(
    #[case] more: &[&str],
    #[case] code: i32,
    #[case] words: &[&str],
) {
    let scene = Scene::new();
    let kernel = FakeKernel::in_dir(&scene.path("kernel"), &[&BASE, more].concat());
    is_refused(&scene, with_kernel(&scene, &kernel.image), code, words);
}

fn with_kernel(scene: &Scene, kernel: &Path) -> Command {
    let mut command = scene.program(["--accel=tcg", "--size=256M", "--scratch", "--fstests"]);
    command
        .arg(scene.copy_tree())
        .arg("--results")
        .arg(scene.results());
    command.arg("--kernel").arg(kernel).args(["--", "demo/001"]);
    command
}

#[rstest]
#[case::not_fstests(&["README"], "no `check`")]
#[case::not_built(&["+check", "ltp/Makefile", "src/Makefile", "tests/generic/001"], "not built")]
fn a_directory_that_is_not_a_built_fstests_is_refused(#[case] files: &[&str], #[case] word: &str) {
    let scene = Scene::new();
    let tree = scene.path("other");
    fake_fstests(&tree, files);
    let mut command = scene.program(["--kernel"]);
    command
        .arg(Kernel::Uml.path())
        .arg("--fstests")
        .arg(tree)
        .arg("--results")
        .arg(scene.results());
    is_refused(&scene, command, 2, &[word]);
}

#[rstest]
#[case::no_mkfs(&["--fs=jfs"], 69, &["mkfs.jfs", "apt-get install"])]
#[case::too_small(&["--fs=xfs", "--size=64M"], 2, &["64M", "xfs", "larger"])]
#[case::no_pool(&["--pool=nowhere"], 69, &["nowhere"])]
#[case::no_name(&["--env=A-B=1"], 2, &["A-B"])]
#[case::no_baseline(&["--baseline=/nowhere"], 2, &["/nowhere"])]
#[case::not_checks(&["--", "--nonsense"], 2, &["--nonsense"])]
#[case::done_by_us(&["--", "-i", "3"], 2, &["--repeat"])]
#[case::no_excludes(&["--exclude=/nowhere"], 2, &["/nowhere"])]
#[case::no_kernel(&["--modules=/nowhere"], 2, &["/nowhere"])]
#[case::slices(&["--sliced"], 2, &["slice", "--sliced"])]
fn what_cannot_be_is_refused_before_anything_is_booted(
    #[case] args: &[&str],
    #[case] code: i32,
    #[case] words: &[&str],
) {
    let scene = Scene::new();
    let tests: &[&str] = if args.contains(&"--") {
        &[]
    } else {
        &["--", "demo/007"]
    };
    is_refused(
        &scene,
        scene.command(Kernel::Uml, &[args, tests].concat()),
        code,
        words,
    );
}

#[test]
fn fewer_programs_than_it_takes_are_named() {
    let scene = Scene::new();
    // QEMU is looked for in PATH, and then where root has programs.
    let kernel = FakeKernel::in_dir(
        &scene.path("kernel"),
        &[&BASE[..], &["VIRTIO_BLK", "VIRTIO_FS"]].concat(),
    );
    let mut command = with_kernel(&scene, &kernel.image);
    // The program itself is started by its path.
    command.env("PATH", scene.tmp());
    is_refused(&scene, command, 69, &["qemu-system-x86_64", "apt-get install"]);
}
