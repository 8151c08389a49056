//! Status, log and timer on a real pool.

use crate::lvm::disk::{Pool, run};
use crate::scene::Say;

/// What the unit of a timer lets its service do, for setpriv(1).
fn bounding_set(pool: &Pool) -> String {
    let units = pool
        .kdev(&["pool", "timer", "--print", "--pool", &pool.name])
        .good();
    let line = units
        .lines()
        .find_map(|line| line.strip_prefix("CapabilityBoundingSet="))
        .unwrap();
    let names = line
        .split(' ')
        .map(|name| name.strip_prefix("CAP_").unwrap().to_lowercase());
    format!("--bounding-set=-all,+{}", names.collect::<Vec<_>>().join(",+"))
}

#[test]
fn what_happens_in_a_pool_is_seen_and_its_timers_rights_are_enough_to_clean_it() {
    let pool = Pool::new(128);
    let point = pool.mount_point();
    let mut child = pool.child("waits_while_mounted");
    pool.start_command(child.env("CHILD_MOUNT_POINT", &point.path))
        .kill();
    let said = pool.kdev(&["pool", "status"]).good();
    assert!(
        said.contains("[!!!!!!!!!!!.............................] 29% taken: 32M dead or stuck"),
        "{said}"
    );

    // As the unit does: with its rights, and no others to be had.
    let mut clean = pool.program("setpriv");
    clean
        .args(["--no-new-privs", &bounding_set(&pool)])
        .arg(env!("CARGO_BIN_EXE_kdev"));
    let said = clean.args(["pool", "cleanup", "--pool", &pool.name]).say();
    assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{}", said.out);
    assert!(said.out.starts_with("removed kdev-"), "{}", said.out);
    pool.assert_no_trace();
    assert!(point.path.read_dir().unwrap().next().is_none(), "it is unmounted");

    run(
        "lvcreate",
        &["--yes", "--extents=100%FREE", "--name=theirs", &pool.vg],
    );
    let said = pool.child("passes").say();
    let never = "can never hold the 16M that is needed: it has 108M in all, of which stays 108M by `theirs`";
    assert!(said.err.contains(never), "{}", said.err);
    let said = pool.kdev(&["pool", "status"]).good();
    assert!(said.contains("] 100% taken: 108M not ours"), "{said}");
    let said = pool.kdev(&["metrics", "--prometheus"]).good();
    let of_pool =
        |name: &str, more: &str, value: &str| format!("\n{name}{{pool=\"{}\"{more}}} {value}\n", pool.name);
    for line in [
        of_pool("kdev_pool_free_bytes", "", "0"),
        of_pool("kdev_pool_size_bytes", "", "113246208"),
        of_pool("kdev_log_leaked_volumes", ",by=\"cleanup\"", "1"),
        of_pool("kdev_log_peak_bytes", "", "33554432"),
        of_pool("kdev_log_failures", "", "1"),
        of_pool("kdev_log_waits_in_vain", "", "0"),
    ] {
        assert!(said.contains(&line), "{line} {said}");
    }
    run("lvremove", &["--yes", &format!("{}/theirs", pool.vg)]);
}
