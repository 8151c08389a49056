//! The macro under each runner, on LVs.

use crate::lvm::disk::Pool;
use crate::runners::{every_shape_passes, what_failed_is_kept};
use crate::suite::Runner;

#[test]
fn every_shape_passes_under_every_runner_on_lvs() {
    let pool = Pool::with_watchdogs(1024);
    every_shape_passes(&pool);
    pool.assert_no_trace();
}

#[test]
fn a_test_that_fails_in_any_way_keeps_its_lvs_if_asked_to() {
    let pool = Pool::with_watchdogs(1024);
    what_failed_is_kept(&pool, &[Runner::CargoTest(4)]);
    pool.assert_no_trace();
}
