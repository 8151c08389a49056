use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use rstest::rstest;

use super::super::busybox::Busybox;
use super::super::disk::sample;
use super::super::kernel::Kernel;
use super::super::modules::Features;
use super::super::{fds, initramfs, needs};
use super::*;

fn spec() -> UmlSpec {
    UmlSpec {
        memory: "96M".parse().unwrap(),
        append: String::new(),
        initramfs: 10,
        console: 12,
        events: 11,
        disks: Vec::new(),
    }
}

#[test]
fn a_machine_that_is_a_program_is_this_line() {
    let mut spec = spec();
    spec.append = "kv.fs=ext4  user=1".into();
    spec.disks = vec![sample("test", "/dev/kdev/test"), sample("root", "/srv/x.img")];
    spec.disks[1].read_only = true;
    assert_eq!(
        spec.arguments().unwrap(),
        [
            "con=null",
            "ssl=null",
            "console=tty0",
            "panic=-1",
            "noreboot",
            "loglevel=5",
            "uml_dir=/dev/null",
            "mem=96M",
            "initrd=/proc/self/fd/10",
            "con0=null,fd:12",
            "con1=fd:11,fd:11",
            "ubd0d=/dev/kdev/test,,test",
            "ubd1rd=/srv/x.img,,root",
            "kv.fs=ext4",
            "user=1",
        ]
        .map(OsString::from)
    );
}

#[rstest]
#[case::a_comma("/srv/a,b")]
#[case::a_colon("/dev/disk/by-path/pci-0000:00")]
#[case::a_blank("/srv/a b")]
#[case::a_line("/srv/a\nb")]
#[case::a_quote("/srv/a\"b")]
fn a_path_that_means_something_to_the_kernel_is_refused(#[case] path: &str) {
    let mut spec = spec();
    spec.disks = vec![sample("test", path)];
    let error = spec.arguments().unwrap_err();
    assert!(
        error.is_usage() && error.to_string().contains("symbolic link"),
        "{error}"
    );
}

#[test]
fn a_path_that_is_not_utf8_is_refused() {
    let mut spec = spec();
    spec.disks = vec![sample("test", "/")];
    spec.disks[0].path = OsString::from_vec(b"/\xff".to_vec()).into();
    assert!(spec.arguments().is_err());
}

#[test]
fn a_part_of_a_device_and_a_seventeenth_disk_are_refused() {
    let mut spec = spec();
    spec.disks = (0..16).map(|n| sample(&format!("d{n}"), "/x")).collect();
    assert!(spec.arguments().is_ok());
    spec.disks.push(sample("d16", "/x"));
    let text = spec.arguments().unwrap_err().to_string();
    assert!(text.contains("no more than 16 disks"), "{text}");
    spec.disks = vec![sample("test", "/x")];
    spec.disks[0].backing = Backing::Slice {
        offset: Bytes::new(0),
        len: "1M".parse().unwrap(),
    };
    let text = spec.arguments().unwrap_err().to_string();
    assert!(text.contains("a kernel for QEMU"), "{text}");
}

#[rstest]
#[case(&[("/dev/shm", true, "2G"), ("/tmp", true, "8G")], Some("/dev/shm"))]
#[case(&[("/dev/shm", true, "64M"), ("/tmp", true, "8G")], Some("/tmp"))]
#[case(&[("/dev/shm", false, "2G"), ("/tmp", true, "8G")], Some("/tmp"))]
#[case(&[("/dev/shm", false, "2G"), ("/tmp", true, "64M")], None)]
#[case(&[], None)]
fn memory_is_where_there_is_room_for_it_and_it_can_be_executed(
    #[case] places: &[(&str, bool, &str)],
    #[case] expected: Option<&str>,
) {
    let places: Vec<Place> = places
        .iter()
        .map(|&(directory, executable, free)| Place {
            directory: directory.into(),
            executable,
            free: free.parse().unwrap(),
        })
        .collect();
    let got = choose(&places, "1G".parse().unwrap());
    match expected {
        Some(directory) => assert_eq!(got.unwrap(), PathBuf::from(directory)),
        None => assert!(got.unwrap_err().to_string().contains("give less memory")),
    }
}

/// Says on the event line what came into the guest.
const INIT: &str = r#"#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
exec >/dev/tty1
while read -r how file; do
    $b insmod "/modules/$file" || echo "failed $how $file"
done </modules/order
$b grep -w overlay /proc/filesystems
$b mkdir /host
$b mount -t hostfs -o / host /host && [ -d /host/etc ] && echo hostfs
for disk in ubda ubdb; do
    echo "$disk $($b cat /sys/block/$disk/serial /sys/block/$disk/size /sys/block/$disk/ro | $b tr '\n' ' ')"
done
$b poweroff -f
"#;

/// Boots a guest on an image with a home of its own, and returns what it said: its events, its console.
fn boot(kernel: &Kernel, initramfs: &[u8], directory: &Path) -> (String, String) {
    let initramfs = fds::sealed(initramfs).unwrap();
    let (mut events, theirs) = UnixStream::pair().unwrap();
    let theirs = OwnedFd::from(theirs);
    let image = directory.join("disk");
    let path = image.to_str().unwrap();
    let mut spec = spec();
    spec.initramfs = initramfs.as_raw_fd();
    spec.events = theirs.as_raw_fd();
    spec.disks = vec![sample("test", path), sample("root", path)];
    spec.disks[1].read_only = true;
    let library = xstate::library().unwrap().unwrap();
    let mut command = Command::new(&kernel.image);
    command
        .envs([xstate::preload(&library)])
        .args(spec.arguments().unwrap())
        .env("TMPDIR", memory_directory(spec.memory).unwrap())
        .env("HOME", directory.join("home"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    fds::inherit(&mut command, vec![initramfs, theirs, library]);
    let child = command.spawn().unwrap();
    drop(command);
    let mut said = String::new();
    events.read_to_string(&mut said).unwrap();
    let output = child.wait_with_output().unwrap();
    (said, String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn a_guest_has_its_modules_its_disks_and_a_line_for_events() {
    let directory = tempfile::tempdir().unwrap();
    let kernel = Kernel::find("/usr/bin/linux.uml".as_ref(), None).unwrap();
    let closure = Features::of(&kernel)
        .unwrap()
        .closure(&needs::of_uml("ext4"))
        .unwrap();
    let busybox = Busybox::find(&["sh", "mount", "insmod", "poweroff"]).unwrap();
    let initramfs = initramfs::pack(INIT, &busybox, &closure.modules, &[]).unwrap();
    let image = File::create(directory.path().join("disk")).unwrap();
    image.set_len(16 << 20).unwrap();
    let home = directory.path().join("home");
    std::fs::create_dir(&home).unwrap();

    // User-Mode Linux itself crashes now and then while it boots, before anything is said.
    let mut tries = (0..3).map(|_| boot(&kernel, &initramfs, directory.path()));
    let (said, console) = tries
        .find(|(said, _)| !said.is_empty())
        .expect("no guest has said anything");
    let said: Vec<&str> = said.lines().map(str::trim).collect();
    assert_eq!(
        said,
        ["nodev\toverlay", "hostfs", "ubda test32768 0", "ubdb root32768 1"],
        "{console}"
    );
    // Neither of its own directory nor of its memory is anything left.
    assert_eq!(home.read_dir().unwrap().count(), 0);
    assert_eq!(directory.path().read_dir().unwrap().count(), 2);
}
