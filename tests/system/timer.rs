//! `kdev pool timer`: units as systemd reads them, and a line as cron does.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::scene::{NOBODY, Say, Scene};

/// The command under a path that is as odd as one can be, on a state directory beside it.
fn odd(scene: &Scene) -> (PathBuf, PathBuf) {
    let directory = scene.path("100% of $HOME; ä #1");
    fs::create_dir(&directory).unwrap();
    let program = directory.join("kdev");
    fs::copy(env!("CARGO_BIN_EXE_kdev"), &program).unwrap();
    (program, directory.join("it's \"a\\b\" %h"))
}

/// systemd runs no such program, and says so only when it is to.
#[test]
fn a_program_with_a_quote_in_its_path_is_refused() {
    let scene = Scene::embedded();
    let program = scene.path("it's");
    fs::copy(env!("CARGO_BIN_EXE_kdev"), &program).unwrap();
    let said = scene.program(&program).args(["pool", "timer", "--print"]).say();
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("put `kdev` elsewhere"), "{}", said.err);
}

/// systemd's own word on units, warnings included.
fn verify(scene: &Scene, directory: &Path) {
    for unit in ["service", "timer"] {
        let unit = directory.join(format!("kdev-cleanup.{unit}"));
        let mut verify = scene.program("systemd-analyze");
        let said = verify.args(["verify", "--man=no"]).arg(&unit).say();
        assert_eq!(
            (said.code, said.err.as_str()),
            (Some(0), ""),
            "{}",
            unit.display()
        );
    }
}

#[test]
fn systemd_takes_the_units_whatever_the_paths() {
    let scene = Scene::embedded();
    let (program, state) = odd(&scene);
    let units = scene.path("units");
    let timer = |args: &[&str]| {
        let mut command = scene.program(&program);
        command
            .args(["pool", "timer"])
            .args(args)
            .env("KDEV_STATE_DIR", &state);
        command.env("TMPDIR", scene.path("t m % p"));
        command
    };
    let dir = format!("--dir={}", units.display());
    let said = timer(&["--install", &dir]).good();
    assert!(
        said.contains("wrote ") && said.contains("systemctl enable --now kdev-cleanup.timer"),
        "{said}"
    );
    verify(&scene, &units);
    let service = fs::read_to_string(units.join("kdev-cleanup.service")).unwrap();
    assert!(
        timer(&["--print"]).good().contains(&service),
        "what is printed is what is written"
    );

    let said = timer(&["--install", "--every=6h", &dir]).good();
    assert!(
        said.contains("is as it was: ") && said.contains("replaced "),
        "{said}"
    );
    verify(&scene, &units);
    timer(&["--remove", &dir]).good();
    assert_eq!(fs::read_dir(&units).unwrap().count(), 0);
    assert!(
        timer(&["--remove", &dir])
            .good()
            .contains("there is no `kdev-cleanup`")
    );
}

#[test]
fn systemd_knows_the_time_of_every_timer() {
    let scene = Scene::embedded();
    let calendar = |every: &str| {
        let units = scene.kdev(&["pool", "timer", "--print", "--every", every]).good();
        let line = units
            .lines()
            .find_map(|line| line.strip_prefix("OnCalendar="))
            .unwrap();
        line.to_owned()
    };
    let times = ["1m", "5m", "15m", "30m", "1h", "6h", "12h", "1d"].map(calendar);
    scene
        .program("systemd-analyze")
        .arg("calendar")
        .args(times)
        .good();
}

#[test]
fn what_cron_hands_to_its_shell_cleans_up() {
    let scene = Scene::images();
    let (program, state) = odd(&scene);
    let mut child = scene.child("waits");
    scene.start_command(child.env("KDEV_STATE_DIR", &state)).kill();
    let images = scene.image_files();
    assert_eq!(images.len(), 1);
    let mut timer = scene.program(&program);
    let line = timer
        .args(["pool", "timer", "--cron", "--every=30m"])
        .env("KDEV_STATE_DIR", &state)
        .good();
    let command = line.strip_prefix("*/30 * * * * ").expect(&line);
    // crontab(5): a `%` is a line break, unless there is a backslash before it, which cron takes away.
    let command = command.trim_end().replace("\\%", "\u{0}");
    assert!(!command.contains('%') && !command.contains('\n'), "{line}");
    let mut shell = Command::new("/bin/sh");
    shell
        .arg("-c")
        .arg(command.replace('\u{0}', "%"))
        .env_clear()
        .current_dir("/");
    assert_eq!(shell.good(), "");
    assert_eq!(scene.image_files(), Vec::<PathBuf>::new());
}

