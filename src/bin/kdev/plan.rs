//! `kdev plan`: which tests need how much, and how many fit at once.

use std::path::PathBuf;
use std::process::ExitCode;

use kdev_volumes::plan::{Plan, PlannedTest, Room};
use kdev_volumes::{Bytes, Error};

use crate::table::Table;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit status: 0 each test fits, 1 one needs more than there is or the tests could not be listed,
2 usage, 69 this host lacks what is needed.")]
pub(crate) struct PlanArgs {
    /// The pool; `embedded` for loop devices, `images` for image files [default: what KERNELDEV_DEVICE_POOL names]
    #[arg(long, conflicts_with = "room")]
    pool: Option<String>,
    /// Plan for a pool that need not be here, with this much room, such as 100G
    #[arg(long, value_name = "SIZE")]
    room: Option<Bytes>,
    /// Write a configuration for nextest that lets only as many of the tests run at once as fit
    /// [default FILE: kdev-nextest.toml]
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "kdev-nextest.toml"
    )]
    write: Option<PathBuf>,
    /// Arguments for `cargo nextest list`, such as `--workspace`, `-E FILTER`, `--partition hash:1/3`
    #[arg(last = true, value_name = "NEXTEST ARGUMENT")]
    nextest: Vec<String>,
}

pub(crate) fn run(args: PlanArgs, out: &mut Vec<u8>) -> Result<ExitCode, Error> {
    let room = match args.room {
        Some(size) => Some(Room::of_size(size)),
        None => Room::of_pool(args.pool.as_deref())?,
    };
    if args.write.is_some() && room.is_none() {
        // Before the tests are built.
        return Err(Error::NoBound);
    }
    let plan = Plan::of(args.nextest, room)?;
    out.extend_from_slice(table(&plan.tests).as_bytes());
    out.extend_from_slice(summary(&plan).as_bytes());
    if let Some(file) = args.write {
        let file = plan.write_nextest_config(&file)?;
        let said = format!(
            "\nwrote `{}`; run the tests with\n    {}\n",
            file.display(),
            plan.run_command(&file)
        );
        out.extend_from_slice(said.as_bytes());
    }
    Ok(match plan.never_fit().is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// One row for each function: the cases that are generated of one need the same.
fn table(tests: &[PlannedTest]) -> String {
    let mut table = Table::new(["TEST", "NEEDS", "VOLUMES"]);
    let same = |a: &PlannedTest, b: &PlannedTest| (&a.binary_id, &a.function) == (&b.binary_id, &b.function);
    for cases in tests.chunk_by(same) {
        let first = &cases[0];
        let name = match cases.len() {
            1 => full_name(first),
            count => format!("{} {} ({count} cases)", first.binary_id, first.function),
        };
        let volumes = first.volumes.iter().map(|(name, size)| format!("{name} {size}"));
        table.row([
            name,
            first.needs.to_string(),
            volumes.collect::<Vec<_>>().join(", "),
        ]);
    }
    table.to_string()
}

fn summary(plan: &Plan) -> String {
    let count = plan.tests.len();
    let largest = plan.tests.first().map_or(Bytes::new(0), |test| test.needs);
    let mut text = format!(
        "\n{} {} in all, at most {largest} each.\n",
        counted(count, "test needs", "tests need"),
        plan.total(),
    );
    let (Some(room), Some(at_once)) = (&plan.room, plan.at_once()) else {
        text.push_str(
            "Their volumes are sparse files, and all may run at once (`--pool` or `--room` plans for a pool).\n",
        );
        return text;
    };
    let never = plan.never_fit();
    if !never.is_empty() {
        text.push_str(&format!(
            "{} more than there is in {room}:\n",
            counted(never.len(), "needs", "need")
        ));
        for test in &never {
            text.push_str(&format!("  {}, {}\n", full_name(test), test.needs));
        }
    }
    let (all, of_these) = match never.is_empty() {
        true => ("All", ""),
        false => ("The others", " of the others"),
    };
    let who = match (at_once, count - never.len()) {
        (_, 0) => return text,
        (fit, there_are) if fit == there_are => format!("{all} fit at once"),
        (1, _) => format!("One{of_these} at a time fits"),
        (fit, _) => format!("Any {fit}{of_these} fit at once"),
    };
    text.push_str(&format!("{who} in {room}.\n"));
    text
}

/// As nextest writes it.
fn full_name(test: &PlannedTest) -> String {
    format!("{} {}", test.binary_id, test.name)
}

fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}
