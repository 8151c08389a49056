//! Every way in that is none.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::process::Command;

use crate::lvm::disk::{Disk, run};
use crate::lvm::ordinary::{ANN, JOE, REFUSED, ROOT_PROGRAM, Shared, as_user, ask, owner_and_mode};
use crate::scene::Say;

/// All that somebody could have changed.
fn picture() -> String {
    let lvs = run(
        "lvs",
        &[
            "--all",
            "--noheadings",
            "-o",
            "vg_name,vg_tags,lv_name,lv_tags,lv_size,lv_active,lv_uuid",
        ],
    );
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let owners: Vec<String> = fs::read_dir("/dev/mapper")
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            format!("{} {:?}", path.display(), owner_and_mode(&path))
        })
        .collect();
    format!("{lvs}{mounts}{owners:?}")
}

#[test]
fn what_is_not_ones_own_cannot_be_reached_by_any_arguments() {
    let shared = Shared::new(512);
    let Shared { pool, joe, ann, .. } = &shared;
    let vg = pool.vg.as_str();
    let joes = joe.start_command(&mut joe.child_as(JOE, "waits_while_mounted_by_guard"));
    let anns = ann.start_command(&mut ann.child_as(ANN, "waits_while_mounted_by_guard"));
    let roots = pool.start("waits");
    let (mine, hers, his) = (shared.lv_of(joe), shared.lv_of(ann), shared.lv_of(pool));
    let [my_tag, her_tag, his_tag] = [&mine, &hers, &his].map(|name| shared.tag_of(name));
    // They say of others' volumes that they are mine.
    let forged = |tag: &str, user: u32| tag.replace(&format!(":u={user}"), &format!(":u={JOE}"));
    let (her_forged, his_forged) = (forged(&her_tag, ANN), forged(&his_tag, 0));
    // A VG that is not ours, with an LV that looks like mine to the last letter of its tag.
    let disk = Disk::new(64);
    let other = format!("foreign-{}", std::process::id());
    run("vgcreate", &[&other, disk.name()]);
    let look_alike = ["--yes", "--size=8m", "--addtag", &my_tag, "--name", &mine, &other];
    run("lvcreate", &look_alike);

    let new = mine.replace("-test", "-new");
    let [own, link, above, not_own] = ["own", "link", "above", "not-own"].map(|name| {
        let path = joe.tmp().join(name);
        path.to_str().unwrap().to_owned()
    });
    fs::create_dir(&own).unwrap();
    fs::create_dir(&not_own).unwrap();
    chown(&own, Some(JOE), Some(JOE)).unwrap();
    symlink("/etc", &link).unwrap();
    symlink(joe.tmp(), &above).unwrap();
    let through_link = format!("{above}/own");
    let her_point = ann.tmp().join(&hers).to_str().unwrap().to_owned();
    let in_vg = format!("{vg}/{hers}");
    let with_quote = format!("{my_tag}\"}}||lv_name=~\"");
    let many = vec!["room"; 1025];
    let (mine, hers, his, other, new) = (&*mine, &*hers, &*his, &*other, &*new);
    let (my_tag, her_tag, his_tag) = (&*my_tag, &*her_tag, &*his_tag);
    let (her_forged, his_forged) = (&*her_forged, &*his_forged);
    let run_this = "--config=global{thin_check_executable=\"/tmp/evil\"}";

    let hostile: &[(&[&str], &str)] = &[
        (&[], "no question"),
        (&["lvremove", vg], "no question"),
        (&["--help"], "no question"),
        (&["sh", "-c", "id"], "no question"),
        (&["room", other], "no pool of ours"),
        (&["room", run_this], "no name of a VG"),
        (&["room", "../vg"], "no name of a VG"),
        (&["room", "vg\nother"], "control character"),
        (&["room", vg, other], "no question"),
        (&["list", other], "is not ours"),
        (&["list", vg, "--all"], "no question"),
        (&["list", "@kdev.pool"], "no name of a VG"),
        (&many, "arguments are more than"),
        // Removing.
        (&["remove", vg, her_tag, hers], "is not user"),
        (&["remove", vg, his_tag, his], "is not user"),
        (&["remove", vg, my_tag, hers], "does not name the session"),
        (&["remove", vg, her_forged, hers], "has not the tag"),
        (&["remove", vg, his_forged, his], "has not the tag"),
        (&["remove", other, my_tag, mine], "has not the tag"),
        (&["remove", vg, "@kdev.pool", mine], "no tag of an owner"),
        (&["remove", vg, &with_quote, mine], "no tag of an owner"),
        (&["remove", vg, my_tag, vg], "no name of a volume"),
        (&["remove", vg, my_tag, &in_vg], "no name of a volume"),
        (&["remove", vg, my_tag, "--force"], "no name of a volume"),
        (&["remove", vg, my_tag, mine, mine], "named twice"),
        // Marking.
        (&["keep", vg, her_forged, hers], "has not the tag"),
        (&["keep", other, my_tag, mine], "has not the tag"),
        // Activating.
        (&["activate", vg, her_forged, hers], "has not the tag"),
        (&["activate", vg, her_tag, hers], "is not user"),
        (&["activate", other, my_tag, mine], "is not ours"),
        (&["activate", vg, my_tag, mine], "is not kept"),
        // Making.
        (&["create", other, my_tag, "drops", new, "4194304"], "is not ours"),
        (&["create", vg, her_tag, "drops", hers, "4194304"], "is not user"),
        (
            &["create", vg, my_tag, "drops", hers, "4194304"],
            "does not name the session",
        ),
        (&["create", vg, my_tag, "drops", new, "100%FREE"], "no size"),
        (&["create", vg, my_tag, "drops", new, "--type"], "no size"),
        (
            &["create", vg, my_tag, "drops", "--addtag", "4194304"],
            "no name of a volume",
        ),
        (&["create", vg, my_tag, "--addtag", new, "4194304"], "neither"),
        (&["unwedge", vg, hers], "no part of a thin pool"),
        (&["unwedge", vg, "pool_tmeta"], "keeps no thin pool"),
        // Mounting.
        (
            &["mount", vg, my_tag, mine, "/etc", "ext4", "defaults"],
            "no directory of user",
        ),
        (
            &["mount", vg, my_tag, mine, &not_own, "ext4", "defaults"],
            "no directory of user",
        ),
        (
            &["mount", vg, my_tag, mine, &her_point, "ext4", "defaults"],
            "no directory of user",
        ),
        (
            &["mount", vg, my_tag, mine, &link, "ext4", "defaults"],
            "no directory of user",
        ),
        (
            &["mount", vg, my_tag, mine, &through_link, "ext4", "defaults"],
            "no directory of user",
        ),
        (
            &["mount", vg, my_tag, mine, "/tmp/../etc", "ext4", "defaults"],
            "not the whole path",
        ),
        (
            &["mount", vg, my_tag, mine, &own, "ext4", "suid"],
            "option `suid`",
        ),
        (
            &["mount", vg, my_tag, mine, &own, "ext4", "errors=panic"],
            "option `errors=panic`",
        ),
        (
            &["mount", vg, my_tag, mine, &own, "ext4", "journal_path=/dev/sda"],
            "option `journal_path",
        ),
        (
            &["mount", vg, my_tag, mine, &own, "proc", "defaults"],
            "`proc` is for root to mount",
        ),
        (
            &["mount", vg, my_tag, mine, &own, "f2fs", "defaults"],
            "`f2fs` is for root to mount",
        ),
        (
            &["mount", vg, her_forged, hers, &own, "ext4", "defaults"],
            "has not the tag",
        ),
        (
            &["mount", other, my_tag, mine, &own, "ext4", "defaults"],
            "has not the tag",
        ),
        (&["unmount", vg, my_tag, mine, &her_point], "is not mounted on"),
        (&["unmount", vg, her_forged, hers, &her_point], "has not the tag"),
        (&["unmount", vg, my_tag, mine, "/proc"], "is not mounted on"),
        (&["unmount", vg, my_tag, mine, "/"], "not the whole path"),
    ];
    let before = picture();
    for (args, why) in hostile {
        let said = ask(JOE, args);
        assert_eq!(said.code, REFUSED, "{args:?}: {}", said.err);
        assert!(
            said.err.contains(why) && said.out.is_empty(),
            "{args:?}: {}",
            said.err
        );
    }
    // A name that is taken LVM refuses. The node stays hers.
    let said = ask(JOE, &["create", vg, her_forged, "drops", hers, "4194304"]);
    assert!(
        said.code == Some(5) && said.err.contains("already exists"),
        "{}",
        said.err
    );
    assert_eq!(picture(), before);

    // What sudo itself lets no ordinary user do with our line.
    for args in [
        &["-n", "id"][..],
        &["-n", "lvs"],
        &["-n", "/usr/bin/env", ROOT_PROGRAM, "room", vg],
        &["-n", "-u", "kdev-ann", ROOT_PROGRAM, "room", vg],
        &["-n", "LVM_SYSTEM_DIR=/tmp", ROOT_PROGRAM, "room", vg],
    ] {
        assert_eq!(as_user(JOE, "sudo", args).say().code, Some(1), "{args:?}");
    }
    // sudo refuses this, where sudo-rs says that it will not do it, and goes on.
    for keep in ["-E", "--preserve-env=LVM_SYSTEM_DIR"] {
        let mut sudo = as_user(JOE, "sudo", &["-n", keep, ROOT_PROGRAM, "room", vg]);
        let said = sudo.env("LVM_SYSTEM_DIR", "/tmp").say();
        let is_ignored = said.code == Some(0) && said.err.contains("ignored");
        assert!(said.code == Some(1) || is_ignored, "{keep}: {}", said.err);
    }
    // A third user has no line, and no rights of kdev-root's own.
    assert_eq!(ask(65534, &["room", vg]).code, Some(1));
    let said = as_user(JOE, ROOT_PROGRAM, &["room", vg]).say();
    assert!(
        said.code == REFUSED && said.err.contains("not run by root"),
        "{}",
        said.err
    );
    assert_eq!(picture(), before);

    drop((joes, anns, roots));
    run("vgremove", &["--force", "--yes", other]);
    for scene in [joe, ann] {
        scene.wait_for_watchdogs();
    }
    pool.kdev(&["pool", "cleanup"]).good();
}

