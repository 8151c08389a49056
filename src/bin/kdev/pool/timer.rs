use std::path::PathBuf;
use std::process::ExitCode;

use kdev_volumes::Error;
use kdev_volumes::timer::{Every, Timer, Written};

/// Have the pools cleaned up every so often, by systemd or cron
///
/// The units run `kdev pool cleanup`, by this program's path and on this state directory. Root's are for
/// the whole system and clean all pools, or one; another user's are that user's, and clean images, which
/// need no rights.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true))]
pub(crate) struct TimerArgs {
    /// Write the units
    #[arg(long, group = "what")]
    install: bool,
    /// Print the units
    #[arg(long, group = "what")]
    print: bool,
    /// Print a line for a crontab
    #[arg(long, group = "what")]
    cron: bool,
    /// Take away what --install has written
    #[arg(long, group = "what")]
    remove: bool,
    /// How often: minutes that divide an hour, hours that divide a day, or 1d
    #[arg(long, value_name = "TIME", default_value_t, value_parser = every, conflicts_with = "remove")]
    every: Every,
    /// Only this pool; `embedded` for loop devices, `images` for image files
    #[arg(long)]
    pool: Option<String>,
    /// Have systemd start the timer now and with every boot
    #[arg(long, conflicts_with_all = ["print", "cron", "remove"])]
    enable: bool,
    /// Where the units are [default: /etc/systemd/system, or ~/.config/systemd/user without root]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["enable", "print", "cron"])]
    dir: Option<PathBuf>,
}

fn every(text: &str) -> Result<Every, String> {
    let time = humantime::parse_duration(text).map_err(|err| err.to_string())?;
    Every::new(time).ok_or_else(|| format!("use {}", Every::CHOICE))
}

pub(super) fn run(args: TimerArgs, out: &mut Vec<u8>) -> Result<ExitCode, Error> {
    let timer = Timer::from_env(args.every, args.pool)?;
    if !args.remove {
        timer.check_pool()?;
    }
    let directory = match args.dir {
        Some(directory) => directory,
        None => timer.directory()?,
    };
    let mut text = String::new();
    if args.print {
        for (ending, unit) in [("service", timer.service()), ("timer", timer.timer())] {
            text.push_str(&format!(
                "# {}.{ending}\n{unit}\n",
                directory.join(timer.name()).display()
            ));
        }
    } else if args.cron {
        text = timer.cron();
    } else if args.remove {
        let removed = timer.remove(&directory)?;
        for file in &removed {
            text.push_str(&format!("removed {}\n", file.display()));
        }
        text.push_str(&match removed.is_empty() {
            true => format!("there is no `{}` in {}\n", timer.name(), directory.display()),
            false => typed("if it runs, stop it with", &timer.stopping()),
        });
    } else {
        if args.enable {
            // Before anything is written.
            timer.check_systemd()?;
        }
        for (file, written) in timer.install(&directory)? {
            let what = match written {
                Written::Replaced => "replaced",
                Written::Same => "is as it was:",
                _ => "wrote",
            };
            text.push_str(&format!("{what} {}\n", file.display()));
        }
        if args.enable {
            timer.enable()?;
            text.push_str(&format!("enabled {}.timer\n", timer.name()));
        } else {
            text.push_str(&typed("enable it with", &timer.enabling()));
        }
    }
    out.extend_from_slice(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

fn typed(what_for: &str, commands: &[String]) -> String {
    let commands: Vec<String> = commands
        .iter()
        .map(|command| format!("    {command}\n"))
        .collect();
    format!("{what_for}\n{}", commands.concat())
}
