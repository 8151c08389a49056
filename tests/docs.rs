//! Examples of tests are compiled as tests: elsewhere rustc throws away what stands below `#[test]`, right or wrong.

use std::fs;
use std::path::{Path, PathBuf};

/// A code block of the documentation.
#[derive(Debug)]
struct Block {
    file: PathBuf,
    /// What stands behind its opening fence, such as `rust,no_run`.
    attributes: String,
    code: String,
}

fn blocks_of(file: &Path) -> Vec<Block> {
    let text = fs::read_to_string(file).unwrap();
    let is_readme = file.extension().is_some_and(|extension| extension == "md");
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for line in text.lines() {
        let comment = line.trim_start();
        let documented = comment
            .strip_prefix("///")
            .or_else(|| comment.strip_prefix("//!"));
        let Some(line) = documented.or(is_readme.then_some(line)) else {
            continue;
        };
        match (line.trim().strip_prefix("```"), &mut open) {
            (Some(attributes), None) => {
                open = Some(Block {
                    file: file.to_owned(),
                    attributes: attributes.to_owned(),
                    code: String::new(),
                });
            }
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(block)) => block.code.extend([line, "\n"]),
            (None, None) => {}
        }
    }
    blocks
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

#[test]
fn examples_of_tests_are_compiled_as_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = blocks_of(&root.join("README.md"));
    assert!(
        readme[0].code.contains("#[kdev_volumes("),
        "the README begins with a test"
    );
    let documented = ["src", "macros"]
        .into_iter()
        .flat_map(|dir| sources(&root.join(dir)));
    let in_sources = documented.flat_map(|file| blocks_of(&file));
    let of_tests: Vec<Block> = readme
        .into_iter()
        .chain(in_sources)
        .filter(|block| block.code.contains("#[test]") || block.code.contains("#[rstest]"))
        .collect();
    assert!(of_tests.len() > 10, "{of_tests:?}");
    for block in &of_tests {
        let Block {
            file,
            attributes,
            code,
        } = block;
        assert_eq!(
            attributes,
            "rust,no_run,test_harness",
            "{}:{code}",
            file.display()
        );
    }
}
