//! `kdev completions`: what a shell completes, from the command's own definition.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs, out: &mut Vec<u8>) {
    clap_complete::generate(args.shell, &mut Args::command(), "kdev", out);
}
