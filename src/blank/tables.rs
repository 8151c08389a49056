//! The tables that say what is to be mounted or unlocked when the system starts: fstab(5), crypttab(5).

use std::fs;
use std::path::{Path, PathBuf};

use crate::mounts::unescaped;

/// A line of such a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) table: &'static str,
    /// As it is written there: a path, or a tag such as `UUID=`.
    pub(crate) spec: String,
    /// Where it is mounted, or the name under which it is unlocked.
    pub(crate) purpose: String,
}

/// What a line may mean a device by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Means {
    Path(PathBuf),
    /// One of `uuid`, `label`, `partuuid`, `partlabel`, `id`, and its value.
    Tag(&'static str, String),
}

/// Reads both tables; one that is not there has no lines.
pub(super) fn read() -> Vec<Line> {
    let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let mut found = lines("/etc/fstab", &text("/etc/fstab"), 0, 1);
    found.extend(lines("/etc/crypttab", &text("/etc/crypttab"), 1, 0));
    found
}

/// `spec` and `purpose` are the numbers of these fields, from 0 on.
fn lines(table: &'static str, text: &str, spec: usize, purpose: usize) -> Vec<Line> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let lines = lines.filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        Some(Line {
            table,
            spec: (*fields.get(spec)?).to_owned(),
            purpose: unescaped(fields.get(purpose)?.as_bytes()).display().to_string(),
        })
    });
    lines.collect()
}

impl Line {
    /// Returns what the line means a device by; `None` if it means none, such as a file system of the kernel's.
    pub(super) fn means(&self) -> Option<Means> {
        const TAGS: [(&str, &str); 5] = [
            ("UUID=", "uuid"),
            ("LABEL=", "label"),
            ("PARTUUID=", "partuuid"),
            ("PARTLABEL=", "partlabel"),
            ("ID=", "id"),
        ];
        if self.spec.starts_with('/') {
            return Some(Means::Path(unescaped(self.spec.as_bytes())));
        }
        TAGS.iter().find_map(|(prefix, tag)| {
            let value = self.spec.strip_prefix(prefix)?.trim_matches(['"', '\'']);
            let value = unescaped(value.as_bytes()).display().to_string();
            Some(Means::Tag(tag, value))
        })
    }
}

impl Means {
    /// The path that it stands for where udev has made one: names of tags are written there as udev escapes them.
    pub(super) fn path(&self) -> PathBuf {
        match self {
            Self::Path(path) => path.clone(),
            Self::Tag(tag, value) => Path::new("/dev/disk").join(format!("by-{tag}")).join(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn tag(tag: &'static str, value: &str) -> Option<Means> {
        Some(Means::Tag(tag, value.into()))
    }

    #[rstest]
    #[case("/dev/sdb1 /data ext4", Some(Means::Path("/dev/sdb1".into())))]
    #[case("/dev/disk/by-id/a\\040b /data", Some(Means::Path("/dev/disk/by-id/a b".into())))]
    #[case("UUID=0ad5-65ff /data", tag("uuid", "0ad5-65ff"))]
    #[case("UUID=\"0ad5\" none swap", tag("uuid", "0ad5"))]
    #[case("LABEL=my\\040photos /p", tag("label", "my photos"))]
    #[case("PARTUUID=1-02 /p", tag("partuuid", "1-02"))]
    #[case("ID=ata-x /p", tag("id", "ata-x"))]
    #[case("tmpfs /tmp tmpfs", None)]
    fn a_line_means_a_device_by_path_or_tag(#[case] line: &str, #[case] expected: Option<Means>) {
        let lines = lines("/etc/fstab", line, 0, 1);
        assert_eq!(lines[0].means(), expected);
    }

    #[test]
    fn comments_and_what_is_no_line_are_passed_over_and_crypttab_is_the_other_way_round() {
        let text = "# /dev/sdb /data\n\n  #x y\nlonely\nsecret UUID=ab none luks\n";
        let lines = lines("/etc/crypttab", text, 1, 0);
        assert_eq!(lines.len(), 1);
        assert_eq!(
            (lines[0].spec.as_str(), lines[0].purpose.as_str()),
            ("UUID=ab", "secret")
        );
    }
}
