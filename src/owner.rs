use std::fmt;
use std::process;

use crate::error::{Error, Result};
use crate::here::Here;
use crate::process::Process;
use crate::session_id::SessionId;

/// The process that a volume belongs to, told so that it cannot be mistaken for another one.
///
/// What a foreign writer of the state file did not say is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    pub(crate) pid: u32,
    /// When it started, in clock ticks after boot: a reused pid has another one.
    pub(crate) start_time: Option<u64>,
    /// The first eight digits of the boot's id.
    pub(crate) boot: Option<String>,
    pub(crate) pid_ns: Option<u64>,
    pub(crate) host: Option<String>,
    pub(crate) uid: Option<u32>,
}

/// How many hexadecimal digits tell a boot, and a host.
const DIGITS: usize = 8;

impl Owner {
    /// Describes this process.
    pub(crate) fn myself() -> Result<Self> {
        let here = Here::get()?;
        let pid = process::id();
        let Process::Running { start_time } = Process::find(pid) else {
            let err = std::io::Error::other("no start time in it");
            return Err(Error::io("read", "/proc/self/stat", err));
        };
        Ok(Self {
            pid,
            start_time: Some(start_time),
            boot: Self::short_boot(&here.boot_id),
            pid_ns: Some(here.pid_ns),
            host: Some(here.host.clone()),
            uid: Some(nix::unistd::geteuid().as_raw()),
        })
    }

    /// Tells whether both are the same process, which may have become another user meanwhile.
    pub(crate) fn is_same_process(&self, other: &Self) -> bool {
        let told = |owner: &Self| (owner.pid, owner.start_time, owner.boot.clone(), owner.pid_ns);
        told(self) == told(other)
    }

    /// Shortens a boot's id to what is compared; `None` for what is no such id.
    ///
    /// An id that is damaged must not look like that of another boot, which would prove a death.
    pub(crate) fn short_boot(boot_id: &str) -> Option<String> {
        digits(boot_id.get(..DIGITS)?)
    }
}

fn digits(text: &str) -> Option<String> {
    let are_digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    (text.len() == DIGITS && are_digits).then(|| text.to_owned())
}

/// The tag that an LV carries from its first metadata commit on: ours, which session, whose.
///
/// One short tag for all of it, since a line of an lvm script holds 255 bytes:
/// `kdev:s=20251115103045-a3f9d2:p=1234.81234567:b=f5a2b1c0:n=4026531836:h=1a2b3c4d:u=0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OwnerTag {
    pub(crate) session: SessionId,
    pub(crate) owner: Owner,
    /// What a later version says besides, as it was written. LVs are selected by the whole tag.
    pub(crate) others: String,
}

impl OwnerTag {
    pub(crate) fn new(session: SessionId, owner: Owner) -> Self {
        Self {
            session,
            owner,
            others: String::new(),
        }
    }

    /// Reads a tag; `None` if it is not of this form.
    ///
    /// Nor if `Display` would write it otherwise, as `p=+1.2` or with a field that comes twice: LVs are
    /// selected by what is written, and that has to be what was read.
    pub(crate) fn parse(tag: &str) -> Option<Self> {
        // What LVM takes in a tag (lvm(8)). Anything else could end the selection in which it stands.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+.-/=!:&#".contains(&byte);
        let read = Self::read(tag)?;
        (tag.bytes().all(is_plain) && read.to_string() == tag).then_some(read)
    }

    fn read(tag: &str) -> Option<Self> {
        let mut session = None;
        let mut pid = None;
        let mut others = String::new();
        let mut owner = Owner {
            pid: 0,
            start_time: None,
            boot: None,
            pid_ns: None,
            host: None,
            uid: None,
        };
        for field in tag.strip_prefix("kdev:")?.split(':') {
            let (key, value) = field.split_once('=')?;
            match key {
                "s" => session = Some(SessionId::parse(value)?),
                "p" => {
                    let (number, start) = value.split_once('.')?;
                    pid = Some(number.parse().ok()?);
                    // As `Display` writes one that is not known.
                    owner.start_time = Some(start.parse().ok()?).filter(|&start| start != 0);
                }
                "b" => owner.boot = Some(digits(value)?),
                "n" => owner.pid_ns = Some(value.parse().ok()?),
                "h" => owner.host = Some(digits(value)?),
                "u" => owner.uid = Some(value.parse().ok()?),
                _ => others.extend([":", field]),
            }
        }
        owner.pid = pid?;
        Some(Self {
            session: session?,
            owner,
            others,
        })
    }
}