#[test]
fn a_file_that_is_not_ours_stays_as_it_is() {
    let scene = Scene::embedded();
    let units = scene.path("units");
    fs::create_dir(&units).unwrap();
    let theirs = units.join("kdev-cleanup.timer");
    fs::write(&theirs, "[Timer]\nOnBootSec=1\n").unwrap();
    let dir = format!("--dir={}", units.display());
    for what in ["--install", "--remove"] {
        let said = scene.kdev(&["pool", "timer", what, &dir]).say();
        assert_eq!((said.code, said.out.as_str()), (Some(1), ""), "{what}");
        assert!(
            said.err.contains("`kdev pool timer` did not write it"),
            "{}",
            said.err
        );
    }
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "[Timer]\nOnBootSec=1\n");
    assert_eq!(fs::read_dir(&units).unwrap().count(), 1);
}

#[test]
fn a_users_timer_is_the_users_and_cleans_images() {
    let scene = Scene::embedded();
    let home = scene.path("home");
    fs::create_dir(&home).unwrap();
    scene.give_all_to(NOBODY);
    let mut timer = scene.kdev_as_nobody(&["pool", "timer", "--install"]);
    timer.env("HOME", &home).env_remove("XDG_CONFIG_HOME");
    let said = timer.good();
    assert!(
        said.contains("systemctl --user enable --now kdev-cleanup-images.timer"),
        "{said}"
    );
    let service = home.join(".config/systemd/user/kdev-cleanup-images.service");
    let service = fs::read_to_string(service).unwrap();
    assert!(service.contains(" pool cleanup --pool=images\n"), "{service}");

    let mut timer = scene.kdev_as_nobody(&["pool", "timer", "--print", "--pool=embedded"]);
    let said = timer.env("HOME", &home).say();
    assert_eq!(said.code, Some(69), "{}", said.err);
}

/// In a mount namespace of its own, where `/run` is empty: this machine's systemd is not to be told anything.
#[test]
fn where_systemd_does_not_run_nothing_is_enabled_and_nothing_written() {
    let scene = Scene::embedded();
    let mut hidden = scene.program("unshare");
    hidden.args(["--mount", "sh", "-c", "mount -t tmpfs none /run && mount -t tmpfs none /etc/systemd && \"$@\"; s=$?; find /etc/systemd -type f; exit $s", "sh"]);
    let said = hidden
        .arg(env!("CARGO_BIN_EXE_kdev"))
        .args(["pool", "timer", "--install", "--enable"])
        .say();
    assert_eq!((said.code, said.out.as_str()), (Some(69), ""), "{}", said.err);
    assert!(said.err.contains("systemd does not run here"), "{}", said.err);
}

#[test]
fn a_timer_of_no_kind_of_no_measure_or_of_no_pool_is_refused() {
    let scene = Scene::embedded();
    for args in [
        &[][..],
        &["--install", "--remove"],
        &["--print", "--every=7m"],
        &["--print", "--every=soon"],
        &["--print", "--enable"],
    ] {
        let said = scene.kdev(&[&["pool", "timer"], args].concat()).say();
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{args:?}");
    }
    // The pool of a timer that is to be removed may be gone before it.
    let dir = format!("--dir={}", scene.path("units").display());
    let remove = ["pool", "timer", "--remove", "--pool=nowhere", &dir];
    assert!(
        scene
            .kdev(&remove)
            .good()
            .contains("there is no `kdev-cleanup-nowhere`")
    );
    let said = scene.kdev(&["pool", "timer", "--print", "--pool=nowhere"]).say();
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("there is no pool `nowhere`"), "{}", said.err);
}
