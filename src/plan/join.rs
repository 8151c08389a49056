//! Which declaration is a listed test's. Decides, and touches nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::declared::{DeclaredProgram, DeclaredTest};
use crate::plan::listing::Listed;

/// Puts the tests that would run together with what their programs declare; leaves out those that are not
/// annotated.
pub(super) fn join<'a>(
    tests: &'a [Listed],
    programs: &'a [DeclaredProgram],
) -> impl Iterator<Item = (&'a Listed, &'a DeclaredTest)> {
    let programs: Vec<(&DeclaredProgram, Names)> = programs
        .iter()
        .map(|program| (program, Names::new(program, tests)))
        .collect();
    tests.iter().filter_map(move |test| {
        let (_, names) = programs.iter().find(|(program, _)| is_of(test, program))?;
        Some((test, names.declaration_of(&test.name)?))
    })
}

/// Returns the name that libtest gives to the test of a declaration: without its crate, which is the
/// program, and here without the `r#` of raw names, which not everybody writes.
pub(super) fn test_name(declared: &DeclaredTest) -> String {
    let function = plain(&declared.function);
    match declared.module.split_once("::") {
        Some((_, module)) => format!("{}::{function}", plain(module)),
        None => function,
    }
}

fn plain(name: &str) -> String {
    name.split("::")
        .map(|part| part.trim_start_matches("r#"))
        .collect::<Vec<_>>()
        .join("::")
}

/// By nextest's name for the program, or, from a nextest that did not tell it, by the program itself.
fn is_of(test: &Listed, program: &DeclaredProgram) -> bool {
    match &program.binary_id {
        Some(id) => *id == test.binary_id,
        None => program.program == test.program,
    }
}

/// The names in one program.
struct Names<'a> {
    declared: BTreeMap<String, &'a DeclaredTest>,
    listed: BTreeSet<String>,
}

impl<'a> Names<'a> {
    fn new(program: &'a DeclaredProgram, tests: &[Listed]) -> Self {
        let of_this = tests.iter().filter(|test| is_of(test, program));
        Self {
            declared: program
                .tests
                .iter()
                .map(|declared| (test_name(declared), declared))
                .collect(),
            listed: of_this.map(|test| plain(&test.name)).collect(),
        }
    }

    /// Finds the declaration of a test by its name; of a generated case, such as rstest's
    /// `name::case_1_x`, by the name of the function that it calls.
    ///
    /// A function that is a test itself has no cases: what is named below it are the tests of a module
    /// that has the same name.
    fn declaration_of(&self, test: &str) -> Option<&'a DeclaredTest> {
        let test = plain(test);
        let mut name = test.as_str();
        loop {
            let declared = self.declared.get(name).copied();
            if declared.is_some() && (name == test || !self.listed.contains(name)) {
                return declared;
            }
            (name, _) = name.rsplit_once("::")?;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rstest::rstest;

    use super::*;

    fn declared(module: &str, function: &str) -> DeclaredTest {
        DeclaredTest {
            module: module.into(),
            function: function.into(),
            file: String::new(),
            line: 0,
            volumes: Vec::new(),
        }
    }

    fn program(binary_id: Option<&str>, path: &str, tests: Vec<DeclaredTest>) -> DeclaredProgram {
        DeclaredProgram {
            version: 1,
            binary_id: binary_id.map(str::to_owned),
            program: path.into(),
            tests,
        }
    }

    fn listed(binary_id: &str, program: &str, name: &str) -> Listed {
        Listed {
            binary_id: binary_id.into(),
            program: PathBuf::from(program),
            name: name.into(),
        }
    }

    #[rstest]
    #[case::at_the_root("it", "f", "f")]
    #[case::in_a_module("my_crate::a::tests", "f", "a::tests::f")]
    #[case::raw("my_crate::r#if", "r#try", "if::try")]
    fn a_test_is_named_without_its_crate(
        #[case] module: &str,
        #[case] function: &str,
        #[case] expected: &str,
    ) {
        assert_eq!(test_name(&declared(module, function)), expected);
    }

    /// The program declares `c::f`, `c::m::f` and `c::m`; the last is a function beside a module of its
    /// name.
    #[rstest]
    #[case::itself(&["f"], "f", Some("f"))]
    #[case::in_a_module(&["m::f"], "m::f", Some("m::f"))]
    #[case::a_case(&["f::case_1", "f::case_2_x"], "f::case_2_x", Some("f"))]
    #[case::a_case_of_a_matrix(&["m::f::a_1::b_1"], "m::f::a_1::b_1", Some("m::f"))]
    #[case::the_longest_name_counts(&["m::f::case_1", "m::other"], "m::f::case_1", Some("m::f"))]
    #[case::another_test(&["g"], "g", None)]
    #[case::raw(&["r#m::f"], "r#m::f", Some("m::f"))]
    #[case::raw_with_cases(&["m::r#f::case_1"], "m::r#f::case_1", Some("m::f"))]
    #[case::only_the_same_beginning(&["f_too"], "f_too", None)]
    #[case::a_module_named_as_a_test(&["f", "f::plain"], "f::plain", None)]
    #[case::a_module_named_as_a_function(&["m", "m::plain"], "m::plain", None)]
    fn a_declaration_is_found_by_the_name_of_the_test(
        #[case] tests: &[&str],
        #[case] test: &str,
        #[case] expected: Option<&str>,
    ) {
        let tests: Vec<Listed> = tests.iter().map(|name| listed("c", "/c", name)).collect();
        let declared = vec![declared("c", "f"), declared("c::m", "f"), declared("c", "m")];
        let programs = [program(Some("c"), "/c", declared)];
        let found = join(&tests, &programs).find(|(listed, _)| listed.name == test);
        let found = found.map(|(_, declared)| test_name(declared));
        assert_eq!(found.as_deref(), expected);
    }

    #[rstest]
    #[case::same_id(Some("a::it"), "/other/place", true)]
    #[case::another_id(Some("b::it"), "/deps/it-1", false)]
    #[case::same_path(None, "/deps/it-1", true)]
    #[case::another_path(None, "/deps/it-2", false)]
    fn a_program_is_known_by_its_id_or_else_its_path(
        #[case] id: Option<&str>,
        #[case] path: &str,
        #[case] expected: bool,
    ) {
        let tests = [listed("a::it", "/deps/it-1", "f")];
        let programs = [program(id, path, vec![declared("it", "f")])];
        assert_eq!(join(&tests, &programs).count() == 1, expected);
    }
}
