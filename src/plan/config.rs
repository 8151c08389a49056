//! The tool configuration for nextest.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::command::typed;
use crate::error::{Error, Result};
use crate::plan::{PlannedTest, Room};
use crate::trust;

/// The first line of each file of ours; one without it is somebody else's.
const MARK: &str = "# Made by `kdev plan --write`, which writes it anew.";

/// nextest wants the names of a tool's groups to begin with the tool's, which `--tool-config-file` gives.
const GROUP: &str = "@tool:kdev:volumes";

/// Puts the tests into one group of nextest's, of which so many run at once.
pub(super) fn text(tests: &[PlannedTest], at_once: usize, room: &Room) -> String {
    let mut by_program: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for test in tests {
        by_program.entry(&test.binary_id).or_default().push(&test.name);
    }
    // Tests that fit at no time fail by themselves, and nextest has no empty groups.
    let threads = at_once.max(1);
    let mut text = format!(
        "{MARK}\n# Any {at_once} of these {} tests fit at once in {room}.\n\n[test-groups.'{GROUP}']\nmax-threads = {threads}\n",
        tests.len(),
    );
    // Rust's own names and nextest's binary ids have no character that a filter or TOML reads otherwise.
    for (binary_id, mut names) in by_program {
        names.sort_unstable();
        let names: Vec<String> = names.iter().map(|name| format!("test(={name})")).collect();
        let names = names.join("\n  | ");
        write!(
            text,
            "\n[[profile.default.overrides]]\nfilter = '''\nbinary_id(={binary_id}) & (\n    {names}\n)'''\ntest-group = '{GROUP}'\n"
        )
        .expect("a String takes all");
    }
    text
}

/// Replaces the file, if it is ours or missing, so that a reader finds the old one or the new one.
pub(super) fn write(file: &Path, text: &str) -> Result<()> {
    let failed = |err| Error::io("write", file, err);
    let is_there = is_ours(file)?;
    let directory = file.parent().unwrap_or(file);
    let mut new = tempfile::Builder::new()
        .prefix(".kdev-nextest.new-")
        // For whoever runs the tests to read, less what the umask takes.
        .permissions(Permissions::from_mode(0o666))
        .tempfile_in(directory)
        .map_err(failed)?;
    new.write_all(text.as_bytes()).map_err(failed)?;
    trust::give(new.as_file(), directory).map_err(failed)?;
    match is_there {
        true => new.persist(file),
        false => new.persist_noclobber(file),
    }
    .map_err(|err| failed(err.error))?;
    Ok(())
}

/// Tells whether there is a file of ours.
///
/// # Errors
///
/// [`Error::NotOurs`] if there is anything else.
fn is_ours(file: &Path) -> Result<bool> {
    let refused = |why: &str| Error::NotOurs {
        what: format!("`{}`", file.display()),
        why: format!("{why} (remove it, or name another file with `--write=FILE`)"),
    };
    match fs::symlink_metadata(file) {
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(false),
        Ok(found) if !found.is_file() => return Err(refused("it is not a regular file")),
        found => found.map_err(|err| Error::io("look at", file, err))?,
    };
    let text = fs::read(file).map_err(|err| Error::io("read", file, err))?;
    match text.split(|&byte| byte == b'\n').next() == Some(MARK.as_bytes()) {
        true => Ok(true),
        false => Err(refused("`kdev plan` did not write it")),
    }
}

/// Writes the command that runs the tests with the configuration.
pub(super) fn run_command(config: &Path, arguments: &[String]) -> String {
    let config = format!("kdev:{}", config.display());
    let words = ["nextest", "run", "--tool-config-file", &config];
    let words = words.into_iter().chain(arguments.iter().map(String::as_str));
    typed(OsStr::new("cargo"), words.map(OsStr::new))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use kdev_volumes_spec::Bytes;

    use super::*;

    fn test(binary_id: &str, name: &str) -> PlannedTest {
        PlannedTest {
            binary_id: binary_id.into(),
            name: name.into(),
            function: name.into(),
            needs: Bytes::new(4 << 20),
            volumes: vec![("test".into(), Bytes::new(1))],
        }
    }

    #[test]
    fn the_tests_of_each_program_are_named_one_by_one() {
        let tests = [
            test("c::it", "f::case_1"),
            test("c", "m::tests::f"),
            test("c::it", "a"),
        ];
        let room = Room::of_size(Bytes::new(8 << 20));
        assert_eq!(
            text(&tests, 2, &room),
            "# Made by `kdev plan --write`, which writes it anew.
# Any 2 of these 3 tests fit at once in a pool with room for 8M.

[test-groups.'@tool:kdev:volumes']
max-threads = 2

[[profile.default.overrides]]
filter = '''
binary_id(=c) & (
    test(=m::tests::f)
)'''
test-group = '@tool:kdev:volumes'

[[profile.default.overrides]]
filter = '''
binary_id(=c::it) & (
    test(=a)
  | test(=f::case_1)
)'''
test-group = '@tool:kdev:volumes'
"
        );
    }

    #[test]
    fn tests_of_which_none_fits_run_one_by_one() {
        let text = text(&[test("c", "f")], 0, &Room::of_size(Bytes::new(1)));
        assert!(text.contains("max-threads = 1\n"), "{text}");
    }

    #[test]
    fn a_file_of_ours_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("kdev-nextest.toml");
        for body in ["first", "second"] {
            let text = format!("{MARK}\n{body}\n");
            write(&file, &text).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_not_ours_is_refused_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("file"), "[profile.default]\n").unwrap();
        fs::write(path("ours"), format!("{MARK}\n")).unwrap();
        symlink(path("ours"), path("link")).unwrap();
        fs::create_dir(path("directory")).unwrap();
        for name in ["file", "link", "directory"] {
            let refused = write(&path(name), "new").unwrap_err();
            assert!(matches!(refused, Error::NotOurs { .. }), "{name}: {refused}");
        }
        assert_eq!(fs::read_to_string(path("file")).unwrap(), "[profile.default]\n");
        assert!(path("link").is_symlink());
    }

    #[test]
    fn the_command_is_one_that_can_be_typed() {
        let arguments = ["-E", "package(c)"].map(str::to_owned);
        assert_eq!(
            run_command(Path::new("/a b/kdev-nextest.toml"), &arguments),
            "cargo nextest run --tool-config-file 'kdev:/a b/kdev-nextest.toml' -E 'package(c)'"
        );
    }
}
