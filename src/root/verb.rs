use std::ffi::OsString;
use std::path::PathBuf;

use kdev_volumes_spec::Bytes;

use crate::owner::OwnerTag;
use crate::root::caller::Caller;
use crate::root::check;
use crate::root::run::Failure;

/// How many arguments there may be: enough for a session of some five hundred volumes.
const MOST: usize = 1024;

/// How long one may be, in bytes.
const LONGEST: usize = 4096;

/// What may be asked. The library writes it as arguments, and the program reads it again, and checks it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Verb {
    /// The report on a VG of ours; an empty one, if there is no VG of that name.
    Room { vg: String },
    /// The report on its LVs.
    List { vg: String },
    Create {
        vg: String,
        tag: OwnerTag,
        is_kept: bool,
        volumes: Vec<(String, Bytes)>,
    },
    Remove {
        vg: String,
        tag: OwnerTag,
        names: Vec<String>,
    },
    Keep {
        vg: String,
        tag: OwnerTag,
        names: Vec<String>,
    },
    /// Activates kept LVs, as is needed after each boot.
    Activate {
        vg: String,
        tag: OwnerTag,
        names: Vec<String>,
    },
    /// Takes down a part of a thin pool that keeps the pool from working.
    Unwedge { vg: String, part: String },
    Mount {
        vg: String,
        tag: OwnerTag,
        name: String,
        point: PathBuf,
        fs_type: String,
        options: String,
    },
    Unmount {
        vg: String,
        tag: OwnerTag,
        name: String,
        point: PathBuf,
    },
}

/// The two words for whether a volume outlives its owner.
const KEPT: &str = "kept";
const DROPS: &str = "drops";

impl Verb {
    /// Writes it as arguments.
    pub(crate) fn args(&self) -> Vec<OsString> {
        let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
        let named = |verb: &str, vg: &str, tag: &OwnerTag, names: &[String]| {
            let mut args = words(&[verb, vg, &tag.to_string()]);
            args.extend(names.iter().map(OsString::from));
            args
        };
        match self {
            Self::Room { vg } => words(&["room", vg]),
            Self::List { vg } => words(&["list", vg]),
            Self::Create {
                vg,
                tag,
                is_kept,
                volumes,
            } => {
                let kept = if *is_kept { KEPT } else { DROPS };
                let mut args = words(&["create", vg, &tag.to_string(), kept]);
                for (name, size) in volumes {
                    args.extend(words(&[name, &size.get().to_string()]));
                }
                args
            }
            Self::Remove { vg, tag, names } => named("remove", vg, tag, names),
            Self::Keep { vg, tag, names } => named("keep", vg, tag, names),
            Self::Activate { vg, tag, names } => named("activate", vg, tag, names),
            Self::Unwedge { vg, part } => words(&["unwedge", vg, part]),
            Self::Mount {
                vg,
                tag,
                name,
                point,
                fs_type,
                options,
            } => {
                let mut args = words(&["mount", vg, &tag.to_string(), name]);
                args.push(point.into());
                args.extend(words(&[fs_type, options]));
                args
            }
            Self::Unmount { vg, tag, name, point } => {
                let mut args = words(&["unmount", vg, &tag.to_string(), name]);
                args.push(point.into());
                args
            }
        }
    }

    /// Reads arguments, of which nothing is believed.
    pub(super) fn parse(args: &[OsString], caller: &Caller) -> Result<Self, Failure> {
        Self::read(args, caller).map_err(Failure::Refused)
    }

