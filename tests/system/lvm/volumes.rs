//! LVs that are resized, and snapshots of them.

use crate::lvm::disk::{Pool, run};
use crate::scene::Say;

#[test]
fn thick_volumes_are_resized_and_have_snapshots() {
    let pool = Pool::that_cleans(160, "zero");
    // What is added has held something.
    pool.child("fills_its_volume").good();
    let mut child = pool.child("takes_snapshots_and_resizes");
    let said = child.env("CHILD_PROGRAM", env!("CARGO_BIN_EXE_kdev")).good();
    assert!(
        said.contains("ADDED_ZEROS=true") && said.contains("-after of 8M"),
        "{said}"
    );
    pool.assert_no_trace();
    let said = pool.child("resizes_and_copies_while_mounted").good();
    assert!(said.contains("MOUNTED=true"), "{said}");
    pool.assert_no_trace();

    // A snapshot that is kept keeps the volume that it would go with.
    pool.child("keeps_its_snapshot").good();
    let mut kept = pool.lvs();
    kept.sort();
    let [before, test] = &kept[..] else {
        panic!("{kept:?}")
    };
    assert!(before.ends_with("-before") && test.ends_with("-test"), "{kept:?}");
    let said = pool.kdev(&["volume", "rm", test]).say();
    assert_eq!(said.code, Some(1), "{}", said.out);
    let why = format!("its snapshot `{before}` is there, and would go with it");
    assert!(said.err.contains(&why), "{}", said.err);
    let said = pool.kdev(&["volume", "resize", test, "64M"]).say();
    assert!(said.err.contains("it has the snapshot"), "{}", said.err);
    let said = pool.kdev(&["volume", "resize", before, "64M"]).say();
    assert!(
        said.err.contains("it is a snapshot in a pool of thick volumes"),
        "{}",
        said.err
    );
    let said = pool.kdev(&["volume", "snapshot", before, "again"]).say();
    assert!(said.err.contains("it is one itself"), "{}", said.err);
    pool.kdev(&["volume", "rm", before]).good();
    let said = pool.kdev(&["volume", "resize", test, "1G"]).say();
    assert_eq!(said.code, Some(1), "{}", said.out);
    let figures = "free but 1008M is needed; held: 16M by";
    assert!(said.err.contains(figures), "{}", said.err);
    let path = format!("/dev/{}/{test}", pool.vg);
    pool.kdev(&["volume", "resize", &path, "32M"]).good();
    assert_eq!(pool.volume_status(test)["size_bytes"], 32 << 20);

    // What is not ours is not touched.
    run("lvcreate", &["--yes", "--size=8m", "--name=foreign", &pool.vg]);
    for name in ["foreign", &format!("/dev/{}/foreign", pool.vg)] {
        let said = pool.kdev(&["volume", "rm", name]).say();
        assert_eq!(said.code, Some(1));
        assert!(
            said.err.contains("foreign") && said.err.contains("not"),
            "{}",
            said.err
        );
    }
    run("lvremove", &["--yes", &format!("{}/foreign", pool.vg)]);
    pool.kdev(&["volume", "rm", test]).good();
    pool.assert_no_trace();

    // Both go if their owner dies, in one removal.
    pool.start("waits_with_a_snapshot").kill();
    assert_eq!(pool.lvs().len(), 2);
    pool.kdev(&["pool", "cleanup"]).good();
    pool.assert_no_trace();
}

#[test]
fn thin_volumes_are_resized_and_have_snapshots() {
    let pool = Pool::thin(96, 4);
    let mut child = pool.child("takes_snapshots_and_resizes");
    let said = child.env("CHILD_PROGRAM", env!("CARGO_BIN_EXE_kdev")).good();
    assert!(
        said.contains("ADDED_ZEROS=true") && said.contains("-after of 8M"),
        "{said}"
    );
    pool.assert_no_trace();
    // It stays without the volume that it is of, and may have one itself.
    pool.child("keeps_its_snapshot").good();
    let [before] = pool.lvs().try_into().unwrap();
    let said = pool.kdev(&["volume", "snapshot", &before, "again"]).good();
    let again = said.split_whitespace().nth(1).unwrap().to_owned();
    pool.kdev(&["volume", "resize", &again, "32M"]).good();
    assert_eq!(pool.volume_status(&again)["verdict"], "kept");
    assert_eq!(pool.fullness()["given_out_bytes"], 48 << 20);
    pool.kdev(&["volume", "rm", &before, &again]).good();
    pool.assert_no_trace();
    pool.teardown().good();
}
