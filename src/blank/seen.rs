//! What was seen of a device, and what of that speaks against making a pool of it.

use std::path::{Path, PathBuf};

use kdev_volumes_spec::Bytes;

use crate::blank::signatures::{PV, Signature, Usage};
use crate::blank::tables::Line;

/// LVM's metadata area and some room.
pub(crate) const LEAST: Bytes = Bytes::new(64 << 20);

/// All that was seen of a device and its partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) device: PathBuf,
    pub(crate) size: Bytes,
    pub(super) is_read_only: bool,
    /// Whether the kernel refuses to give it to us alone.
    pub(super) is_busy: bool,
    /// Why else it cannot be opened.
    pub(super) denied: Option<String>,
    pub(super) partitions: Vec<PathBuf>,
    /// A device, and where it is mounted, in any namespace.
    pub(super) mounts: Vec<(PathBuf, PathBuf)>,
    pub(super) swaps: Vec<PathBuf>,
    /// A device, and another that stands on it.
    pub(super) stacked: Vec<(PathBuf, PathBuf)>,
    /// A device, and a process that has it open.
    pub(super) open: Vec<(PathBuf, String)>,
    pub(super) lines: Vec<Line>,
    pub(super) system: Vec<String>,
    pub(crate) signatures: Vec<Signature>,
    /// The devices with a PV's signature, and what LVM says of them.
    pub(super) physicals: Vec<(PathBuf, InGroup)>,
    /// The first byte at either end that is not zero.
    pub(super) stray: Option<u64>,
}

/// What LVM says of a PV.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum InGroup {
    No,
    Yes(String),
    NotKnown,
}

/// What speaks against a device, each with its remedy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Somebody uses the device or will, or it cannot be used.
    pub(crate) never: Vec<String>,
    /// Something is on it, which may be overwritten by who says so: without the remedy.
    pub(crate) on_it: Vec<String>,
}

/// The remedy for all that is merely on a device.
const WIPE: &str = "(if nothing of it is needed, `--wipe` overwrites it)";

impl Findings {
    pub(crate) fn all(self) -> Vec<String> {
        let on_it = self.on_it.into_iter().map(|found| format!("{found} {WIPE}"));
        self.never.into_iter().chain(on_it).collect()
    }
}

impl Seen {
    /// Decides what speaks against the device.
    pub(crate) fn findings(&self) -> Findings {
        Findings {
            never: self.never(),
            on_it: self.on_it(),
        }
    }

    fn never(&self) -> Vec<String> {
        let mut found = Vec::new();
        let device = self.device.display();
        if !self.system.is_empty() {
            found.push(format!(
                "the system stands on it: {} (choose another disk)",
                self.system.join(", ")
            ));
        }
        for (of, point) in &self.mounts {
            found.push(format!(
                "{} is mounted on {1} (`umount {1}`)",
                self.it(of),
                point.display()
            ));
        }
        for of in &self.swaps {
            found.push(format!(
                "{} is in use as swap (`swapoff {}`)",
                self.it(of),
                of.display()
            ));
        }
        for (of, by) in &self.stacked {
            found.push(format!(
                "{} is used by {} (take that down first; see `lsblk {device}`)",
                self.it(of),
                by.display()
            ));
        }
        for (of, process) in &self.open {
            found.push(format!("{} is open in {process} (end that process)", self.it(of)));
        }
        let told = self.mounts.len() + self.swaps.len() + self.stacked.len() + self.open.len();
        if self.is_busy && told == 0 {
            found.push(format!("it is in use, the kernel says (see `lsblk {device}`)"));
        }
        for Line { table, spec, purpose } in &self.lines {
            found.push(format!(
                "{table} names it: `{spec}` for `{purpose}` (take that line out if it is no longer wanted)"
            ));
        }
        for (of, group) in &self.physicals {
            let it = self.it(of);
            let of = of.display();
            match group {
                InGroup::No => {}
                InGroup::Yes(vg) => found.push(format!(
                    "{it} is a PV of VG `{vg}` (if that can do without it: `vgreduce {vg} {of}` and `pvremove {of}`; if the VG may go: `vgremove {vg}` and `pvremove {of}`)"
                )),
                InGroup::NotKnown => found.push(format!(
                    "{it} is a PV, and LVM does not say of which VG (if of none: `pvremove {of}`)"
                )),
            }
        }
        if self.is_read_only {
            found.push(format!(
                "it is read-only (`blockdev --setrw {device}`, if it is not so for a reason)"
            ));
        }
        if let Some(why) = &self.denied {
            found.push(format!("it cannot be opened: {why} (see `lsblk {device}`)"));
        } else if self.size < LEAST {
            found.push(format!(
                "it has {}, and a pool needs at least {LEAST} (choose a larger one)",
                self.size
            ));
        }
        found
    }

