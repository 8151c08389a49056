//! Disks that are slices of one volume.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{Kernel, Scene};

/// What is asked for, which is no whole number of MiB, and what each disk has.
const ASKED: &str = "--size=7169K";
const EACH: u64 = 8 << 20;

const ROLES: [&str; 7] = ["test", "pool1", "pool2", "pool3", "pool4", "pool5", "logwrites"];

/// A test that fills each disk but the first with a letter of its own, to the last byte; then of two of them it gives
/// the room back, and of one it tries to write behind its end.
const TEST: &str = r#"
echo "QA output created by ${0##*/}"
[[ $0 = *007 ]] && letters=(A B C D E F) || letters=(a b c d e f)
disks=($SCRATCH_DEV_POOL "$LOGWRITES_DEV")
for disk in "$TEST_DEV" "${disks[@]}"; do
    blockdev --getsize64 "$disk"
done
for at in "${!disks[@]}"; do
    tr '\0' "${letters[at]}" </dev/zero | dd of="${disks[at]}" bs=1M count=8 iflag=fullblock conv=fsync status=none
done
dd if=/dev/zero of="${disks[0]}" bs=1M seek=8 count=1 conv=fsync status=none 2>/dev/null && echo behind the end
blkdiscard --zeroout "${disks[2]}" || echo pool3 cannot be zeroed
blkdiscard "${disks[4]}" || echo pool5 cannot be discarded
"#;

/// Two machines at once, on files: nothing here needs rights.
#[test]
fn a_guest_sees_slices_as_disks_and_writes_of_one_do_not_reach_another() {
    let scene = Scene::new();
    let tree = scene.copy_tree();
    for name in ["007", "008"] {
        fs::write(tree.join("tests/demo").join(name), TEST).unwrap();
        let said = format!("QA output created by {name}\n{}", format!("{EACH}\n").repeat(7));
        fs::write(tree.join(format!("tests/demo/{name}.out")), said).unwrap();
    }
    let args = [
        "--json",
        "--pool=images",
        "--sliced",
        ASKED,
        "--shards=2",
        "--",
        "demo/007",
        "demo/008",
    ];
    // All seven: the scene's own runs have two.
    let mut command = scene.seven(Kernel::Cloud, &args);
    command.env("KDEV_KEEP", "always");
    let ran = scene.ran(command).exits(0);

    let results = ran.results();
    let disks = results["volumes"].as_array().unwrap();
    assert_eq!(disks.len(), 14);
    let mut filled = Vec::new();
    for machine in disks.chunks(7) {
        let path = PathBuf::from(machine[0]["path"].as_str().unwrap());
        for ((disk, role), at) in machine.iter().zip(ROLES).zip(0..) {
            let told = (
                disk["name"].as_str(),
                disk["offset"].as_u64(),
                disk["size"].as_u64(),
            );
            assert_eq!(told, (Some(role), Some(at * EACH), Some(EACH)));
            assert_eq!(disk["path"].as_str(), path.to_str());
        }
        let notes = ran.notes();
        let where_they_are = format!(
            "the disks are slices of {}, of {EACH} bytes each: test at 0, pool1 at {EACH}, ",
            path.display()
        );
        let as_devices = format!(
            "losetup --find --show --offset=OFFSET --sizelimit=SIZELIMIT {}",
            path.display()
        );
        assert!(notes.iter().any(|it| it.starts_with(&where_they_are)), "{ran}");
        assert!(notes.iter().any(|it| it.ends_with(&as_devices)), "{ran}");

        assert_is_sound_ext4(&scene, &slice(&path, 0));
        filled.push(filling(&path));
    }
    filled.sort_unstable();
    assert_eq!(filled, [*b"AB\0D.F", *b"ab\0d.f"]);
    let summary = fs::read_to_string(ran.dir().join("summary.txt")).unwrap();
    assert!(summary.contains("disks are slices of a volume"), "{summary}");
    scene.left().are_only_volumes();
}

/// Returns the byte that each disk but the first is full of: 0 is what was zeroed. What was discarded may have
/// what it had or zeros, and is a full stop.
fn filling(path: &Path) -> [u8; 6] {
    [1, 2, 3, 4, 5, 6].map(|at| {
        let bytes = slice(path, at);
        if at == 5 {
            assert!(bytes.iter().all(|byte| [0, b'E', b'e'].contains(byte)));
            return b'.';
        }
        let first = bytes[0];
        let other = bytes.iter().position(|byte| *byte != first);
        assert_eq!(other, None, "slice {at} of {path:?} is not all {first}");
        first
    })
}

fn slice(path: &Path, at: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(EACH).unwrap()];
    File::open(path)
        .unwrap()
        .read_exact_at(&mut bytes, at * EACH)
        .unwrap();
    bytes
}

fn assert_is_sound_ext4(scene: &Scene, bytes: &[u8]) {
    let copy = scene.path("copy");
    fs::write(&copy, bytes).unwrap();
    let checked = Command::new("e2fsck").args(["-f", "-n"]).arg(&copy).output();
    let checked = checked.unwrap();
    assert!(checked.status.success(), "{checked:?}");
}
