//! What changes LVs. Each command asks LVM for the tags again, or holds the lease.

use std::collections::BTreeSet;
use std::fs::File;

use kdev_volumes_spec::Bytes;

use crate::command::Invocation;
use crate::error::{Error, Result};
use crate::lease::Lease;
use crate::lvm::by_sudo::BySudo;
use crate::lvm::group::Group;
use crate::lvm::shell::{self, Shell};
use crate::lvm::thin::THIN_POOL;
use crate::lvm::{GIVEN_TAG, KEPT_TAG, POOL_TAG, changing, writing};
use crate::owner::OwnerTag;
use crate::root::Verb;
use crate::udev;

/// An LV that is to be made.
#[derive(Debug)]
pub(crate) struct NewLv<'a> {
    pub(crate) name: &'a str,
    pub(crate) size: Bytes,
    pub(crate) tag: &'a OwnerTag,
    /// Whether it stays if its owner dies.
    pub(crate) is_kept: bool,
}

/// What LVM ends with if it does not understand its command line.
const NO_SUCH_OPTION: i32 = 3;

impl Group {
    /// Makes LVs of one session that carry their owner's tag from their first metadata commit on. Some of them may
    /// be there if that fails.
    ///
    /// LVM wipes what signatures it finds and the first 4 KiB. It holds the lease too: if we die, the
    /// session is not dead before LVM is done, so nobody looks for an LV too early.
    pub(crate) fn create(&self, new: &[NewLv], lease: &Lease, mut shell: Option<Shell>) -> Result<()> {
        if let (Some(sudo), Some(first)) = (BySudo::find()?, new.first()) {
            let verb = Verb::Create {
                vg: self.name.clone(),
                tag: first.tag.clone(),
                is_kept: first.is_kept,
                volumes: new.iter().map(|new| (new.name.to_owned(), new.size)).collect(),
            };
            return sudo.holding(lease.shared()?).run(&verb).map(drop);
        }
        let _foretold = udev::foretell(&self.name, new.iter().map(|new| new.name));
        let commands: Vec<Vec<String>> = new.iter().map(|new| self.create_command(new)).collect();
        let lines: Vec<String> = commands.iter().map(|words| words.join(" ")).collect();
        let Some(scripts) = shell::scripts(&lines) else {
            return commands
                .iter()
                .try_for_each(|words| changing(words)?.holding(lease.shared()?).run().map(drop));
        };
        for script in scripts {
            let mut finished = match shell.take() {
                Some(shell) => shell.run(script)?,
                None => shell::run(script, lease)?,
            };
            if !finished.status.success() {
                // It ends with the first that fails.
                if let Some(at) = new.iter().position(|new| self.mapped(new.name).is_none()) {
                    finished.command = format!("lvm {}", lines[at]);
                }
                return Err(finished.error());
            }
        }
        Ok(())
    }

    /// In few letters, since a line of a script has its bound.
    fn create_command(&self, new: &NewLv) -> Vec<String> {
        let (size, tag) = (format!("{}b", new.size.get()), new.tag.to_string());
        let pool = format!("{}/{THIN_POOL}", self.name);
        let mut words = vec!["lvcreate", "-y", "-An", "-n", new.name, "--addtag", &tag];
        if new.is_kept {
            words.extend(["--addtag", KEPT_TAG]);
        }
        match self.thin {
            None => words.extend(["-Wy", "-Zy", "-L", &size, &self.name]),
            // It is all zeros: its pool zeroes each chunk that it gives it.
            Some(_) => words.extend(["--monitor", "n", "-V", &size, "-T", &pool]),
        }
        words.into_iter().map(str::to_owned).collect()
    }

    /// Makes an LV that is what another one is at this moment, in the same way. A thick one takes `new.size` for
    /// what will be written to either of them.
    pub(crate) fn snapshot(&self, new: &NewLv, origin: &str, lock: Option<File>) -> Result<()> {
        let size = format!("{}b", new.size.get());
        let how: &[&str] = match self.thin {
            None => &["--size", &size],
            Some(_) => &["--setactivationskip", "n"],
        };
        let kept: &[&str] = if new.is_kept { &["--addtag", KEPT_TAG] } else { &[] };
        let command = writing("lvcreate")?
            .args(["--yes", "--snapshot", "--monitor", "n"])
            .args(how)
            .args(["--name", new.name, "--addtag", &new.tag.to_string()])
            .args(kept)
            .arg(format!("{}/{origin}", self.name));
        command.holding(lock).run()?;
        Ok(())
    }

