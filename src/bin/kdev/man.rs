//! `kdev man`: manual pages, from the command's own definition.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use kdev_volumes::Error;

use crate::args::Args;

#[derive(Debug, clap::Args)]
pub(crate) struct ManArgs {
    /// Where a page for each command is written, such as /usr/local/share/man/man1; without it the main page is
    /// printed
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &ManArgs, out: &mut Vec<u8>) -> Result<ExitCode, Error> {
    let mut kdev = Args::command().disable_help_subcommand(true);
    // Names those below after those above.
    kdev.build();
    match &args.dir {
        None => {
            page(kdev, out).map_err(failed("write", Path::new("kdev.1")))?;
        }
        Some(dir) => {
            fs::create_dir_all(dir).map_err(failed("make the directory", dir))?;
            for file in write_all(kdev, dir)? {
                out.extend_from_slice(format!("wrote {}\n", file.display()).as_bytes());
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

/// Writes the pages of a command and of those below it.
fn write_all(command: Command, dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        files.extend(write_all(below.clone(), dir)?);
    }
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let file = dir.join(format!("{name}.1"));
    let mut text = Vec::new();
    page(command, &mut text).map_err(failed("write", &file))?;
    fs::write(&file, text).map_err(failed("write", &file))?;
    files.push(file);
    Ok(files)
}

fn page(command: Command, out: &mut Vec<u8>) -> io::Result<()> {
    let has_arguments = command.get_arguments().any(|argument| !argument.is_hide_set());
    let has_commands = command.has_subcommands();
    let has_more = command.get_after_long_help().is_some() || command.get_after_help().is_some();
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let title = format!(".TH {name} 1 \"\" \"kdev {}\" kdev\n", env!("CARGO_PKG_VERSION"));
    let page = Man::new(command);
    // An empty date is left out of it, and then the next word is taken for the date.
    let mut head = Vec::new();
    page.render_title(&mut head)?;
    for line in String::from_utf8_lossy(&head).split_inclusive('\n') {
        let line = if line.starts_with(".TH ") { &title } else { line };
        out.extend_from_slice(line.as_bytes());
    }
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    if has_arguments {
        page.render_options_section(out)?;
    }
    if has_commands {
        page.render_subcommands_section(out)?;
    }
    if has_more {
        // It is written in columns, which are to stay.
        let mut more = Vec::new();
        page.render_extra_section(&mut more)?;
        let more = String::from_utf8_lossy(&more);
        let (_, more) = more.split_once(".SH EXTRA\n").unwrap_or(("", &more));
        out.extend_from_slice(format!(".SH NOTES\n.nf\n{more}.fi\n").as_bytes());
    }
    Ok(())
}
