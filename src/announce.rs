//! What a developer is told of volumes that were kept.

use std::env;

use crate::backend::Named;
use crate::state_dir::STATE_DIR_VARIABLE;
use crate::thin::Thin;

/// Tells of volumes of one test: which they are, how to look at them, and how to be rid of them.
pub(crate) fn kept(volumes: &[&Named], test: &str, reason: &str) -> String {
    let state_dir = env::var(STATE_DIR_VARIABLE).ok().filter(|dir| !dir.is_empty());
    text(volumes, test, reason, state_dir.as_deref())
}

/// Tells why writes of a test may have failed that were within its volumes.
pub(crate) fn full(pool: &str, thin: &Thin) -> String {
    format!(
        "kdev: pool `{pool}` is full, and writes that failed with ENOSPC or as I/O errors may have failed of that: {thin} (its volumes have room again when others go; run fewer tests at once, or make a pool that is larger or gives less out)"
    )
}

fn text(volumes: &[&Named], test: &str, reason: &str, state_dir: Option<&str>) -> String {
    let why = match reason {
        "failed" => ", which failed",
        _ => "",
    };
    // As it has to be typed here.
    let kdev = state_dir.map_or("kdev".to_owned(), |dir| {
        format!("{STATE_DIR_VARIABLE}={dir} kdev")
    });
    let mut text = String::new();
    for volume in volumes {
        let name = volume.lv_name.rsplit('-').next().unwrap_or_default();
        let (path, size) = (volume.path.display(), volume.size);
        text.push_str(&format!(
            "kdev: kept {path} ({size}, volume `{name}`) of {test}{why}\n"
        ));
    }
    let names: Vec<&str> = volumes.iter().map(|volume| volume.lv_name.as_str()).collect();
    let names = names.join(" ");
    let (them, device) = match volumes {
        [volume] => ("it", volume.path.display().to_string()),
        _ => ("them", "DEVICE".to_owned()),
    };
    text.push_str(&format!(
        "kdev: look at {them} with `mount {device} /mnt` or `{kdev} pool status`; remove {them} with `{kdev} pool cleanup --kept {names}`"
    ));
    if volumes
        .iter()
        .any(|volume| volume.path.starts_with("/dev/mapper"))
    {
        text.push_str(&format!(
            "\nkdev: after a reboot, `{kdev} pool start` activates {them} again"
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, path: &str) -> Named {
        Named {
            lv_name: format!("kdev-20261122150854-e705a0-{name}"),
            path: path.into(),
            size: "1G".parse().unwrap(),
            uuid: None,
        }
    }

    #[test]
    fn of_one_volume_two_lines_tell_all_that_is_to_be_typed() {
        let test = named("test", "/dev/loop7");
        assert_eq!(
            text(&[&test], "mycrate::it$fsync", "failed", None),
            "kdev: kept /dev/loop7 (1G, volume `test`) of mycrate::it$fsync, which failed\n\
             kdev: look at it with `mount /dev/loop7 /mnt` or `kdev pool status`; \
             remove it with `kdev pool cleanup --kept kdev-20261122150854-e705a0-test`"
        );
    }

    #[test]
    fn kept_lv_names_the_command_that_activates_it() {
        let text = text(&[&named("test", "/dev/mapper/vg-test")], "it", "asked", None);
        assert!(
            text.ends_with("\nkdev: after a reboot, `kdev pool start` activates it again"),
            "{text}"
        );
    }

    #[test]
    fn several_volumes_go_by_one_command() {
        let (test, scratch) = (named("test", "/dev/loop7"), named("scratch", "/dev/loop8"));
        assert_eq!(
            text(
                &[&test, &scratch],
                "mycrate::it$fsync",
                "always",
                Some("/tmp/state")
            ),
            "kdev: kept /dev/loop7 (1G, volume `test`) of mycrate::it$fsync\n\
             kdev: kept /dev/loop8 (1G, volume `scratch`) of mycrate::it$fsync\n\
             kdev: look at them with `mount DEVICE /mnt` or `KDEV_STATE_DIR=/tmp/state kdev pool status`; \
             remove them with `KDEV_STATE_DIR=/tmp/state kdev pool cleanup --kept \
             kdev-20261122150854-e705a0-test kdev-20261122150854-e705a0-scratch`"
        );
    }
}
