//! What `kdev setup-sudo` writes, and where it does not.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::lvm::ordinary::{JOE, ROOT_PROGRAM, SUDOERS, Shared, owner_and_mode};
use crate::scene::Say;

#[test]
fn what_sudo_is_told_is_only_written_where_it_is_safe_and_taken_away_again() {
    let shared = Shared::new(64);
    let pool = &shared.pool;
    let kdev = |args: &[&str]| pool.kdev(&[&["setup-sudo"], args].concat()).say();
    assert_eq!(owner_and_mode(Path::new(ROOT_PROGRAM)), (0, 0o755));
    assert_eq!(owner_and_mode(Path::new(SUDOERS)), (0, 0o440));
    let text = fs::read_to_string(SUDOERS).unwrap();
    assert!(
        kdev(&["--user=kdev-joe", "--user=kdev-ann"])
            .out
            .starts_with(&text)
    );

    for (name, why) in [
        ("ALL", "alias"),
        ("no-such-user", "is not there"),
        ("kdev-joe,ALL", "letters"),
    ] {
        let said = kdev(&["--install", "--user", name]);
        assert!(said.code == Some(1) && said.err.contains(why), "{}", said.err);
    }
    let said = shared
        .joe
        .kdev_as(JOE, &["setup-sudo", "--install", "--user=kdev-joe"])
        .say();
    assert!(
        said.code == Some(69) && said.err.contains("needs root"),
        "{}",
        said.err
    );
    fs::set_permissions("/usr/local/sbin", Permissions::from_mode(0o775)).unwrap();
    let said = kdev(&["--install", "--user=kdev-joe"]);
    fs::set_permissions("/usr/local/sbin", Permissions::from_mode(0o755)).unwrap();
    assert!(
        said.code == Some(1) && said.err.contains("others than root may write"),
        "{}",
        said.err
    );
    // Nor by way of a link, where only this command sees it.
    let script = "mount -t tmpfs -o mode=755 none /usr/local && mkdir -p /usr/local/open/sbin \
                  && chmod 777 /usr/local/open && ln -s open/sbin /usr/local/sbin && exec \"$@\"";
    let kdev_itself = pool.kdev(&["setup-sudo", "--install", "--user=kdev-joe"]);
    let said = pool
        .program("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(kdev_itself.get_program())
        .args(kdev_itself.get_args())
        .say();
    assert!(
        said.code == Some(1) && said.err.contains("go-w /usr/local/open`"),
        "{}",
        said.err
    );
    assert_eq!(fs::read_to_string(SUDOERS).unwrap(), text);

    // Others than root could have written it: it is not asked.
    fs::set_permissions(ROOT_PROGRAM, Permissions::from_mode(0o777)).unwrap();
    let said = shared.joe.child_as(JOE, "passes").say();
    assert!(said.err.contains("root alone can write"), "{}", said.err);

    let removed = kdev(&["--remove"]).out;
    assert_eq!(removed, format!("removed {SUDOERS}\nremoved {ROOT_PROGRAM}\n"));
    let said = shared.joe.child_as(JOE, "passes").say();
    assert!(
        said.code == Some(101) && said.err.contains("kdev setup-sudo --install"),
        "{}",
        said.err
    );
    // A file that is not ours stays.
    fs::write(SUDOERS, "# mine\n").unwrap();
    let said = kdev(&["--remove"]);
    fs::remove_file(SUDOERS).unwrap();
    assert!(
        said.code == Some(1) && said.err.contains("is not ours"),
        "{}",
        said.err
    );

    // A program that no line is for.
    kdev(&["--install", "--user=kdev-ann"]);
    let said = shared.joe.child_as(JOE, "passes").say();
    assert!(
        said.code == Some(101) && said.err.contains("sudo did not run"),
        "{}",
        said.err
    );
    shared.joe.wait_for_watchdogs();
}
