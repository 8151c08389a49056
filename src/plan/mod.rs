//! Who needs how much, and how many tests fit at once: what `kdev plan` does.

mod config;
mod fit;
mod join;
mod listing;
mod room;

pub use room::Room;

use std::path::{Path, PathBuf};

use kdev_volumes_spec::Bytes;

use crate::declared::DeclaredTest;
use crate::error::{Error, Result};

/// What the annotated tests of a suite need, and what bounds them.
///
/// ```no_run
/// use kdev_volumes::plan::{Plan, Room};
///
/// let room = Room::of_pool(Some("default"))?;
/// let plan = Plan::of(vec!["--workspace".into()], room)?;
/// println!("{} tests need {} in all", plan.tests.len(), plan.total());
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Plan {
    /// The annotated tests that would run, those that need most first.
    pub tests: Vec<PlannedTest>,
    /// The room that they share; `None` if nothing bounds it.
    pub room: Option<Room>,
    /// What nextest was given, and is to be given when it runs them.
    arguments: Vec<String>,
}

/// An annotated test, and what it needs.
///
/// ```no_run
/// # use kdev_volumes::plan::Plan;
/// for test in Plan::of(vec!["--workspace".into()], None)?.tests {
///     println!("{} {} needs {}", test.binary_id, test.name, test.needs);
/// }
/// # Ok::<(), kdev_volumes::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedTest {
    /// nextest's name for the program that it is in.
    pub binary_id: String,
    /// The test's name in that program.
    pub name: String,
    /// The name of the annotated function; the test's own, unless the test is one of its generated cases.
    pub function: String,
    /// The room that its volumes take together, each rounded up.
    pub needs: Bytes,
    /// Its volumes' names, and the sizes that it asks for.
    pub volumes: Vec<(String, Bytes)>,
}

impl Plan {
    /// Lists the tests that `cargo nextest list` lists with these arguments, and asks their programs what
    /// they need. Builds them first, if they are not built.
    ///
    /// ```no_run
    /// # use kdev_volumes::plan::{Plan, Room};
    /// let arguments = ["--workspace", "-E", "binary(filesystems)"].map(String::from);
    /// let plan = Plan::of(arguments.into(), Some(Room::of_size("100G".parse()?)))?;
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoNextest`], [`Error::Listing`] if it failed, [`Error::NothingAnnotated`] if no annotated
    /// test is among those that would run.
    pub fn of(arguments: Vec<String>, room: Option<Room>) -> Result<Self> {
        let listing::Listing { tests, programs } = listing::list(&arguments)?;
        let unit = room.as_ref().map_or(room::LOOP_UNIT, |room| room.unit);
        let mut planned: Vec<PlannedTest> = join::join(&tests, &programs)
            .map(|(test, declared)| PlannedTest::new(test, declared, unit))
            .collect();
        if planned.is_empty() {
            return Err(Error::NothingAnnotated { listed: tests.len() });
        }
        planned.sort_by(|a, b| {
            let by_name = (&a.binary_id, &a.name).cmp(&(&b.binary_id, &b.name));
            b.needs.cmp(&a.needs).then(by_name)
        });
        Ok(Self {
            tests: planned,
            room,
            arguments,
        })
    }

    /// Returns what all tests need together.
    pub fn total(&self) -> Bytes {
        fit::sum(self.tests.iter().map(|test| test.needs))
    }

    /// Returns how many tests fit at once, whichever they are, of those that fit at all; `None` if nothing
    /// bounds it.
    ///
    /// ```no_run
    /// # use kdev_volumes::plan::{Plan, Room};
    /// # let plan = Plan::of(vec![], Some(Room::of_size("100G".parse()?)))?;
    /// if let Some(count) = plan.at_once() {
    ///     println!("any {count} fit at once");
    /// }
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    pub fn at_once(&self) -> Option<usize> {
        let room = self.room.as_ref()?;
        let needs = self.tests.iter().map(|test| test.needs);
        Some(fit::at_once(needs.filter(|&needs| needs <= room.size), room.size))
    }

    /// Returns the tests that need more than there is.
    ///
    /// ```no_run
    /// # use kdev_volumes::plan::{Plan, Room};
    /// # let plan = Plan::of(vec![], Some(Room::of_size("100G".parse()?)))?;
    /// for test in plan.never_fit() {
    ///     eprintln!("{} needs {}", test.name, test.needs);
    /// }
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    pub fn never_fit(&self) -> Vec<&PlannedTest> {
        let is_too_large = |test: &&PlannedTest| {
            let room = self.room.as_ref();
            room.is_some_and(|room| test.needs > room.size)
        };
        self.tests.iter().filter(is_too_large).collect()
    }

    /// Writes a tool configuration for nextest that lets only as many of these tests run at once as fit,
    /// and returns the file's absolute path.
    ///
    /// ```no_run
    /// # use kdev_volumes::plan::{Plan, Room};
    /// # let plan = Plan::of(vec![], Some(Room::of_size("100G".parse()?)))?;
    /// let file = plan.write_nextest_config("kdev-nextest.toml".as_ref())?;
    /// println!("run the tests with `{}`", plan.run_command(&file));
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::NoBound`]; [`Error::NotOurs`] if there is a file that this function did not write.
    pub fn write_nextest_config(&self, file: &Path) -> Result<PathBuf> {
        let (Some(room), Some(at_once)) = (&self.room, self.at_once()) else {
            return Err(Error::NoBound);
        };
        let failed = |err| Error::io("find", file, err);
        let file = std::path::absolute(file).map_err(failed)?;
        config::write(&file, &config::text(&self.tests, at_once, room))?;
        Ok(file)
    }

    /// Returns the command that runs these tests with that configuration, as one would type it.
    ///
    /// ```no_run
    /// # use kdev_volumes::plan::Plan;
    /// let plan = Plan::of(vec!["--workspace".into()], None)?;
    /// assert_eq!(
    ///     plan.run_command("/src/kdev-nextest.toml".as_ref()),
    ///     "cargo nextest run --tool-config-file kdev:/src/kdev-nextest.toml --workspace",
    /// );
    /// # Ok::<(), kdev_volumes::Error>(())
    /// ```
    pub fn run_command(&self, config: &Path) -> String {
        config::run_command(config, &self.arguments)
    }
}

impl PlannedTest {
    fn new(test: &listing::Listed, declared: &DeclaredTest, unit: Bytes) -> Self {
        let volumes = declared.volumes.iter();
        let sizes = volumes.clone().map(|volume| Bytes::new(volume.bytes));
        Self {
            binary_id: test.binary_id.clone(),
            name: test.name.clone(),
            function: join::test_name(declared),
            needs: fit::footprint(sizes, unit),
            volumes: volumes
                .map(|volume| (volume.name.clone(), Bytes::new(volume.bytes)))
                .collect(),
        }
    }
}
