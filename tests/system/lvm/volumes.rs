//! LVs that are resized, and snapshots of them.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use crate::lvm::disk::{Pool, run};
use crate::scene::{Say, wait_until};

/// Rounded up it is the same, and LVM would have it for an error.
fn is_of_its_size_already(pool: &Pool, lv_name: &str) {
    for size in ["32M", "30M"] {
        let said = pool.kdev(&["volume", "resize", lv_name, size]).good();
        assert_eq!(said, format!("`{lv_name}` is of 32M now\n"));
    }
}

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
    is_of_its_size_already(&pool, test);

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
    is_of_its_size_already(&pool, &again);
    assert_eq!(pool.volume_status(&again)["verdict"], "kept");
    assert_eq!(pool.fullness()["given_out_bytes"], 48 << 20);
    pool.kdev(&["volume", "rm", &before, &again]).good();
    pool.assert_no_trace();
    pool.teardown().good();
}

#[test]
fn a_volume_of_which_no_record_tells_is_not_taken_for_a_snapshot_that_failed() {
    for pool in [Pool::new(96), Pool::thin(96, 4)] {
        pool.child("takes_a_snapshot_by_a_taken_name_without_records")
            .good();
        pool.assert_no_trace();
    }
}

/// LVM has made it larger, and what was added may show another's data.
#[test]
fn a_volume_whose_added_part_cannot_be_made_clean_is_of_its_old_size() {
    let pool = Pool::that_cleans(96, "zero");
    pool.child("passes").env("KDEV_KEEP", "always").good();
    let [kept] = pool.lvs().try_into().unwrap();
    let resize = pool.kdev(&["volume", "resize", &kept, "32M"]);
    let mut where_nothing_can_be_cleaned = pool.program("unshare");
    where_nothing_can_be_cleaned
        .args(["--mount", "sh", "-c"])
        .arg("mount --bind /bin/false /usr/sbin/blkdiscard && exec \"$@\"")
        .arg("sh")
        .arg(resize.get_program())
        .args(resize.get_args());
    let said = where_nothing_can_be_cleaned.say();
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(said.err.contains("blkdiscard --zeroout"), "{}", said.err);
    assert_eq!(
        (size(&pool, &kept), &pool.records()[0]["size_bytes"]),
        (16 << 20, &(16 << 20).into())
    );
    pool.kdev(&["volume", "resize", &kept, "32M"]).good();
    assert_eq!(
        (size(&pool, &kept), &pool.records()[0]["size_bytes"]),
        (32 << 20, &(32 << 20).into())
    );
    pool.kdev(&["volume", "rm", &kept]).good();
    pool.assert_no_trace();
}

#[test]
fn a_growth_that_dies_anywhere_is_not_taken_for_one_that_is_clean() {
    let pool = Pool::that_cleans(96, "zero");
    pool.child("passes").env("KDEV_KEEP", "always").good();
    let [kept] = pool.lvs().try_into().unwrap();
    let resize = |to: &str| pool.kdev(&["volume", "resize", &kept, to]);
    let log = pool.path("places");
    resize("32M").env("KDEV_FAULT_LOG", &log).good();
    let places = fs::read_to_string(&log).unwrap();
    let places: Vec<&str> = places.lines().collect();
    let at = |name: &str| places.iter().position(|place| place.contains(name)).unwrap();
    let (larger, clean) = (at("begun: lvm lvextend"), at("done: blkdiscard"));
    let log = pool.path("steps");
    resize("16M").env("KDEV_FAULT_STEPS", &log).good();
    let steps = fs::read_to_string(&log).unwrap();
    let mut steps = steps.lines();
    let smaller = steps
        .position(|step| step.starts_with("about to run: lvm lvreduce"))
        .unwrap();
    // LVM, or what zeroes, may have been at work still when it died, and goes on with that.
    let settled =
        |size_then: &[u64]| wait_until("it has one size", || size_then.contains(&size(&pool, &kept)));
    for (number, place) in places.iter().enumerate() {
        resize("16M").good();
        let ended = resize("32M").env("KDEV_FAULT_AT", number.to_string()).output();
        assert_eq!(ended.unwrap().status.signal(), Some(9), "{place}");
        match number {
            _ if number < larger => settled(&[16 << 20]),
            _ => settled(&[32 << 20]),
        }
        let record = pool.records().remove(0);
        let asked = resize("32M").say();
        if number < larger || record.get("clean_bytes").is_none() {
            assert!(number < larger || number > clean, "{place}: {record}");
            assert_eq!(asked.code, Some(0), "{place}: {}", asked.err);
        } else {
            assert_eq!(asked.code, Some(1), "{place}: {record}");
            let remedy = format!("kdev volume resize {kept} 16M");
            for part in ["was begun at 16M", &remedy] {
                assert!(asked.err.contains(part), "{place}: {}", asked.err);
            }
            assert_eq!(resize("48M").say().code, Some(1), "{place}");
        }
    }
    resize("16M").good();
    resize("32M")
        .env("KDEV_FAULT_AT", larger.to_string())
        .output()
        .unwrap();
    settled(&[32 << 20]);
    let said = resize("16M").env("KDEV_FAULT_FAIL", smaller.to_string()).say();
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert_eq!(resize("32M").say().code, Some(1), "it is no cleaner for that");
    resize("16M").good();
    resize("32M").good();
    assert_eq!(
        (
            &pool.records()[0]["size_bytes"],
            pool.records()[0].get("clean_bytes")
        ),
        (&(32 << 20).into(), None)
    );
    pool.kdev(&["volume", "rm", &kept]).good();
    pool.assert_no_trace();
}

fn size(pool: &Pool, lv_name: &str) -> u64 {
    let lv = format!("{}/{lv_name}", pool.vg);
    let size = run(
        "lvs",
        &["--noheadings", "--nosuffix", "--units=b", "-o", "lv_size", &lv],
    );
    size.trim().parse().unwrap()
}