/// The kernel would open further devices as root, which the data on this one name.
#[test]
fn a_filesystem_of_several_devices_is_not_mounted_though_the_kernel_has_it() {
    let shared = Shared::new(256);
    let Shared { pool, joe, .. } = &shared;
    let child = joe.start_command(&mut joe.child_as(JOE, "waits"));
    let mine = shared.lv_of(joe);
    let tag = shared.tag_of(&mine);
    let new = mine.replace("-test", "-new");
    let said = ask(JOE, &["create", &pool.vg, &tag, "drops", &new, "134217728"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    let node = shared.node(&new);
    as_user(JOE, "/usr/sbin/mkfs.btrfs", &["-q", node.to_str().unwrap()]).good();
    let point = joe.tmp().join("point");
    fs::create_dir(&point).unwrap();
    chown(&point, Some(JOE), Some(JOE)).unwrap();
    let known = fs::read_to_string("/proc/filesystems").unwrap();
    assert!(known.contains("\tbtrfs\n"), "{known}");

    let before = picture();
    let point = point.to_str().unwrap();
    let said = ask(JOE, &["mount", &pool.vg, &tag, &new, point, "btrfs", "defaults"]);
    assert_eq!(said.code, REFUSED, "{}", said.err);
    for why in [
        "`btrfs` is for root to mount",
        "other devices",
        "as root",
        "ext4, xfs",
    ] {
        assert!(said.err.contains(why), "{}", said.err);
    }
    assert_eq!(picture(), before);
    let said = ask(JOE, &["remove", &pool.vg, &tag, &new]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    child.kill();
    joe.wait_for_watchdogs();
}

/// Whatever is there, and whose it is: who cannot look there hears the same of all.
#[test]
fn what_a_user_cannot_see_is_not_told_either() {
    let shared = Shared::new(128);
    let Shared { pool, joe, .. } = &shared;
    let child = joe.start_command(&mut joe.child_as(JOE, "waits"));
    let mine = shared.lv_of(joe);
    let tag = shared.tag_of(&mine);
    let hidden = pool.path("hidden");
    fs::create_dir(&hidden).unwrap();
    fs::create_dir(hidden.join("roots")).unwrap();
    fs::create_dir(hidden.join("anns")).unwrap();
    chown(hidden.join("anns"), Some(ANN), Some(ANN)).unwrap();
    fs::write(hidden.join("file"), "").unwrap();
    symlink("roots", hidden.join("link")).unwrap();
    fs::set_permissions(&hidden, Permissions::from_mode(0o700)).unwrap();

    for verb in ["mount", "unmount"] {
        let answer = |below: &str| {
            let point = hidden.join(below);
            let point = point.to_str().unwrap();
            let mut args = vec![verb, &pool.vg, &tag, &mine, point];
            if verb == "mount" {
                args.extend(["ext4", "defaults"]);
            }
            let said = ask(JOE, &args);
            (said.code, said.out, said.err.replace(point, "THERE"))
        };
        let expected = answer("missing");
        assert_eq!(expected.0, REFUSED, "{}", expected.2);
        for below in [
            "roots",
            "anns",
            "file",
            "link",
            "roots/missing",
            "file/missing",
            "missing/missing",
            "link/missing",
        ] {
            assert_eq!(answer(below), expected, "{verb} {below}");
        }
    }
    child.kill();
    joe.wait_for_watchdogs();
}

/// As where sudo is told to keep it: kdev-root itself has to be proof against it.
#[test]
fn a_hostile_environment_reaches_neither_lvm_nor_anything_else() {
    let shared = Shared::new(128);
    let Shared { pool, joe, .. } = &shared;
    let child = joe.start_command(&mut joe.child_as(JOE, "waits"));
    let mine = shared.lv_of(joe);
    let tag = shared.tag_of(&mine);
    let new = mine.replace("-test", "-new");
    let evil = joe.path("evil");
    fs::create_dir(&evil).unwrap();
    for program in ["lvm", "lvs", "lvcreate", "udevadm", "blkdiscard", "sh"] {
        let script = evil.join(program);
        fs::write(&script, format!("#!/bin/sh\n: >{}\n", evil.join("ran").display())).unwrap();
        fs::set_permissions(&script, Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(
        evil.join("lvm.conf"),
        format!(
            "log {{ file=\"{0}\" level=7 }}\ndevices {{ dir=\"{0}\" }}\n",
            evil.join("log").display()
        ),
    )
    .unwrap();
    let args = format!("create {} {tag} drops {new} 4194304", pool.vg);
    // With a file size of nothing, few files, hardly a stack, signals that are ignored, and a file that it has no use for.
    let script = format!(
        "trap '' CHLD TERM INT HUP PIPE; ulimit -f 0 -n 16 -s 256; exec 9>>{0}/leaked; cd {0}; exec {ROOT_PROGRAM} {args}",
        evil.display()
    );
    let mut command = Command::new("bash");
    command
        .args(["-c", &script])
        .env("SUDO_UID", JOE.to_string())
        .env("PATH", format!("{}:/usr/bin:/bin", evil.display()))
        .env("LVM_SYSTEM_DIR", &evil)
        .env("LVM_OUT_FD", "9")
        .env("DM_DISABLE_UDEV", "1")
        .env("TMPDIR", &evil)
        .env("IFS", "/")
        .env("KDEV_WATCHDOG_OF", "1.1")
        .env("KDEV_STATE_DIR", &evil);
    let said = command.say();
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert_eq!(owner_and_mode(&shared.node(&new)), (JOE, 0o600));
    for left in ["ran", "log"] {
        assert!(!evil.join(left).exists(), "{left}");
    }
    assert_eq!(fs::read(evil.join("leaked")).unwrap(), b"");
    for (sudo_uid, why) in [(None, "SUDO_UID is not set"), (Some("root"), "no user's number")] {
        let mut command = Command::new(ROOT_PROGRAM);
        command.args(["room", &pool.vg]).env_remove("SUDO_UID");
        command.envs(sudo_uid.map(|uid| ("SUDO_UID", uid)));
        let said = command.say();
        assert!(said.code == REFUSED && said.err.contains(why), "{}", said.err);
    }
    let said = ask(JOE, &["remove", &pool.vg, &tag, &new]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    child.kill();
    joe.wait_for_watchdogs();
}
