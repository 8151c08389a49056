use std::os::unix::ffi::OsStringExt;

use rstest::rstest;

use super::super::disk::sample;
use super::*;

fn spec() -> QemuSpec {
    QemuSpec {
        accel: Accel::Tcg,
        machine: None,
        memory: "1G".parse().unwrap(),
        cpus: 1,
        kernel: "/boot/vmlinuz-6.1.0".into(),
        append: String::new(),
        initramfs: 10,
        console: 11,
        events: 12,
        qmp: 13,
        disks: Vec::new(),
        shares: Vec::new(),
        extra: Vec::new(),
    }
}

/// The arguments, an option and its value to a line.
fn lines(spec: &QemuSpec) -> String {
    let mut text = String::new();
    for argument in spec.arguments().unwrap() {
        let argument = argument.into_string().unwrap();
        if !text.is_empty() {
            text.push(if argument.starts_with('-') { '\n' } else { ' ' });
        }
        text.push_str(&argument);
    }
    text
}

#[test]
fn a_machine_without_kvm_is_this_line() {
    let mut spec = spec();
    spec.append = "kv.fs=ext4 user=1".into();
    spec.disks = vec![
        sample("test", "/dev/kdev/test"),
        sample("log", "/var/tmp/a, b.img"),
    ];
    spec.disks[0].is_block_device = true;
    spec.shares = vec![
        QemuShare {
            tag: "root".into(),
            by: ShareBy::Virtiofs(14),
        },
        QemuShare {
            tag: "results".into(),
            by: ShareBy::Virtiofs(15),
        },
    ];
    spec.extra = vec!["-s".into()];
    assert_eq!(
        lines(&spec),
        r#"-nodefaults
-no-user-config
-no-reboot
-display none
-machine pc,memory-backend=mem
-object memory-backend-memfd,id=mem,size=1024M,share=on
-m 1024M
-accel tcg,thread=multi
-cpu max
-smp 1
-kernel /boot/vmlinuz-6.1.0
-initrd /proc/self/fd/10
-append console=ttyS0,115200 loglevel=5 panic=-1 sysrq_always_enabled=1 net.ifnames=0 norandmaps mitigations=off kv.fs=ext4 user=1
-device virtio-rng-pci
-chardev socket,id=console,fd=11
-chardev socket,id=events,fd=12
-chardev socket,id=qmp,fd=13
-serial chardev:console
-serial chardev:events
-mon chardev=qmp,mode=control
-chardev socket,id=share-root,fd=14
-device vhost-user-fs-pci,chardev=share-root,tag=root
-chardev socket,id=share-results,fd=15
-device vhost-user-fs-pci,chardev=share-results,tag=results
-blockdev {"cache":{"no-flush":true},"discard":"unmap","driver":"raw","file":{"aio":"threads","discard":"unmap","driver":"host_device","filename":"/dev/kdev/test","locking":"off","read-only":false},"node-name":"disk-test","read-only":false}
-device virtio-blk-pci,drive=disk-test,serial=test
-blockdev {"cache":{"no-flush":true},"discard":"unmap","driver":"raw","file":{"aio":"threads","discard":"unmap","driver":"file","filename":"/var/tmp/a, b.img","locking":"off","read-only":false},"node-name":"disk-log","read-only":false}
-device virtio-blk-pci,drive=disk-log,serial=log
-s"#
    );
}