    fn on_it(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut told: Vec<&Signature> = Vec::new();
        for signature in &self.signatures {
            let is_same = |other: &&Signature| {
                (&other.device, &other.kind, &other.label)
                    == (&signature.device, &signature.kind, &signature.label)
            };
            // A copy of one that was told.
            if told.iter().any(is_same) {
                continue;
            }
            let at: Vec<String> = self
                .signatures
                .iter()
                .filter(is_same)
                .map(|same| same.at.to_string())
                .collect();
            let what = what_of(signature);
            found.push(format!(
                "{} holds {what} at byte {}",
                self.it(&signature.device),
                at.join(" and ")
            ));
            told.push(signature);
        }
        if !self.partitions.is_empty() {
            let names: Vec<String> = self
                .partitions
                .iter()
                .map(|path| path.display().to_string())
                .collect();
            found.push(format!(
                "it has the partitions {}, of which each could be a pool too",
                names.join(", ")
            ));
        }
        if let (Some(at), true) = (self.stray, found.is_empty()) {
            found.push(format!(
                "it is not blank: at byte {at} there is something that no tool here knows"
            ));
        }
        found
    }

    /// The device's partitions are told by name.
    fn it(&self, device: &Path) -> String {
        match device == self.device {
            true => "it".to_owned(),
            false => format!("its partition {}", device.display()),
        }
    }
}

