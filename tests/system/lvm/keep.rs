//! Volumes that stay because somebody asked for it.

use crate::keep::{kept_of_that_age_go, oldest_kept_go};
use crate::lvm::disk::Pool;
use crate::scene::Say;

#[test]
fn a_kept_volume_stays_until_it_is_asked_for() {
    let pool = Pool::new(256);
    let said = pool.child("passes").env("KDEV_KEEP", "1").say();
    assert_eq!(said.code, Some(0), "{}", said.err);
    let [kept] = pool.lvs().try_into().unwrap();
    let state_dir = pool.state_dir();
    let command = format!(
        "`KDEV_STATE_DIR={} kdev pool cleanup --kept {kept}`",
        state_dir.display()
    );
    assert!(
        said.err.contains("kept /dev/mapper/") && said.err.contains(&command),
        "{}",
        said.err
    );
    let [record] = pool.records().try_into().unwrap();
    assert_eq!(record["kept"], "always");

    let said = pool.child("passes").say();
    assert_eq!(
        (said.code, said.err.as_str()),
        (Some(0), ""),
        "a process that starts does not reap it"
    );
    assert_eq!(pool.kdev(&["pool", "cleanup"]).good(), "nothing to clean up\n");
    assert_eq!(pool.lvs(), std::slice::from_ref(&kept));
    assert!(pool.kdev(&["pool", "status"]).good().contains("kept"));

    assert_eq!(
        pool.kdev(&["pool", "cleanup", "--kept"]).good(),
        format!("removed {kept}\n")
    );
    pool.assert_no_trace();
}

#[test]
fn a_kept_volume_stays_kept_when_the_records_are_lost() {
    let pool = Pool::new(256);
    pool.child("passes").env("KDEV_KEEP", "always").good();
    let kept = pool.lvs();
    pool.forget_the_records();
    assert_eq!(pool.kdev(&["pool", "cleanup"]).good(), "nothing to clean up\n");
    assert_eq!(pool.lvs(), kept);
    pool.kdev(&["pool", "cleanup", "--kept"]).good();
    pool.assert_no_trace();
}

#[test]
fn one_kept_volume_can_be_removed_by_its_name() {
    let pool = Pool::new(256);
    pool.child("passes").env("KDEV_KEEP", "1").good();
    let [first] = pool.lvs().try_into().unwrap();
    pool.child("passes").env("KDEV_KEEP", "1").good();
    assert_eq!(pool.lvs().len(), 2);
    pool.kdev(&["pool", "cleanup", "--kept", &first]).good();
    let [second] = pool.lvs().try_into().unwrap();
    assert_ne!(first, second);
    pool.kdev(&["pool", "cleanup", "--kept", &second]).good();
    pool.assert_no_trace();
}

#[test]
fn a_test_may_keep_one_volume_of_its_own_accord() {
    let pool = Pool::new(256);
    pool.child("keeps_its_scratch").good();
    let [kept] = pool.lvs().try_into().unwrap();
    assert!(kept.ends_with("-scratch"));
    pool.kdev(&["pool", "cleanup", "--kept"]).good();
    pool.assert_no_trace();
}

#[test]
fn kept_lvs_of_that_age_go() {
    let pool = Pool::new(256);
    kept_of_that_age_go(&pool);
    pool.assert_no_trace();
}

#[test]
fn only_so_many_sessions_stay_and_the_oldest_go() {
    let pool = Pool::new(256);
    oldest_kept_go(&pool);
    pool.assert_no_trace();
}
