//! What looks like a kernel or fstests, and would do nothing if it were started.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const RELEASE: &str = "6.1.0-fake";

/// The tree of an unpacked kernel that has built in what its configuration says.
#[derive(Debug)]
pub(crate) struct FakeKernel {
    pub(crate) image: PathBuf,
}

impl FakeKernel {
    pub(crate) fn in_dir(dir: &Path, config: &[&str]) -> Self {
        let modules = dir.join("lib/modules").join(RELEASE);
        fs::create_dir_all(&modules).unwrap();
        fs::create_dir_all(dir.join("boot")).unwrap();
        let config: String = config
            .iter()
            .map(|option| format!("CONFIG_{option}=y\n"))
            .collect();
        fs::write(dir.join(format!("boot/config-{RELEASE}")), config).unwrap();
        for empty in [
            "modules.dep",
            "modules.builtin",
            "modules.alias",
            "modules.softdep",
        ] {
            fs::write(modules.join(empty), "").unwrap();
        }
        let image = dir.join(format!("boot/vmlinuz-{RELEASE}"));
        fs::write(&image, header()).unwrap();
        Self { image }
    }
}

/// The header of a bzImage, with the release behind it: Documentation/arch/x86/boot.rst.
fn header() -> Vec<u8> {
    let mut image = vec![0; 0x400];
    image[0x1f1] = 1;
    image[0x1fe..0x200].copy_from_slice(&0xaa55_u16.to_le_bytes());
    image[0x202..0x206].copy_from_slice(b"HdrS");
    image[0x206..0x208].copy_from_slice(&0x020f_u16.to_le_bytes());
    // Where the text is, less the boot sector.
    image[0x20e..0x210].copy_from_slice(&0x100_u16.to_le_bytes());
    image[0x211] = 1;
    let text = format!("{RELEASE} (nobody@nowhere) #1\0");
    image[0x300..0x300 + text.len()].copy_from_slice(text.as_bytes());
    image
}

/// A directory with these files, of which those with a `+` can be executed.
pub(crate) fn fake_fstests(dir: &Path, files: &[&str]) {
    fs::create_dir_all(dir).unwrap();
    for file in files {
        let path = dir.join(file.trim_start_matches('+'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        if file.starts_with('+') {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
}
