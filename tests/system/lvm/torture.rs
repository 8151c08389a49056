//! Many processes at once on one VG.

use std::process::Command;
use std::time::Duration;

use crate::lvm::disk::{Pool, run};
use crate::scene::Say;
use crate::torture::torture;

#[test]
fn two_hundred_sessions_of_lvs_leave_nothing() {
    let pool = Pool::with_watchdogs(1024);
    let cookies = || Command::new("dmsetup").arg("udevcookies").good().lines().count();
    let before = cookies();
    torture(&pool, 200, Duration::from_secs(4));
    assert_eq!(pool.lvs(), Vec::<String>::new());
    let mapped = run("dmsetup", &["ls"]);
    assert!(!mapped.contains(&pool.vg.replace('-', "--")), "{mapped}");
    assert_eq!(cookies(), before, "what a killed LVM leaves behind");
}
