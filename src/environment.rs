use std::env;
use std::ffi::{OsStr, OsString};
use std::path::Path;

use kdev_volumes_spec::DEVICE_VARIABLES;

/// Sets the variables of a session until the value that is returned is dropped.
///
/// Only for a process that runs one test and nothing else. Variables in which fstests looks for devices
/// and which are not the session's are unset: a test must not find a disk that somebody exported in the
/// surrounding shell. So are those that are `hidden`.
///
/// `PATH` ends with the directories of root's programs, as far as it lacks them: mkfs and fsck are there, and on Debian
/// only root's shells look there.
pub(crate) fn export(exports: &[(String, OsString)], hidden: &[&str]) -> Exported {
    let foreign = DEVICE_VARIABLES
        .iter()
        .chain(hidden)
        .filter(|name| exports.iter().all(|(export, _)| export != *name));
    let wanted = foreign.map(|name| ((*name).to_owned(), None));
    let wanted: Vec<(String, Option<OsString>)> = wanted
        .chain(
            exports
                .iter()
                .map(|(name, value)| (name.clone(), Some(value.clone()))),
        )
        .chain([("PATH".to_owned(), Some(with_sbin(env::var_os("PATH").as_deref())))])
        .collect();
    let before = wanted
        .iter()
        .map(|(name, _)| (name.clone(), env::var_os(name)))
        .collect();
    wanted.into_iter().for_each(set);
    Exported { before }
}

/// The variables as they were, to be restored: a test may call another annotated function.
pub(crate) struct Exported {
    before: Vec<(String, Option<OsString>)>,
}

impl Drop for Exported {
    fn drop(&mut self) {
        self.before.drain(..).for_each(set);
    }
}

/// Where programs for root are.
const SBIN: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// What programs are looked up by where `PATH` is not set (execvp(3)): once it is set, that counts no more.
const UNSET: &str = "/bin:/usr/bin";

/// Adds the directories of root's programs that a `PATH` lacks, at its end; all else in it is as it was, to the byte.
fn with_sbin(path: Option<&OsStr>) -> OsString {
    let path = path.unwrap_or(OsStr::new(UNSET));
    let has = |sbin: &Path| env::split_paths(path).any(|directory| directory == sbin);
    let mut all = path.to_owned();
    for sbin in SBIN.iter().filter(|sbin| !has(Path::new(sbin))) {
        all.push(":");
        all.push(sbin);
    }
    all
}

fn set((name, value): (String, Option<OsString>)) {
    // SAFETY: no other thread may use the environment meanwhile. The test is the only one of its
    // process; its runner's main thread only waits for it, and no thread of its own runs yet. One that
    // it leaves behind must keep off the environment: the macro's page says so.
    unsafe {
        match value {
            Some(value) => env::set_var(name, value),
            None => env::remove_var(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::a_users(Some("/usr/bin:/bin"), "/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin")]
    #[case::roots(
        Some("/sbin:/usr/sbin/:/usr/local/sbin:/bin"),
        "/sbin:/usr/sbin/:/usr/local/sbin:/bin"
    )]
    #[case::some_of_them(Some("/usr/sbin:/bin"), "/usr/sbin:/bin:/usr/local/sbin:/sbin")]
    #[case::with_the_directory_itself(Some("/bin:"), "/bin::/usr/local/sbin:/usr/sbin:/sbin")]
    #[case::empty(Some(""), ":/usr/local/sbin:/usr/sbin:/sbin")]
    #[case::unset(None, "/bin:/usr/bin:/usr/local/sbin:/usr/sbin:/sbin")]
    fn path_ends_with_roots_programs(#[case] path: Option<&str>, #[case] expected: &str) {
        assert_eq!(with_sbin(path.map(OsStr::new)), OsStr::new(expected));
    }

    #[test]
    fn variables_are_set_for_a_while_and_restored_after() {
        set(("SCRATCH_DEV".into(), Some("/dev/somebodys-disk".into())));
        set(("TEST_DEV".into(), None));
        set(("KDEV_HIDDEN".into(), Some("shown".into())));
        let exported = export(&[("TEST_DEV".into(), "/dev/loop7".into())], &["KDEV_HIDDEN"]);
        assert_eq!(env::var("TEST_DEV").as_deref(), Ok("/dev/loop7"));
        assert!(
            env::var_os("SCRATCH_DEV").is_none(),
            "a foreign disk is not passed on"
        );
        assert!(env::var_os("KDEV_HIDDEN").is_none());
        drop(exported);
        assert!(env::var_os("TEST_DEV").is_none());
        assert_eq!(env::var("SCRATCH_DEV").as_deref(), Ok("/dev/somebodys-disk"));
        assert_eq!(env::var("KDEV_HIDDEN").as_deref(), Ok("shown"));
        set(("SCRATCH_DEV".into(), None));
        set(("KDEV_HIDDEN".into(), None));
    }
}
