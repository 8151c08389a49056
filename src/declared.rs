//! What a program's annotated tests ask for, told in a file while the program lists its tests.
//!
//! `kdev plan` wants to know, and only the test programs themselves do. Standard output is the runner's.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::harness::{DECLARATIONS, Declaration, DeclaredVolume};
use crate::replace::write_by_rename;

/// The variable that names the directory for the files. Set by `kdev plan`, for no one else to use.
pub(crate) const DIRECTORY_VARIABLE: &str = "KDEV_PLAN_DIR";

/// What a reader must know to read the file. More keys do not change it.
pub(crate) const VERSION: u32 = 1;

/// What one program declares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeclaredProgram {
    pub(crate) version: u32,
    /// nextest's name for the program; before 0.9.138, nextest does not tell it while it lists.
    pub(crate) binary_id: Option<String>,
    pub(crate) program: PathBuf,
    pub(crate) tests: Vec<DeclaredTest>,
}

/// What one annotated function declares.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeclaredTest {
    /// The module, with its crate first.
    pub(crate) module: String,
    pub(crate) function: String,
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) volumes: Vec<DeclaredSize>,
}

/// One volume of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct DeclaredSize {
    pub(crate) name: String,
    pub(crate) bytes: u64,
    pub(crate) env: String,
    pub(crate) order: u32,
}

/// Returns where the file is wanted, if it is.
pub(crate) fn wanted_in() -> Option<PathBuf> {
    env::var_os(DIRECTORY_VARIABLE)
        .filter(|directory| !directory.is_empty())
        .map(PathBuf::from)
}

/// Writes what this program declares, for a reader who may look at any time.
pub(crate) fn tell(directory: &Path) -> Result<()> {
    let program = fs::read_link("/proc/self/exe").map_err(|err| Error::io("read", "/proc/self/exe", err))?;
    let declared = DeclaredProgram {
        version: VERSION,
        binary_id: env::var("NEXTEST_BINARY_ID").ok().filter(|id| !id.is_empty()),
        tests: DECLARATIONS.iter().map(DeclaredTest::from).collect(),
        program,
    };
    let file = directory.join(declared.file_name());
    let failed = |err| Error::io("write", &file, err);
    let text = serde_json::to_vec_pretty(&declared).map_err(|err| failed(err.into()))?;
    write_by_rename(directory, &file, &text).map_err(failed)
}

impl DeclaredProgram {
    fn file_name(&self) -> OsString {
        let name = match (&self.binary_id, self.program.file_name()) {
            (Some(id), _) => id.clone(),
            (None, Some(name)) => name.to_string_lossy().into_owned(),
            (None, None) => "program".to_owned(),
        };
        format!("{}.json", escaped(&name)).into()
    }
}

/// Writes a name so that it is a file's, and no two names become one.
fn escaped(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let parts = name.bytes().map(|byte| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("%{byte:02X}"),
    });
    parts.collect()
}

impl From<&Declaration> for DeclaredTest {
    fn from(declaration: &Declaration) -> Self {
        Self {
            module: declaration.module.to_owned(),
            function: declaration.function.to_owned(),
            file: declaration.file.to_owned(),
            line: declaration.line,
            volumes: declaration.volumes.iter().map(DeclaredSize::from).collect(),
        }
    }
}

impl From<&DeclaredVolume> for DeclaredSize {
    fn from(volume: &DeclaredVolume) -> Self {
        Self {
            name: volume.name.to_owned(),
            bytes: volume.bytes,
            env: volume.env.to_owned(),
            order: volume.order,
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("kdev-volumes", "kdev-volumes")]
    #[case("my_crate::it", "my_crate%3A%3Ait")]
    #[case("my_crate::bin/kdev", "my_crate%3A%3Abin%2Fkdev")]
    #[case("..", "%2E%2E")]
    fn any_binary_id_is_a_file_name(#[case] id: &str, #[case] expected: &str) {
        assert_eq!(escaped(id), expected);
    }
}