    /// Gives an LV another size. What is on it is its user's business.
    pub(crate) fn resize(&self, lv_name: &str, to: Bytes, grows: bool, lock: Option<File>) -> Result<()> {
        let command = |more: &[&str]| -> Result<Invocation> {
            let verb = if grows { "lvextend" } else { "lvreduce" };
            let force: &[&str] = if grows { &[] } else { &["--force"] };
            let lock = lock.as_ref().map(File::try_clone).transpose();
            let lock = lock.map_err(|err| Error::io("share the lock of", &self.name, err))?;
            let command = writing(verb)?
                .arg("--yes")
                .args(force)
                .args(more)
                .args(["--size", &format!("{}b", to.get())])
                .arg(format!("{}/{lv_name}", self.name));
            Ok(command.holding(lock))
        };
        if !grows {
            // From 2.03.17 on LVM would have the filesystem made smaller first; before, it knows no such option.
            let done = command(&["--fs", "ignore"])?.finish()?;
            match done.status.code() {
                Some(NO_SUCH_OPTION) => {}
                _ if done.status.success() => return Ok(()),
                _ => return Err(done.error()),
            }
        }
        command(&[])?.run()?;
        Ok(())
    }

    /// Takes down a part of a thin pool that is active while the pool is not, as a killed command of
    /// LVM's leaves it. Nothing of its data is touched, and the pool can be used again.
    pub(crate) fn unwedge(&self, part: &str) -> Result<()> {
        if let Some(sudo) = BySudo::find()? {
            let (vg, part) = (self.name.clone(), part.to_owned());
            sudo.run(&Verb::Unwedge { vg, part })?;
            return Ok(());
        }
        writing("lvchange")?
            .args(["--yes", "--activate", "n", &format!("{}/{part}", self.name)])
            .run()?;
        Ok(())
    }

    /// Tries to remove LVs: each that has the name *and* the tag that belongs to it, in a VG of ours.
    ///
    /// LVM removes all of them or none, and passes over a name whose tag is another's. Returns the names of those that
    /// it says it has removed; kdev-root does not pass that on.
    pub(crate) fn try_remove(&self, owned: &[(&OwnerTag, Vec<&str>)]) -> Result<BTreeSet<String>> {
        if BySudo::find()?.is_some() {
            return self.try_remove_by_sudo(owned).map(|()| BTreeSet::new());
        }
        let said = self.run_on(writing("lvremove")?.arg("--yes"), owned)?;
        Ok(removed(&said))
    }

    /// kdev-root takes one tag at a time. What is left of one keeps no other.
    fn try_remove_by_sudo(&self, owned: &[(&OwnerTag, Vec<&str>)]) -> Result<()> {
        let mut done = Ok(());
        for (tag, lv_names) in owned {
            let Some(sudo) = BySudo::find()? else { continue };
            let removed = sudo.run_on(lv_names, |names| Verb::Remove {
                vg: self.name.clone(),
                tag: (*tag).clone(),
                names,
            });
            done = done.and(removed);
        }
        done
    }

    /// Marks LVs as kept, so that they stay kept if the records are lost.
    pub(crate) fn mark_kept(&self, lv_names: &[&str], tag: &OwnerTag) -> Result<()> {
        if let Some(sudo) = BySudo::find()? {
            return sudo.run_on(lv_names, |names| Verb::Keep {
                vg: self.name.clone(),
                tag: tag.clone(),
                names,
            });
        }
        self.add_tags(&[KEPT_TAG], lv_names, tag)
    }

    /// Marks LVs as kept and as their user's, by which they are given to that user again after a reboot.
    pub(crate) fn mark_kept_and_given(&self, lv_names: &[&str], tag: &OwnerTag) -> Result<()> {
        self.add_tags(&[KEPT_TAG, GIVEN_TAG], lv_names, tag)
    }

    fn add_tags(&self, tags: &[&str], lv_names: &[&str], tag: &OwnerTag) -> Result<()> {
        let tags = tags.iter().flat_map(|tag| ["--addtag", tag]);
        let command = writing("lvchange")?.args(tags);
        self.run_on(command, &[(tag, lv_names.to_vec())]).map(drop)
    }

