//! Several users, and what they may lay into each other's way: who can write the state decides what is removed.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use crate::scene::{NOBODY, Say, Scene};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

/// A directory's content, and that of those in it.
fn all_in(directory: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(all_in(&path));
        }
        all.push(path);
    }
    all
}

/// Puts something else in place of a file.
fn lay(what: &str, path: &Path, victim: &Path) {
    match what {
        "link" => symlink(victim, path).unwrap(),
        "fifo" => nix::unistd::mkfifo(path, nix::sys::stat::Mode::S_IRWXU).unwrap(),
        "foreign" => {
            fs::write(path, "{}").unwrap();
            chown(path, Some(NOBODY), None).unwrap();
        }
        _ => unreachable!("no such thing: {what}"),
    }
}

#[test]
fn a_state_directory_that_is_a_link_is_refused_and_nothing_is_made_behind_it() {
    let scene = Scene::embedded();
    let behind = scene.path("behind");
    fs::create_dir(&behind).unwrap();
    symlink(&behind, scene.state_dir()).unwrap();
    symlink(&behind, scene.path(".kerneldev-mcp")).unwrap();
    let refused = |mut command: std::process::Command, code| {
        let said = command.say();
        assert_eq!(said.code, Some(code), "{command:?}: {}", said.err);
        assert!(
            said.err.contains("is not used: it is a symbolic link (put"),
            "{command:?}: {}",
            said.err
        );
        assert_eq!(all_in(&behind), Vec::<PathBuf>::new(), "{command:?}");
    };
    for args in [&["pool", "status"][..], &["pool", "list"], &["pool", "cleanup"]] {
        refused(scene.kdev(args), 1);
        let mut with_slash = scene.kdev(args);
        with_slash.env("KDEV_STATE_DIR", scene.path("state/"));
        refused(with_slash, 1);
        let mut at_home = scene.kdev(args);
        at_home.env_remove("KDEV_STATE_DIR").env("HOME", scene.path(""));
        refused(at_home, 1);
    }
    refused(scene.child("passes"), 101);
}

#[test]
fn leases_behind_a_link_are_refused() {
    let scene = Scene::embedded();
    let behind = scene.path("behind");
    fs::create_dir(&behind).unwrap();
    fs::create_dir(scene.state_dir()).unwrap();
    symlink(&behind, scene.state_dir().join("leases")).unwrap();
    let said = scene.child("passes").say();
    assert_eq!(said.code, Some(101), "{}", said.err);
    assert!(
        said.err.contains("leases` is not used: it is a symbolic link"),
        "{}",
        said.err
    );
    assert_eq!(all_in(&behind), Vec::<PathBuf>::new());
}

#[test]
fn another_users_state_directory_is_refused_and_left_as_it_is() {
    let scene = Scene::embedded();
    fs::create_dir(scene.state_dir()).unwrap();
    fs::set_permissions(scene.state_dir(), Permissions::from_mode(0o777)).unwrap();
    chown(scene.state_dir(), Some(NOBODY), None).unwrap();
    // Whom sudo ran somebody else for does not matter.
    for other in ["", "12345", "nonsense"] {
        let said = scene.child("passes").env("SUDO_UID", other).say();
        assert_eq!(said.code, Some(101), "{}", said.err);
        assert!(
            said.err
                .contains("is not used: it belongs to user 65534 and this is user 0"),
            "{}",
            said.err
        );
    }
    assert_eq!(all_in(&scene.state_dir()), Vec::<PathBuf>::new());
    assert_eq!(mode(&scene.state_dir()), 0o777);
}

#[test]
fn what_is_laid_in_place_of_a_file_is_refused_and_never_followed_or_waited_for() {
    for (what, why) in [
        ("link", "it is a symbolic link"),
        ("fifo", "it is not a regular file"),
        ("foreign", "it belongs to user 65534"),
    ] {
        for (file, args) in [
            ("lv-state.json", Some(&["pool", "status"][..])),
            ("device-pool.json", Some(&["pool", "list"])),
            ("reaper.lock", Some(&["pool", "cleanup"])),
            ("lv-state.lock", None),
        ] {
            let scene = Scene::embedded();
            let (path, victim) = (scene.state_dir().join(file), scene.path("victim"));
            fs::create_dir(scene.state_dir()).unwrap();
            fs::write(&victim, "{}").unwrap();
            lay(what, &path, &victim);
            let before = fs::symlink_metadata(&path).unwrap();
            let mut command = args.map_or_else(|| scene.child("passes"), |args| scene.kdev(args));
            let said = command.say();
            assert_eq!(
                said.code,
                Some(if args.is_some() { 1 } else { 101 }),
                "{what} {file}: {}",
                said.err
            );
            assert!(
                said.err.contains(why) && said.err.contains(file),
                "{what} {file}: {}",
                said.err
            );
            assert_eq!(fs::read(&victim).unwrap(), b"{}");
            assert_eq!(fs::symlink_metadata(&path).unwrap().ino(), before.ino());
        }
    }
}