impl fmt::Display for OwnerTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Owner {
            pid,
            start_time,
            boot,
            pid_ns,
            host,
            uid,
        } = &self.owner;
        write!(f, "kdev:s={}:p={pid}.{}", self.session, start_time.unwrap_or(0))?;
        if let Some(boot) = boot {
            write!(f, ":b={boot}")?;
        }
        if let Some(pid_ns) = pid_ns {
            write!(f, ":n={pid_ns}")?;
        }
        if let Some(host) = host {
            write!(f, ":h={host}")?;
        }
        if let Some(uid) = uid {
            write!(f, ":u={uid}")?;
        }
        f.write_str(&self.others)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{Strategy, prop_oneof, proptest};
    use rstest::rstest;

    use super::*;
    use crate::garbage;

    const TAG: &str = "kdev:s=20251115103045-a3f9d2:p=1234.81234567:b=f5a2b1c0:n=4026531836:h=1a2b3c4d:u=0";

    #[test]
    fn what_a_tag_says_is_read_back() {
        assert_eq!(OwnerTag::parse(TAG).unwrap().to_string(), TAG);
        let mine = OwnerTag::new(SessionId::new().unwrap(), Owner::myself().unwrap());
        assert_eq!(OwnerTag::parse(&mine.to_string()), Some(mine));
    }

    #[test]
    fn a_later_versions_tag_is_read_for_what_is_known_and_written_as_it_was() {
        let later = format!("{TAG}:y=8:zz=9");
        let tag = OwnerTag::parse(&later).unwrap();
        assert_eq!(tag.owner, OwnerTag::parse(TAG).unwrap().owner);
        assert_eq!(tag.to_string(), later);
    }

    #[rstest]
    #[case("f5a2b1c0-1111-2222-3333-444444444444", Some("f5a2b1c0"))]
    #[case("f5a2b1c0", Some("f5a2b1c0"))]
    #[case("", None)]
    #[case("f5a2", None)]
    #[case("-f5a2b1c0", None)]
    #[case("F5A2B1C0-1111-2222-3333-444444444444", None)]
    #[case("f5a2b1\u{e9}0", None)]
    fn a_damaged_boot_id_is_not_that_of_another_boot(#[case] boot_id: &str, #[case] short: Option<&str>) {
        assert_eq!(Owner::short_boot(boot_id).as_deref(), short);
    }

    #[rstest]
    #[case("")]
    #[case("kdev")]
    #[case("kdev:")]
    #[case("kdev.kept")]
    #[case("kdev:s=20251115103045-a3f9d2")]
    #[case("kdev:p=1.2")]
    #[case("kdev:s=nonsense:p=1.2")]
    #[case("kdev:s=20251115103045-a3f9d2:p=1")]
    #[case("kdev:s=20251115103045-a3f9d2:p=-1.2")]
    #[case("kdev:s=20251115103045-a3f9d2:p=1.2:n=x")]
    #[case("other:s=20251115103045-a3f9d2:p=1.2")]
    #[case::twice("kdev:s=20251115103045-a3f9d2:s=20251115103045-ffffff:p=1.2")]
    #[case::in_another_order("kdev:p=1.2:s=20251115103045-a3f9d2")]
    #[case::sign("kdev:s=20251115103045-a3f9d2:p=+1.2")]
    #[case::zero("kdev:s=20251115103045-a3f9d2:p=01.2")]
    #[case::no_boot("kdev:s=20251115103045-a3f9d2:p=1.2:b=f5a2b1c")]
    #[case::boot_in_capitals("kdev:s=20251115103045-a3f9d2:p=1.2:b=F5A2B1C0")]
    #[case::no_host("kdev:s=20251115103045-a3f9d2:p=1.2:h=")]
    #[case::end_of_selection("kdev:s=20251115103045-a3f9d2:p=1.2:x=\"}||lv_name=~\"")]
    fn a_tag_of_another_form_is_not_ours(#[case] tag: &str) {
        assert_eq!(OwnerTag::parse(tag), None);
    }

    /// Fields as they should be, as they should not be, and some twice, in any order.
    fn fields() -> impl Strategy<Value = String> {
        const FIELDS: &[&str] = &[
            "s=20251115103045-a3f9d2",
            "s=20251115103045-ffffff",
            "s=",
            "p=1234.81234567",
            "p=+1.2",
            "p=01.2",
            "p=1.02",
            "p=1.+2",
            "p=1.0",
            "p=1.2.3",
            "p=1",
            "b=f5a2b1c0",
            "b=F5A2B1C0",
            "b=f5a2",
            "b=",
            "n=4026531836",
            "n=+1",
            "h=1a2b3c4d",
            "h=",
            "h=\"} || lv_name=~\"",
            "u=0",
            "u=00",
            "y=8",
            "y",
            "=",
            "",
        ];
        let some = proptest::collection::vec(proptest::sample::select(FIELDS), 1..8);
        some.prop_map(|fields| format!("kdev:{}", fields.join(":")))
    }

    proptest! {
        #![proptest_config(garbage::config())]

        // LVs are selected by the tag as it is written here. Were it written otherwise than it was
        // read, they would never be removed, or another owner's would be.
        #[test]
        fn a_tag_that_is_read_is_written_as_it_was(tag in prop_oneof![fields(), garbage::torn(TAG)]) {
            if let Some(read) = OwnerTag::parse(&tag) {
                assert_eq!(read.to_string(), tag);
                assert!(!tag.contains(['"', '{', '}', ' ', ',']), "it would end a selection: {tag}");
            }
        }
    }
}
