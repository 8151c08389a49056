//! What trouble each test asks for, as its script says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::results::asked_for::asked_for;
use crate::results::test_name::TestName;
use crate::results::trouble::TroubleKind;

/// The scripts of the tests.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    tests: PathBuf,
}

impl Asked {
    /// Reads scripts in this tree of fstests.
    pub(crate) fn in_tree(fstests: &Path) -> Self {
        Self {
            tests: fstests.join("tests"),
        }
    }

    /// Returns what this test asks for: nothing, if it cannot be read.
    pub(crate) fn by(&self, name: &TestName) -> BTreeSet<TroubleKind> {
        let script = fs::read(self.tests.join(name.as_str())).unwrap_or_default();
        asked_for(&String::from_utf8_lossy(&script))
    }
}