#[test]
fn a_lease_that_is_not_to_be_trusted_proves_nothing() {
    let scene = Scene::embedded();
    let child = scene.start("waits");
    let [record] = scene.records().try_into().unwrap();
    let [lease] = scene.leases().try_into().unwrap();
    // With this the kernel keeps the device when its owner is gone.
    let device = File::open(record["lv_path"].as_str().unwrap()).unwrap();
    child.kill();
    // It is free, if one only looks through the link.
    let genuine = scene.path("genuine");
    fs::rename(&lease, &genuine).unwrap();
    for what in ["link", "fifo", "foreign"] {
        lay(what, &lease, &genuine);
        let status = scene.kdev(&["pool", "status"]).good();
        assert!(
            status.contains("unknown (its lease is not a file that this user can read and trust)"),
            "{what}: {status}"
        );
        assert_eq!(
            scene.kdev(&["pool", "cleanup"]).good(),
            "nothing to clean up\n",
            "{what}"
        );
        assert_eq!(scene.records().len(), 1, "{what}");
        fs::remove_file(&lease).unwrap();
    }
    fs::rename(&genuine, &lease).unwrap();
    drop(device);
    scene.kdev(&["pool", "cleanup"]).good();
    scene.assert_no_trace();
}

#[test]
fn a_directory_that_kerneldev_mcp_left_open_to_all_is_closed_to_others() {
    let scene = Scene::embedded();
    let leases = scene.state_dir().join("leases");
    fs::create_dir_all(&leases).unwrap();
    fs::write(
        scene.state_dir().join("device-pool.json"),
        r#"{"version": "1.0", "pools": {}}"#,
    )
    .unwrap();
    for directory in [scene.state_dir(), leases.clone()] {
        fs::set_permissions(directory, Permissions::from_mode(0o775)).unwrap();
    }
    scene.kdev(&["pool", "status"]).good();
    assert_eq!((mode(&scene.state_dir()), mode(&leases)), (0o700, 0o700));
    scene.child("passes").env("KDEV_KEEP", "1").good();
    let theirs = scene.state_dir().join("device-pool.json");
    for file in all_in(&scene.state_dir())
        .iter()
        .filter(|path| path.is_file() && **path != theirs)
    {
        assert_eq!(mode(file), 0o600, "{}", file.display());
    }
    scene.kdev(&["pool", "cleanup", "--kept"]).good();
}

/// As `sudo -E` does it: root, in the home directory of somebody else.
#[test]
fn what_root_makes_for_the_user_of_sudo_is_that_users() {
    let scene = Scene::embedded();
    chown(scene.path(""), Some(NOBODY), Some(NOBODY)).unwrap();
    let sudo_user = NOBODY.to_string();
    let all_are_the_users = |when: &str| {
        for path in all_in(&scene.path("state")).iter().chain([&scene.state_dir()]) {
            let found = fs::symlink_metadata(path).unwrap();
            let owner = (found.uid(), found.gid());
            assert_eq!(owner, (NOBODY, NOBODY), "{when}: {}", path.display());
            assert_eq!(found.mode() & 0o077, 0, "{when}: {}", path.display());
        }
    };
    let mut child = scene.child("waits");
    let child = scene.start_command(child.env("SUDO_UID", &sudo_user));
    scene
        .child("passes")
        .env("SUDO_UID", &sudo_user)
        .env("KDEV_KEEP", "1")
        .good();
    all_are_the_users("while one is held and one is kept");
    assert_eq!(scene.leases().len(), 2);

    let seen = scene.kdev_as_nobody(&["pool", "status"]).good();
    assert!(
        seen.contains(" alive ") && seen.contains(" kept "),
        "the user sees the lease of root's process: {seen}"
    );
    child.kill();
    let seen = scene.kdev_as_nobody(&["pool", "status"]).good();
    assert!(seen.contains(" dead ") && seen.contains(" kept "), "{seen}");
    scene.kdev_as_nobody(&["pool", "cleanup"]).good();
    assert_eq!(
        scene.records().len(),
        2,
        "what only root can see to is left to root"
    );

    scene
        .kdev(&["pool", "cleanup", "--kept"])
        .env("SUDO_UID", &sudo_user)
        .good();
    all_are_the_users("after the cleanup");
    scene.assert_no_trace();
}

#[test]
fn a_directory_of_the_users_own_stays_the_users_when_root_works_in_it() {
    let scene = Scene::embedded();
    fs::create_dir(scene.state_dir()).unwrap();
    fs::write(
        scene.state_dir().join("lv-state.json"),
        r#"{"allocations": [{"theirs": 1}]}"#,
    )
    .unwrap();
    for path in [scene.state_dir(), scene.state_dir().join("lv-state.json")] {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    scene.child("passes").env("SUDO_UID", NOBODY.to_string()).good();
    assert_eq!(scene.records().len(), 1, "theirs");
    for path in all_in(&scene.state_dir()) {
        assert_eq!(fs::metadata(&path).unwrap().uid(), NOBODY, "{}", path.display());
    }
    scene.kdev_as_nobody(&["pool", "cleanup"]).good();
}

/// In a directory for everybody's temporary files anybody can lay something by the name of a mount point.
#[test]
fn what_has_the_name_of_a_deads_mount_point_and_is_none_is_left() {
    let embedded = Scene::embedded();
    embedded.make_tmp();
    // A loop device has gone with its owner, and is forgotten; an image is removed.
    for scene in [embedded, Scene::images()] {
        scene.start("waits").kill();
        let [record] = scene.records().try_into().unwrap();
        let name = record["lv_name"].as_str().unwrap();
        let behind = scene.path("behind");
        fs::create_dir(&behind).unwrap();
        let [link, theirs, ours] = ["2", "3", "4"].map(|number| scene.tmp().join(format!("{name}.{number}")));
        symlink(&behind, &link).unwrap();
        fs::create_dir(&theirs).unwrap();
        chown(&theirs, Some(NOBODY), None).unwrap();
        fs::create_dir(&ours).unwrap();
        scene.kdev(&["pool", "cleanup"]).good();
        assert!(behind.is_dir() && link.is_symlink());
        assert!(theirs.is_dir() && !ours.exists());
        scene.assert_no_trace();
    }
}