    fn read(args: &[OsString], caller: &Caller) -> Result<Self, String> {
        if args.len() > MOST {
            return Err(format!("{} arguments are more than {MOST}", args.len()));
        }
        let words: Option<Vec<&str>> = args.iter().map(|arg| arg.to_str()).collect();
        let words = words.ok_or("an argument is no UTF-8")?;
        if words.iter().any(|word| word.len() > LONGEST) {
            return Err(format!("an argument is longer than {LONGEST} bytes"));
        }
        // A terminal that shows our answer is not to be written to by who asks.
        if words.iter().any(|word| word.contains(char::is_control)) {
            return Err("an argument has a control character in it".to_owned());
        }
        let tag = |text| check::tag(text, caller);
        let names = |names: &[&str], vg: &str, tag: &OwnerTag| -> Result<Vec<String>, String> {
            let names: Vec<String> = names
                .iter()
                .map(|name| check::lv(name, vg, tag))
                .collect::<Result<_, _>>()?;
            all_different(&names)?;
            Ok(names)
        };
        Ok(match words[..] {
            ["room", vg] => Self::Room { vg: check::vg(vg)? },
            ["list", vg] => Self::List { vg: check::vg(vg)? },
            ["create", vg, owner, kept, ref volumes @ ..] if !volumes.is_empty() => {
                let (vg, tag) = (check::vg(vg)?, tag(owner)?);
                let is_kept = match kept {
                    KEPT => true,
                    DROPS => false,
                    _ => return Err(format!("`{kept}` is neither `{KEPT}` nor `{DROPS}`")),
                };
                let volume = |pair: &[&str]| match *pair {
                    [name, size] => Ok((check::lv(name, &vg, &tag)?, check::size(size)?)),
                    _ => Err("a volume has no size".to_owned()),
                };
                let volumes: Vec<(String, Bytes)> =
                    volumes.chunks(2).map(volume).collect::<Result<_, _>>()?;
                all_different(&volumes.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>())?;
                Self::Create {
                    vg,
                    tag,
                    is_kept,
                    volumes,
                }
            }
            ["remove", vg, owner, ref volumes @ ..] if !volumes.is_empty() => {
                let (vg, tag) = (check::vg(vg)?, tag(owner)?);
                let names = names(volumes, &vg, &tag)?;
                Self::Remove { vg, tag, names }
            }
            ["keep", vg, owner, ref volumes @ ..] if !volumes.is_empty() => {
                let (vg, tag) = (check::vg(vg)?, tag(owner)?);
                let names = names(volumes, &vg, &tag)?;
                Self::Keep { vg, tag, names }
            }
            ["activate", vg, owner, ref volumes @ ..] if !volumes.is_empty() => {
                let (vg, tag) = (check::vg(vg)?, tag(owner)?);
                let names = names(volumes, &vg, &tag)?;
                Self::Activate { vg, tag, names }
            }
            ["unwedge", vg, part] => Self::Unwedge {
                vg: check::vg(vg)?,
                part: check::part(part)?,
            },
            ["mount", vg, owner, name, point, fs_type, options] => {
                let (vg, tag) = (check::vg(vg)?, tag(owner)?);
                Self::Mount {
                    name: check::lv(name, &vg, &tag)?,
                    point: check::point(point)?,
                    fs_type: check::fs_type(fs_type)?,
                    options: options.to_owned(),
                    vg,
                    tag,
                }
            }
            ["unmount", vg, owner, name, point] => {
                let (vg, tag) = (check::vg(vg)?, tag(owner)?);
                Self::Unmount {
                    name: check::lv(name, &vg, &tag)?,
                    point: check::point(point)?,
                    vg,
                    tag,
                }
            }
            _ => {
                return Err(
                    "this is no question (kdev-volumes asks it, and people have no use for it; see `kdev setup-sudo`)"
                        .to_owned(),
                );
            }
        })
    }
}

