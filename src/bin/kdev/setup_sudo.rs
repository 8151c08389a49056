use std::process::ExitCode;

use kdev_volumes::Error;
use kdev_volumes::sudoers::{Sudoers, Who};

/// Let ordinary users have LVs, by sudo
///
/// Prints the line that sudo has to be told, and how to install it and the program that it names, which checks all that
/// it is asked: users can have volumes of their own in pools, and remove and mount these, and nothing else.
/// `--install`, as root, does that.
///
/// Their tests then run without root, on the pools that root has set up for them with
/// `sudo kdev pool setup`. The kernel reads the filesystems that they write.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("who").multiple(true))]
pub(crate) struct SetupSudoArgs {
    /// A user who may; once for each
    #[arg(long = "user", group = "who", value_name = "NAME", required_unless_present_any = ["groups", "remove"])]
    users: Vec<String>,
    /// A group whose members may; once for each
    #[arg(long = "group", group = "who", value_name = "NAME")]
    groups: Vec<String>,
    /// Install the program and the line, in place of those of before
    #[arg(long, conflicts_with = "remove")]
    install: bool,
    /// Take both away
    #[arg(long, conflicts_with = "who")]
    remove: bool,
}

pub(crate) fn run(args: &SetupSudoArgs, out: &mut Vec<u8>) -> Result<ExitCode, Error> {
    let text = match args.remove {
        true => removed()?,
        false => {
            let users = args.users.iter().map(|name| Who::user(name));
            let groups = args.groups.iter().map(|name| Who::group(name));
            let sudoers = Sudoers::new(users.chain(groups).collect::<Result<_, _>>()?);
            match args.install {
                true => installed(&sudoers)?,
                false => printed(&sudoers)?,
            }
        }
    };
    out.extend_from_slice(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn removed() -> Result<String, Error> {
    let removed = Sudoers::remove()?;
    Ok(match removed.is_empty() {
        true => format!(
            "there is neither {} nor {}\n",
            Sudoers::file(),
            Sudoers::program()
        ),
        false => removed
            .iter()
            .map(|file| format!("removed {}\n", file.display()))
            .collect(),
    })
}

fn installed(sudoers: &Sudoers) -> Result<String, Error> {
    let written = sudoers.install()?;
    Ok(written
        .iter()
        .map(|file| format!("wrote {}\n", file.display()))
        .collect())
}

fn printed(sudoers: &Sudoers) -> Result<String, Error> {
    let is_checked = sudoers.check()?;
    let checked = match is_checked {
        true => "# visudo finds no fault with it.\n",
        false => "# There is no visudo here that could check it.\n",
    };
    Ok(format!(
        "{}{checked}\
         # To install it, as root, or have `kdev setup-sudo --install` do all of it:\n\
         #     install -o root -g root -m 0755 kdev-root {}\n\
         #     install -o root -g root -m 0440 THIS-TEXT {}\n",
        sudoers.text(),
        Sudoers::program(),
        Sudoers::file(),
    ))
}
