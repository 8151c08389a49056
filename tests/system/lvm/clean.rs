//! What a new volume shows of the data of the one before it.

use crate::lvm::disk::{Pool, run};
use crate::scene::Say;

/// Makes a volume after one with a filesystem, at the same place, and returns what is found there.
fn second_volume(pool: &Pool) -> String {
    pool.child("leaves_a_filesystem_behind").good();
    pool.child("looks_for_the_last_filesystem").good()
}

#[test]
fn a_repair_brings_back_what_the_pool_does_not_clean() {
    let pool = Pool::new(192);
    let found = second_volume(&pool);
    let says = |line: &str| assert!(found.contains(line), "no `{line}` in {found}");
    says("KNOWN=false");
    says("ZEROS=false");
    says("REPAIRED=true");

    // The promise is the VG's, and can be made at any time.
    run("vgchange", &["--addtag", "kdev.clean=zero", &pool.vg]);
    let found = second_volume(&pool);
    let says = |line: &str| assert!(found.contains(line), "no `{line}` in {found}");
    says("KNOWN=false");
    says("ZEROS=true");
    says("REPAIRED=false");
    pool.assert_no_trace();
}

#[test]
fn a_pool_can_tell_its_disk_what_is_not_needed() {
    let pool = Pool::that_cleans(64, "discard");
    pool.child("fills_its_volume").good();
    let used = pool.disk.allocated();
    let found = pool.child("passes").good();
    // The file of a loop device has no blocks where the device was told so.
    let less = pool.disk.allocated();
    assert!(
        less + (12 << 20) < used,
        "the file had {used} bytes, and has {less}: {found}"
    );
    pool.assert_no_trace();
}
