//! What the environment names is an LV of the test's own, by whatever path, or is refused.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lvm::disk::{Pool, run};
use crate::scene::Say;
use crate::test_dev::{first_volume, said_of};

#[test]
fn a_test_and_the_programs_that_it_starts_are_told_of_its_own_lvs() {
    let pool = Pool::new(256);
    pool.child("tells_a_program").good();
    pool.child("reads_the_environment_and_gives_back").good();
    pool.assert_no_trace();
}

#[test]
fn an_lv_is_known_by_what_it_is_and_not_by_its_path() {
    let pool = Pool::new(256);
    let owner = pool.start("waits");
    let (device, name, session) = first_volume(&pool);
    let in_vg = Path::new("/dev").join(&pool.vg).join(&name);
    let number = fs::canonicalize(&device).unwrap();
    assert!(number.to_str().unwrap().starts_with("/dev/dm-"));
    for path in [&device, &in_vg, &number] {
        assert_eq!(
            said_of(&pool, Some(path), Some(&session)),
            format!("OURS {} 16M {name}", path.display())
        );
    }
    let refused = |path: &Path, session: &str, why: &str| {
        let said = said_of(&pool, Some(path), Some(session));
        assert!(
            said.starts_with("REFUSED ") && said.contains(why),
            "{why}: {said}"
        );
    };
    refused(&device, "20251115103045-a3f9d2", "it is a volume of session");
    refused(&pool.disk.device, &session, "which is no volume's name");

    // One that has such a name, in a pool of ours, and is nobody's volume.
    let foreign = format!("kdev-{session}-other");
    run("lvcreate", &["--yes", "--size=16M", "--name", &foreign, &pool.vg]);
    let foreign = Path::new("/dev").join(&pool.vg).join(&foreign);
    refused(&foreign, &session, "nor a tag says that it is one");
    // One that has the very name, in a VG that is not ours.
    let other = Pool::new(64);
    run("vgchange", &["--deltag", "kdev.pool", &other.vg]);
    run("lvcreate", &["--yes", "--size=16M", "--name", &name, &other.vg]);
    let same_name = Path::new("/dev").join(&other.vg).join(&name);
    refused(&same_name, &session, "is not the");
    pool.forget_the_records();
    refused(&same_name, &session, "it has no tag `kdev.pool`");

    // The LV's own tag is as good as a record.
    assert!(said_of(&pool, Some(&device), Some(&session)).starts_with("OURS "));
    run("lvremove", &[PathBuf::from("--yes"), foreign]);
    owner.kill();
    refused(&device, &session, "its test has ended");
    pool.kdev(&["pool", "cleanup"]).good();
    refused(&device, &session, "there is no such file");
    pool.assert_no_trace();
}
