use std::thread;

use kdev_volumes_spec::{Bytes, Spec, VolumeSpec};

use crate::error::Result;

/// An annotated test, as its source says it.
#[derive(Debug)]
pub struct Declaration {
    /// The module, with its crate first.
    pub module: &'static str,
    /// The function.
    pub function: &'static str,
    /// The source file.
    pub file: &'static str,
    /// The line of the function.
    pub line: u32,
    /// The text that the test's panic has to hold, if a panic is what it wants.
    pub should_panic: Option<&'static str>,
    /// The same for each of rstest's cases, where it has some.
    pub cases: &'static [Option<&'static str>],
    /// Whether the test stays in the process of its runner, and so has no environment of its own.
    pub in_process: bool,
    /// The volumes.
    pub volumes: &'static [DeclaredVolume],
}

/// A volume of an annotated test. The macro has checked it.
#[derive(Debug)]
pub struct DeclaredVolume {
    /// The name.
    pub name: &'static str,
    /// The size in bytes.
    pub bytes: u64,
    /// The environment variable.
    pub env: &'static str,
    /// The place among the others.
    pub order: u32,
    /// The type of its filesystem, then mkfs' arguments; empty if it has none.
    pub mkfs: &'static [&'static str],
}

impl DeclaredVolume {
    fn spec(&self) -> Result<VolumeSpec> {
        let spec = VolumeSpec::new(self.name, Bytes::new(self.bytes))?
            .with_env(self.env)?
            .with_order(self.order);
        match self.mkfs.split_first() {
            Some((fs_type, args)) => Ok(spec.with_mkfs(fs_type)?.with_mkfs_args(args.iter().copied())?),
            None => Ok(spec),
        }
    }
}

/// All annotated tests that are linked into this program.
#[linkme::distributed_slice]
pub static DECLARATIONS: [Declaration];

impl Declaration {
    /// Returns the name by which the test's runner knows it, without the crate.
    ///
    /// The name of the thread, which libtest sets, tells the cases of one function apart. Not every thread
    /// that runs a test has it.
    pub(super) fn name_in_runner(&self) -> String {
        let thread = thread::current();
        let named = thread.name().filter(|name| {
            name.split("::")
                .any(|part| part.trim_start_matches("r#") == self.function)
        });
        match (named, self.module.split_once("::")) {
            (Some(name), _) => name.to_owned(),
            (None, Some((_, module))) => format!("{module}::{}", self.function),
            (None, None) => self.function.to_owned(),
        }
    }

    /// Puts the crate before a name that a runner uses.
    pub(super) fn full_name(&self, name_in_runner: &str) -> String {
        let name_of_crate = self.module.split("::").next().unwrap_or(self.module);
        format!("{name_of_crate}::{name_in_runner}")
    }

    /// Returns the text that a panic has to hold to pass the test of that name; `None` if none does.
    pub(super) fn wanted_panic(&self, name_in_runner: &str) -> Option<&'static str> {
        let case = name_in_runner.split("::").find_map(|part| {
            let number = part.strip_prefix("case_")?;
            let digits = number.find(|c: char| !c.is_ascii_digit()).unwrap_or(number.len());
            number[..digits].parse::<usize>().ok()?.checked_sub(1)
        });
        let of_case = case.and_then(|case| *self.cases.get(case)?);
        of_case.or(self.should_panic)
    }

    pub(super) fn spec(&self) -> Result<Spec> {
        let volumes = self.volumes.iter().map(DeclaredVolume::spec);
        Ok(Spec::new(volumes.collect::<Result<Vec<_>>>()?)?)
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn declaration(
        cases: &'static [Option<&'static str>],
        should_panic: Option<&'static str>,
    ) -> Declaration {
        Declaration {
            module: "krate::module",
            function: "x",
            file: "",
            line: 0,
            should_panic,
            cases,
            in_process: false,
            volumes: &[],
        }
    }

    #[rstest]
    #[case("module::x::case_1", None)]
    #[case("module::x::case_02_named", Some("text"))]
    #[case("module::x::case_2::values_1_a", Some("text"))]
    #[case("module::x::case_3", None)]
    #[case("module::x::case_0", None)]
    #[case("module::x", None)]
    fn a_case_may_want_a_panic_that_others_do_not(#[case] name: &str, #[case] expected: Option<&str>) {
        assert_eq!(
            declaration(&[None, Some("text")], None).wanted_panic(name),
            expected
        );
        let all = declaration(&[None, Some("text")], Some("any"));
        assert_eq!(all.wanted_panic(name), expected.or(Some("any")));
    }

    #[test]
    fn a_test_whose_thread_has_another_name_is_named_by_its_source() {
        // This thread has the name of this test.
        let declaration = declaration(&[], None);
        assert_eq!(declaration.name_in_runner(), "module::x");
        assert_eq!(
            declaration.full_name("module::x::case_1"),
            "krate::module::x::case_1"
        );
    }
}