    /// Activates LVs: each that has the name *and* the tag that belongs to it, in a VG of ours. LVM activates what it
    /// can, and a thick snapshot with its origin.
    pub(crate) fn activate(&self, owned: &[(&OwnerTag, Vec<&str>)]) -> Result<()> {
        if BySudo::find()?.is_some() {
            let mut done = Ok(());
            for (tag, lv_names) in owned {
                let Some(sudo) = BySudo::find()? else { continue };
                let activated = sudo.run_on(lv_names, |names| Verb::Activate {
                    vg: self.name.clone(),
                    tag: (*tag).clone(),
                    names,
                });
                done = done.and(activated);
            }
            return done;
        }
        let names = owned.iter().flat_map(|(_, names)| names.iter().copied());
        let _foretold = udev::foretell(&self.name, names);
        let activate = writing("lvchange")?.args(["--yes", "--monitor", "n", "--activate", "y"]);
        self.run_on(activate, owned).map(drop)
    }

    /// Runs a command on those of the named LVs that have the tag that belongs to them, if the VG has ours, and returns
    /// what it says.
    fn run_on(&self, command: Invocation, owned: &[(&OwnerTag, Vec<&str>)]) -> Result<String> {
        let names: Vec<String> = owned
            .iter()
            .flat_map(|(_, names)| names)
            .map(|name| format!("{}/{name}", self.name))
            .collect();
        // Without a name LVM takes a selection for one over all VGs.
        if names.is_empty() {
            return Ok(String::new());
        }
        let done = command.args(["--select", &selection(owned)]).args(names).run()?;
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }
}

/// Finds the names of LVs that `lvremove` says it has removed. Should it say so in other words one day, there are none.
fn removed(said: &str) -> BTreeSet<String> {
    let lines = said.lines().filter_map(|line| {
        let (name, rest) = line
            .trim_start()
            .strip_prefix("Logical volume \"")?
            .split_once('"')?;
        (rest.trim_end_matches('.') == " successfully removed").then(|| name.to_owned())
    });
    lines.collect()
}

/// Selects, of the LVs that a command names, each that has its owner's tag.
pub(super) fn selection(owned: &[(&OwnerTag, Vec<&str>)]) -> String {
    let ours = format!("vg_tags={{\"{POOL_TAG}\"}}");
    let has = |tag: &OwnerTag| format!("lv_tags={{\"{tag}\"}}");
    if let [(tag, _)] = owned {
        return format!("{ours} && {}", has(tag));
    }
    // A name goes with its own owner's tag only.
    let each = owned.iter().map(|(tag, names)| {
        let named: Vec<String> = names.iter().map(|name| format!("lv_name=\"{name}\"")).collect();
        format!("({} && ({}))", has(tag), named.join(" || "))
    });
    format!("{ours} && ({})", each.collect::<Vec<_>>().join(" || "))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const TAG: &str = "kdev:s=20251115103045-a3f9d2:p=1234.81234567:b=f5a2b1c0:n=4026531836:h=1a2b3c4d:u=0";
    const OTHER: &str = "kdev:s=20251115103045-ffffff:p=1234.81234567";

    #[rstest]
    #[case::nothing("", &[])]
    #[case::several("  Logical volume \"a\" successfully removed.\n  Logical volume \"b-1\" successfully removed.\n", &["a", "b-1"])]
    #[case::without_a_dot("  Logical volume \"a\" successfully removed\n", &["a"])]
    #[case::another_word("  Logical volume \"a\" converted.\n", &[])]
    #[case::not_so("  Logical volume \"a\" successfully removed, but not all of it\n", &[])]
    #[case::a_name_that_does_not_end("  Logical volume \"a successfully removed\n", &[])]
    fn what_lvm_says_is_removed(#[case] said: &str, #[case] names: &[&str]) {
        assert!(removed(said).iter().eq(names), "{:?}", removed(said));
    }

    #[test]
    fn a_name_is_selected_with_its_own_owners_tag_only() {
        let (one, two) = (OwnerTag::parse(TAG).unwrap(), OwnerTag::parse(OTHER).unwrap());
        assert_eq!(
            selection(&[(&one, vec!["a", "b"])]),
            format!("vg_tags={{\"kdev.pool\"}} && lv_tags={{\"{TAG}\"}}")
        );
        assert_eq!(
            selection(&[(&one, vec!["a", "b"]), (&two, vec!["c"])]),
            format!(
                "vg_tags={{\"kdev.pool\"}} && ((lv_tags={{\"{TAG}\"}} && (lv_name=\"a\" || lv_name=\"b\")) || \
                 (lv_tags={{\"{OTHER}\"}} && (lv_name=\"c\")))"
            )
        );
    }
}
