//! What can be wrong with a pool: a clear error with its remedy, and no trace.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::errors::{a_volume_left_mounted_fails_the_test, passes_as_nobody};
use crate::lvm::disk::Pool;
use crate::lvm::ordinary::alone_with_sudo;
use crate::scene::Say;

/// The kernel's name for the second volume is too long, which LVM finds out only when the first one is
/// there: setup refuses such a prefix, so it is written by hand.
#[test]
fn if_one_volume_cannot_be_made_there_is_none() {
    let pool = Pool::new(256);
    let doubled = |name: &str| name.len() + name.matches('-').count();
    let others = doubled(&pool.vg) + "-".len() + doubled("-20251115103045-a3f9d2-") + "test".len();
    let longest = 127;
    let prefix = "x".repeat(longest - others);
    let file = pool.state_dir().join("device-pool.json");
    let text = fs::read_to_string(&file).unwrap();
    let changed = text.replace("\"lv_prefix\": \"kdev\"", &format!("\"lv_prefix\": \"{prefix}\""));
    assert_ne!(text, changed);
    fs::write(&file, changed).unwrap();

    pool.child("passes").good();
    let said = pool.child("passes_with_two").say();
    assert_eq!(said.code, Some(101), "{}", said.err);
    assert!(
        said.err.contains("lvcreate") && said.err.contains("-scratch"),
        "{}",
        said.err
    );
    pool.assert_no_trace();
}

#[test]
fn a_test_that_should_panic_does_not_pass_in_a_full_pool() {
    let pool = Pool::new(256);
    let said = pool.child("wants_too_much_and_should_panic").say();
    assert_eq!(said.code, Some(101), "{}", said.out);
    assert!(said.err.contains("can never hold"), "{}", said.err);
    pool.assert_no_trace();
}

#[test]
fn without_lvm2_the_error_names_the_package() {
    let pool = Pool::new(256);
    // In a mount namespace of its own, as if the package were not there.
    let child = pool.child("passes");
    let script = "mount --bind /dev/null \"$(readlink -f /usr/sbin/lvm)\" && exec \"$@\"";
    let said = pool
        .program("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(child.get_program())
        .args(child.get_args())
        .say();
    assert_eq!(said.code, Some(101), "{}", said.err);
    assert!(
        said.err.contains("cannot run `lvm`") && said.err.contains("apt-get install lvm2"),
        "{}",
        said.err
    );
    pool.assert_no_trace();
}

#[test]
fn without_root_lvm_is_not_even_asked() {
    let _alone = alone_with_sudo();
    let pool = Pool::new(256);
    let file = pool.state_dir().join("device-pool.json");
    for (path, mode) in [(pool.state_dir(), 0o777), (file, 0o644)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    let said = passes_as_nobody(&pool);
    assert_eq!(said.code, Some(101));
    assert!(
        said.err.contains("using LVM needs root") && said.err.contains("sudo -E"),
        "{}",
        said.err
    );
    pool.assert_no_trace();
}

#[test]
fn a_pool_whose_vg_is_gone_is_an_error_that_says_so() {
    let pool = Pool::new(256);
    crate::lvm::disk::run("vgremove", &[&pool.vg]);
    let said = pool.child("passes").say();
    assert_eq!(said.code, Some(101));
    assert!(
        said.err.contains("is not there (is the pool's device there?"),
        "{}",
        said.err
    );
    pool.scene.assert_no_trace();
}

#[test]
fn a_test_whose_volume_is_busy_at_the_end_fails_and_says_who_has_it() {
    let pool = Pool::new(256);
    a_volume_left_mounted_fails_the_test(&pool, "passes_while_mounted");
    pool.assert_no_trace();
}