#[test]
fn a_machine_with_kvm_and_shares_by_9p_is_this_line() {
    let mut spec = spec();
    spec.accel = Accel::Kvm;
    spec.machine = Some("q35".into());
    spec.memory = Bytes::new((2 << 30) + 1);
    spec.cpus = 4;
    spec.disks = vec![sample("scratch", "/dev/sdx")];
    spec.disks[0].backing = Backing::Slice {
        offset: "1G".parse().unwrap(),
        len: "512M".parse().unwrap(),
    };
    spec.disks[0].read_only = true;
    spec.shares = vec![
        QemuShare {
            tag: "root".into(),
            by: ShareBy::NineP {
                path: "/".into(),
                read_only: true,
            },
        },
        QemuShare {
            tag: "results".into(),
            by: ShareBy::NineP {
                path: "/tmp/a,b c".into(),
                read_only: false,
            },
        },
    ];
    assert_eq!(
        lines(&spec),
        r#"-nodefaults
-no-user-config
-no-reboot
-display none
-machine q35,memory-backend=mem
-object memory-backend-memfd,id=mem,size=2049M,share=on
-m 2049M
-accel kvm
-cpu host
-smp 4
-kernel /boot/vmlinuz-6.1.0
-initrd /proc/self/fd/10
-append console=ttyS0,115200 loglevel=5 panic=-1 sysrq_always_enabled=1 net.ifnames=0
-device virtio-rng-pci
-chardev socket,id=console,fd=11
-chardev socket,id=events,fd=12
-chardev socket,id=qmp,fd=13
-serial chardev:console
-serial chardev:events
-mon chardev=qmp,mode=control
-fsdev local,id=share-root,path=/,security_model=none,multidevs=remap,readonly=on
-device virtio-9p-pci,fsdev=share-root,mount_tag=root
-fsdev local,id=share-results,path=/tmp/a,,b c,security_model=none,multidevs=remap
-device virtio-9p-pci,fsdev=share-results,mount_tag=results
-blockdev {"cache":{"no-flush":true},"discard":"unmap","driver":"raw","file":{"aio":"threads","discard":"unmap","driver":"file","filename":"/dev/sdx","locking":"off","read-only":true},"node-name":"disk-scratch","offset":1073741824,"read-only":true,"size":536870912}
-device virtio-blk-pci,drive=disk-scratch,serial=scratch"#
    );
}

#[test]
fn a_shared_path_that_is_not_utf8_stays_as_it_is() {
    let mut spec = spec();
    spec.shares = vec![QemuShare {
        tag: "results".into(),
        by: ShareBy::NineP {
            path: OsString::from_vec(b"/tmp/\xff,".to_vec()).into(),
            read_only: false,
        },
    }];
    let expected = OsString::from_vec(
        b"local,id=share-results,path=/tmp/\xff,,,security_model=none,multidevs=remap".to_vec(),
    );
    assert!(spec.arguments().unwrap().contains(&expected));
}

#[test]
fn a_disk_whose_path_is_not_utf8_is_refused() {
    let mut disk = sample("test", "/");
    disk.path = OsString::from_vec(b"/tmp/\xff".to_vec()).into();
    let mut spec = spec();
    spec.disks = vec![disk];
    let error = spec.arguments().unwrap_err();
    assert!(
        error.is_usage() && error.to_string().contains("not UTF-8"),
        "{error}"
    );
}

#[test]
fn slices_of_one_volume_are_a_node_each_and_none_locks() {
    let mut spec = spec();
    spec.disks = vec![
        sample("test", "/dev/kdev/disks"),
        sample("log", "/dev/kdev/disks"),
    ];
    for (disk, offset) in spec.disks.iter_mut().zip([0, 1 << 20]) {
        disk.is_block_device = true;
        disk.backing = Backing::Slice {
            offset: Bytes::new(offset),
            len: Bytes::new(1 << 20),
        };
    }
    let lines = lines(&spec);
    for expected in [
        r#"-blockdev {"cache":{"no-flush":true},"discard":"unmap","driver":"raw","file":{"aio":"threads","discard":"unmap","driver":"host_device","filename":"/dev/kdev/disks","locking":"off","read-only":false},"node-name":"disk-test","offset":0,"read-only":false,"size":1048576}
-device virtio-blk-pci,drive=disk-test,serial=test"#,
        r#"-blockdev {"cache":{"no-flush":true},"discard":"unmap","driver":"raw","file":{"aio":"threads","discard":"unmap","driver":"host_device","filename":"/dev/kdev/disks","locking":"off","read-only":false},"node-name":"disk-log","offset":1048576,"read-only":false,"size":1048576}
-device virtio-blk-pci,drive=disk-log,serial=log"#,
    ] {
        assert!(lines.contains(expected), "{lines}");
    }
}

#[rstest]
#[case("1", "512")]
#[case("512", "513")]
fn a_slice_that_cuts_a_sector_is_refused(#[case] offset: Bytes, #[case] len: Bytes) {
    let mut spec = spec();
    spec.disks = vec![sample("test", "/x")];
    spec.disks[0].backing = Backing::Slice { offset, len };
    assert!(
        spec.arguments()
            .unwrap_err()
            .to_string()
            .contains("whole sectors")
    );
}

#[rstest]
#[case("pc", true)]
#[case("q35,kernel-irqchip=off", true)]
#[case("microvm", false)]
#[case("none", false)]
#[case("", false)]
#[case("q35,memory-backend=mine", false)]
fn a_board_without_pci_is_refused(#[case] machine: &str, #[case] accepted: bool) {
    assert_eq!(check_machine(machine).is_ok(), accepted);
}