fn what_of(signature: &Signature) -> String {
    let Signature {
        kind, usage, label, ..
    } = signature;
    let label = label
        .as_ref()
        .map(|label| format!(" labelled `{label}`"))
        .unwrap_or_default();
    match usage {
        Usage::PartitionTable => format!("a {kind} partition table"),
        Usage::Crypto => format!("a {kind} signature{label}, of something encrypted,"),
        Usage::Raid if kind != PV => format!("a {kind} signature{label}, of a RAID member,"),
        _ => format!("a {kind} signature{label}"),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn idle() -> Seen {
        Seen {
            device: "/dev/sdb".into(),
            size: Bytes::new(1 << 30),
            ..Seen::default()
        }
    }

    fn part() -> PathBuf {
        "/dev/sdb1".into()
    }

    fn signature(kind: &str, usage: Usage, at: u64) -> Signature {
        Signature {
            device: "/dev/sdb".into(),
            at,
            kind: kind.into(),
            usage,
            label: None,
            uuid: None,
        }
    }

    fn line() -> Line {
        Line {
            table: "/etc/fstab",
            spec: "UUID=ab".into(),
            purpose: "/data".into(),
        }
    }

    #[test]
    fn nothing_speaks_against_a_blank_disk() {
        assert_eq!(idle().findings(), Findings::default());
    }

    #[rstest]
    #[case(Seen { system: vec!["/".into(), "swap".into()], ..idle() }, "the system stands on it: /, swap", "another disk")]
    #[case(Seen { mounts: vec![("/dev/sdb".into(), "/mnt".into())], is_busy: true, ..idle() }, "it is mounted on /mnt", "`umount /mnt`")]
    #[case(Seen { mounts: vec![(part(), "/mnt".into())], ..idle() }, "its partition /dev/sdb1 is mounted on /mnt", "umount")]
    #[case(Seen { swaps: vec![part()], ..idle() }, "its partition /dev/sdb1 is in use as swap", "`swapoff /dev/sdb1`")]
    #[case(Seen { stacked: vec![("/dev/sdb".into(), "/dev/md0".into())], is_busy: true, ..idle() }, "it is used by /dev/md0", "lsblk")]
    #[case(Seen { open: vec![("/dev/sdb".into(), "dd (pid 7)".into())], ..idle() }, "it is open in dd (pid 7)", "end that process")]
    #[case(Seen { is_busy: true, ..idle() }, "it is in use, the kernel says", "lsblk")]
    #[case(Seen { lines: vec![line()], ..idle() }, "/etc/fstab names it: `UUID=ab` for `/data`", "take that line out")]
    #[case(Seen { physicals: vec![("/dev/sdb".into(), InGroup::Yes("vg0".into()))], ..idle() }, "it is a PV of VG `vg0`", "`vgreduce vg0 /dev/sdb`")]
    #[case(Seen { physicals: vec![(part(), InGroup::NotKnown)], ..idle() }, "its partition /dev/sdb1 is a PV", "`pvremove /dev/sdb1`")]
    #[case(Seen { is_read_only: true, ..idle() }, "it is read-only", "--setrw")]
    #[case(Seen { denied: Some("no medium".into()), ..idle() }, "it cannot be opened: no medium", "lsblk")]
    #[case(Seen { size: Bytes::new(1 << 20), ..idle() }, "it has 1M, and a pool needs at least 64M", "larger")]
    fn what_can_never_be_overridden_is_told_once_with_its_remedy(
        #[case] seen: Seen,
        #[case] what: &str,
        #[case] remedy: &str,
    ) {
        let Findings { never, on_it } = seen.findings();
        assert_eq!((never.len(), on_it.len()), (1, 0), "{never:?} {on_it:?}");
        assert!(
            never[0].starts_with(what) && never[0].contains(remedy),
            "{never:?}"
        );
    }

    #[rstest]
    #[case(vec![signature("ext4", Usage::Other, 1080)], "it holds a ext4 signature at byte 1080")]
    #[case(vec![signature("gpt", Usage::PartitionTable, 512), signature("gpt", Usage::PartitionTable, 1023)], "it holds a gpt partition table at byte 512 and 1023")]
    #[case(vec![signature("crypto_LUKS", Usage::Crypto, 0)], "it holds a crypto_LUKS signature, of something encrypted, at byte 0")]
    #[case(vec![signature("linux_raid_member", Usage::Raid, 4096)], "it holds a linux_raid_member signature, of a RAID member, at byte 4096")]
    fn what_is_on_it_may_go_with_consent(#[case] signatures: Vec<Signature>, #[case] what: &str) {
        let seen = Seen {
            signatures,
            stray: Some(3),
            ..idle()
        };
        let Findings { never, on_it } = seen.findings();
        assert_eq!((never.len(), on_it.len()), (0, 1), "{never:?} {on_it:?}");
        assert!(on_it[0].starts_with(what), "{on_it:?}");
        assert!(seen.findings().all()[0].contains("`--wipe`"));
    }

    #[test]
    fn bytes_that_nobody_knows_are_told_where_nothing_else_is() {
        let seen = Seen {
            stray: Some(77),
            ..idle()
        };
        assert!(seen.findings().on_it[0].contains("at byte 77"));
    }

    #[test]
    fn a_pv_of_no_vg_is_a_signature_and_all_findings_come_at_once() {
        let seen = Seen {
            signatures: vec![signature(PV, Usage::Raid, 536)],
            physicals: vec![("/dev/sdb".into(), InGroup::No)],
            lines: vec![line()],
            is_read_only: true,
            partitions: vec![part()],
            ..idle()
        };
        assert_eq!(seen.findings().all().len(), 4);
    }
}
