//! Volumes that stay because somebody asked for it, and for how long.

use crate::scene::{Say, Scene};

/// The names of all volumes on record, the oldest first.
pub(crate) fn names(scene: &Scene) -> Vec<String> {
    let records = scene.records();
    let names = records.iter().map(|record| record["lv_name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

#[test]
fn kept_volumes_of_that_age_go() {
    kept_of_that_age_go(&Scene::embedded());
}

/// Of three kept volumes those go that are old, and what a dead process left, and nothing else.
pub(crate) fn kept_of_that_age_go(scene: &Scene) {
    for _ in 0..3 {
        scene.child("passes").env("KDEV_KEEP", "always").good();
    }
    let [old, unreadable, new] = names(scene).try_into().unwrap();
    scene.make_older(&old, "2025-11-15T10:30:45");
    // Its name tells too: it is from a moment ago.
    scene.make_older(&unreadable, "once");
    scene.start("waits").kill();
    let dead = names(scene).pop().unwrap();
    let live = scene.start_command(scene.child("waits").env("KDEV_REAPER", "off"));
    let live_name = names(scene).pop().unwrap();
    scene.make_older(&live_name, "2025-11-15T10:30:45");

    let said = scene
        .kdev(&["pool", "cleanup", "--kept", "--older-than=2d"])
        .good();
    assert!(said.contains(&format!("removed {old}\n")), "{said}");
    // Of a dead process's loop device the kernel may have left only the record.
    assert!(said.contains(&dead) && said.lines().count() == 2, "{said}");
    assert_eq!(names(scene), [unreadable, new, live_name]);
    live.kill();
    scene
        .kdev(&["pool", "cleanup", "--kept", "--older-than=0s"])
        .good();
    scene.assert_no_trace();
}