fn all_different(names: &[String]) -> Result<(), String> {
    let mut sorted: Vec<&String> = names.iter().collect();
    sorted.sort();
    match sorted.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(format!("`{}` is named twice", pair[0])),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStringExt;

    use rstest::rstest;

    use super::*;

    const ME: Caller = Caller { uid: 1000 };
    const TAG: &str =
        "kdev:s=20251115103045-a3f9d2:p=1234.81234567:b=f5a2b1c0:n=4026531836:h=1a2b3c4d:u=1000";
    const TEST: &str = "kdev-20251115103045-a3f9d2-test";
    const SCRATCH: &str = "kdev-20251115103045-a3f9d2-scratch";

    fn tag() -> OwnerTag {
        OwnerTag::parse(TAG).unwrap()
    }

    #[test]
    fn what_the_library_writes_is_read_back() {
        let (vg, names) = ("vg0".to_owned(), vec![TEST.to_owned(), SCRATCH.to_owned()]);
        let verbs = [
            Verb::Room { vg: vg.clone() },
            Verb::List { vg: vg.clone() },
            Verb::Create {
                vg: vg.clone(),
                tag: tag(),
                is_kept: true,
                volumes: vec![
                    (TEST.to_owned(), Bytes::new(16 << 20)),
                    (SCRATCH.to_owned(), Bytes::new(1 << 30)),
                ],
            },
            Verb::Remove {
                vg: vg.clone(),
                tag: tag(),
                names: names.clone(),
            },
            Verb::Keep {
                vg: vg.clone(),
                tag: tag(),
                names: names.clone(),
            },
            Verb::Activate {
                vg: vg.clone(),
                tag: tag(),
                names,
            },
            Verb::Unwedge {
                vg: vg.clone(),
                part: "pool_tmeta".into(),
            },
            Verb::Mount {
                vg: vg.clone(),
                tag: tag(),
                name: TEST.into(),
                point: "/tmp/a b".into(),
                fs_type: "ext4".into(),
                options: "ro,noatime".into(),
            },
            Verb::Unmount {
                vg,
                tag: tag(),
                name: TEST.into(),
                point: "/tmp/a b".into(),
            },
        ];
        for verb in verbs {
            assert_eq!(Verb::read(&verb.args(), &ME), Ok(verb));
        }
    }

    #[rstest]
    #[case::nothing(&[])]
    #[case::no_verb(&["vg0"])]
    #[case::a_command_of_lvms(&["lvremove", "vg0"])]
    #[case::an_option(&["--help"])]
    #[case::an_option_before(&["--", "room", "vg0"])]
    #[case::no_vg(&["room"])]
    #[case::two_vgs(&["room", "vg0", "vg1"])]
    #[case::an_option_for_a_vg(&["room", "--config=x"])]
    #[case::an_option_after(&["list", "vg0", "--all"])]
    #[case::no_names(&["remove", "vg0", TAG])]
    #[case::a_vg_for_a_name(&["remove", "vg0", TAG, "vg0"])]
    #[case::an_option_for_a_name(&["remove", "vg0", TAG, TEST, "--force"])]
    #[case::twice(&["remove", "vg0", TAG, TEST, TEST])]
    #[case::no_volumes(&["create", "vg0", TAG, "drops"])]
    #[case::no_size(&["create", "vg0", TAG, "drops", TEST])]
    #[case::one_size_too_few(&["create", "vg0", TAG, "drops", TEST, "512", SCRATCH])]
    #[case::same_name(&["create", "vg0", TAG, "drops", TEST, "512", TEST, "512"])]
    #[case::neither_kept_nor_not(&["create", "vg0", TAG, "maybe", TEST, "512"])]
    #[case::a_tag_more(&["create", "vg0", TAG, "--addtag", TEST, "512"])]
    #[case::anothers_tag(&["keep", "vg0", "kdev:s=20251115103045-a3f9d2:p=1.2:u=0", TEST])]
    #[case::anothers_lv(&["activate", "vg0", TAG, "kdev-20251115103045-ffffff-test"])]
    #[case::nothing_to_activate(&["activate", "vg0", TAG])]
    #[case::line_break(&["room", "vg0\nvg1"])]
    #[case::control_character(&["room", "\u{1b}[2J"])]
    #[case::empty(&["room", ""])]
    #[case::no_point(&["unmount", "vg0", TAG, TEST])]
    #[case::relative_point(&["unmount", "vg0", TAG, TEST, "mnt"])]
    #[case::no_options(&["mount", "vg0", TAG, TEST, "/mnt", "ext4"])]
    #[case::no_filesystem(&["mount", "vg0", TAG, TEST, "/mnt", "-o", "ro"])]
    #[case::shouted(&["ROOM", "vg0"])]
    fn what_is_no_question_of_ours_is_refused(#[case] args: &[&str]) {
        let args: Vec<OsString> = args.iter().map(OsString::from).collect();
        assert!(Verb::read(&args, &ME).is_err());
    }

    #[test]
    fn too_much_and_what_is_no_text_is_refused() {
        let many = vec![OsString::from("room"); MOST + 1];
        assert!(Verb::read(&many, &ME).unwrap_err().contains("1025 arguments"));
        let long = ["room".into(), OsString::from("v".repeat(LONGEST + 1))];
        assert!(Verb::read(&long, &ME).unwrap_err().contains("4096 bytes"));
        let bytes = ["room".into(), OsString::from_vec(vec![b'v', 0xff])];
        assert!(Verb::read(&bytes, &ME).unwrap_err().contains("UTF-8"));
    }
}
