//! Filesystems on LVs.

use crate::filesystems::{
    cleanup_unmounts, no_filesystem_no_volumes, passes_without_trace, stays_while_in_use, watchdog_unmounts,
};
use crate::lvm::disk::Pool;

fn pool(mib: u64) -> Pool {
    let pool = Pool::new(mib);
    pool.make_tmp();
    pool
}

#[test]
fn volumes_come_with_their_filesystems_and_are_mounted() {
    let pool = pool(600);
    passes_without_trace(&pool, "writes_to_its_filesystems");
    pool.assert_no_trace();
}

#[test]
fn a_copy_in_another_namespace_is_unmounted_too() {
    let pool = pool(128);
    passes_without_trace(&pool, "is_mounted_elsewhere_too");
    pool.assert_no_trace();
}

#[test]
fn what_is_in_use_for_ever_stays_and_its_user_is_named() {
    let pool = pool(128);
    stays_while_in_use(&pool);
    pool.assert_no_trace();
}

#[test]
fn a_watchdog_unmounts_and_removes_the_directory() {
    let pool = Pool::with_watchdogs(128);
    pool.make_tmp();
    watchdog_unmounts(&pool);
    pool.assert_no_trace();
}

#[test]
fn a_cleanup_unmounts_and_removes_the_directory_wherever_it_is() {
    let pool = pool(128);
    cleanup_unmounts(&pool);
    pool.assert_no_trace();
}

#[test]
fn a_filesystem_that_does_not_fit_is_said_in_mkfs_own_words() {
    let pool = pool(128);
    no_filesystem_no_volumes(&pool);
    pool.assert_no_trace();
}
