//! Who may run it, and by which ways the guest gets at this machine's files.

use std::os::unix::fs::MetadataExt;

use crate::support::{Kernel, NOBODY, Scene};

#[test]
fn a_user_without_rights_runs_it_with_image_files() {
    let scene = Scene::of_nobody();
    let ran = scene
        .run(Kernel::Uml, &["--", "demo/001", "demo/002", "demo/010"])
        .exits(1);
    let outcomes: Vec<String> = ran.outcomes().into_iter().map(|(_, outcome)| outcome).collect();
    assert_eq!(outcomes, ["pass", "fail", "pass"]);
    assert_eq!(ran.results()["pool"], "images");
    assert_eq!(ran.dir().metadata().unwrap().uid(), NOBODY);
    scene.left().is_nothing();
}

#[test]
fn a_kernel_with_9p_has_its_root_by_it() {
    let scene = Scene::new();
    let args = ["--share=9p", "--", "demo/001", "demo/010"];
    let ran = scene.run(Kernel::Full, &args).exits(0);
    assert_eq!(ran.results()["machine"]["root"], "9p");
    scene.left().is_nothing();
}

/// Whatever `/dev/kvm` is here: there, not there, or there and of no use.
#[test]
fn without_a_word_on_how_to_run_it_a_guest_comes_up() {
    let scene = Scene::new();
    let ran = scene
        .run(Kernel::Cloud, &["--accel=auto", "--", "demo/007"])
        .exits(0);
    let accelerator = &ran.results()["machine"]["accelerator"];
    assert!(accelerator == "tcg" || accelerator == "kvm", "{ran}");
    scene.left().is_nothing();
}
