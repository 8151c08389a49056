use rstest::rstest;
use tempfile::TempDir;

use super::super::config::Config;
use super::super::kernel::Flavour;
use super::super::needs;
use super::super::tree::sample;
use super::*;

// Shortened from Debian's linux-image-6.1.0-56-amd64.
const DEP: &str = "\
kernel/drivers/virtio/virtio.ko:
kernel/drivers/virtio/virtio_ring.ko:
kernel/drivers/virtio/virtio_pci_modern_dev.ko:
kernel/drivers/virtio/virtio_pci_legacy_dev.ko:
kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio_pci_legacy_dev.ko kernel/drivers/virtio/virtio_pci_modern_dev.ko kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/block/virtio_blk.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/fs/overlayfs/overlay.ko:
kernel/crypto/crc32c_generic.ko:
kernel/lib/libcrc32c.ko:
kernel/fs/xfs/xfs.ko: kernel/lib/libcrc32c.ko
kernel/fs/fuse/fuse.ko:
kernel/fs/fuse/virtiofs.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko kernel/fs/fuse/fuse.ko
";
const ALIAS: &str = "alias crypto-crc32c crc32c_generic\n";
const SOFT: &str = "softdep libcrc32c pre: crypto-crc32c\nsoftdep xfs pre: crypto-crc32c nowhere\n";
const BUILTIN: &str = "kernel/drivers/tty/serial/8250/8250.ko\nkernel/fs/ext4/ext4.ko\n";

fn debian() -> TempDir {
    sample(&[
        ("modules.dep", DEP),
        ("modules.alias", ALIAS),
        ("modules.softdep", SOFT),
        ("modules.builtin", BUILTIN),
    ])
}

fn kernel(modules: Option<&TempDir>, config: Option<&str>) -> Kernel {
    Kernel {
        image: "/boot/vmlinuz-6.1.0".into(),
        flavour: Flavour::Bzimage,
        release: "6.1.0".into(),
        config: config.map(|text| Config::parse(text).unwrap()),
        modules: modules.map(|directory| directory.path().to_owned()),
        build: None,
    }
}

const DEBIANS: &str = "CONFIG_SERIAL_8250_CONSOLE=y\nCONFIG_BLK_DEV_INITRD=y\nCONFIG_DEVTMPFS=y\nCONFIG_TMPFS=y\nCONFIG_XFS_FS=m\nCONFIG_EXT4_FS=y\nCONFIG_BTRFS_FS=m\n";

const ALL_BUILT_IN: &str = "CONFIG_SERIAL_8250_CONSOLE=y\nCONFIG_BLK_DEV_INITRD=y\nCONFIG_DEVTMPFS=y\nCONFIG_TMPFS=y\nCONFIG_XFS_FS=y\nCONFIG_VIRTIO_PCI=y\nCONFIG_VIRTIO_BLK=y\nCONFIG_OVERLAY_FS=y\nCONFIG_VIRTIO_FS=y\n";

fn names(closure: &Closure) -> Vec<&str> {
    closure
        .modules
        .iter()
        .map(|module| module.name.as_str())
        .collect()
}

#[test]
fn modules_come_behind_what_they_need_and_once() {
    let directory = debian();
    let kernel = kernel(Some(&directory), Some(DEBIANS));
    let features = Features::of(&kernel).unwrap();
    let mut wanted = needs::of_qemu("xfs");
    wanted.push(Need::virtiofs());
    let closure = features.closure(&wanted).unwrap();
    assert_eq!(
        names(&closure),
        [
            "virtio_pci_legacy_dev",
            "virtio_pci_modern_dev",
            "virtio",
            "virtio_ring",
            "virtio_pci",
            "virtio_blk",
            "overlay",
            "crc32c_generic",
            "libcrc32c",
            "xfs",
            "fuse",
            "virtiofs",
        ]
    );
    let optional: Vec<&str> = closure
        .modules
        .iter()
        .filter(|module| !module.required)
        .map(|module| module.name.as_str())
        .collect();
    assert_eq!(optional, ["crc32c_generic"]);
    assert!(closure.unchecked.is_empty());
}

#[test]
fn what_was_wished_for_and_is_needed_later_is_required() {
    let directory = sample(&[
        ("modules.dep", "a.ko:\nb.ko: c.ko\nc.ko:\nd.ko: b.ko\n"),
        ("modules.softdep", "softdep a pre: b\n"),
    ]);
    let tree = Tree::read(directory.path()).unwrap().unwrap();
    let mut order = Order::default();
    order.add(&tree, "a", true);
    assert_eq!(
        order.modules.iter().map(|m| m.required).collect::<Vec<_>>(),
        [false, false, true]
    );
    order.add(&tree, "d", true);
    assert_eq!(
        order
            .modules
            .iter()
            .map(|m| (m.name.as_str(), m.required))
            .collect::<Vec<_>>(),
        [("c", true), ("b", true), ("a", true), ("d", true)]
    );
}

#[test]
fn modules_that_wish_for_each_other_end() {
    let directory = sample(&[
        ("modules.dep", "a.ko:\nb.ko:\n"),
        ("modules.softdep", "softdep a pre: b\nsoftdep b pre: a\n"),
    ]);
    let tree = Tree::read(directory.path()).unwrap().unwrap();
    let mut order = Order::default();
    order.add(&tree, "a", true);
    assert_eq!(order.modules.len(), 2);
}

#[rstest]
#[case::a_module(true, Some(DEBIANS), Need::filesystem("xfs"), Presence::Module)]
#[case::built_in(true, Some(DEBIANS), Need::filesystem("ext4"), Presence::Builtin)]
#[case::built_in_by_the_modules(true, None, Need::filesystem("ext4"), Presence::Builtin)]
#[case::older_than_its_driver(true, Some(DEBIANS), Need::filesystem("ext3"), Presence::Builtin)]
#[case::not_packaged(true, Some(DEBIANS), Need::filesystem("btrfs"), Presence::Missing)]
#[case::not_built(true, Some(DEBIANS), Need::filesystem("f2fs"), Presence::Absent)]
#[case::not_built_by_the_modules(true, None, Need::filesystem("f2fs"), Presence::Absent)]
#[case::half(true, Some("CONFIG_NET_9P_VIRTIO=y\n"), Need::nine_p(), Presence::Absent)]
#[case::by_config_alone(false, Some(ALL_BUILT_IN), Need::virtiofs(), Presence::Builtin)]
#[case::elsewhere(false, Some(DEBIANS), Need::filesystem("xfs"), Presence::Elsewhere)]
#[case::nothing_tells(false, None, Need::filesystem("xfs"), Presence::Unknown)]
fn what_a_kernel_has_is_told_from_its_modules_and_configuration(
    #[case] modules: bool,
    #[case] config: Option<&str>,
    #[case] need: Need,
    #[case] expected: Presence,
) {
    let directory = debian();
    let kernel = kernel(modules.then_some(&directory), config);
    assert_eq!(Features::of(&kernel).unwrap().has(&need), expected);
}

#[rstest]
#[case::lacking(
    true,
    Some(DEBIANS),
    "f2fs",
    "kernel 6.1.0 has no f2fs (build it with CONFIG_F2FS_FS=y)"
)]
#[case::not_packaged(true, Some(DEBIANS), "btrfs", "install the rest")]
#[case::elsewhere(false, Some(ALL_BUILT_IN), "ext4", "CONFIG_EXT4_FS=y")]
#[case::no_virtio_blk(false, Some(DEBIANS), "ext4", "CONFIG_VIRTIO_BLK=y")]
fn what_a_kernel_cannot_do_is_refused_with_a_remedy(
    #[case] modules: bool,
    #[case] config: Option<&str>,
    #[case] filesystem: &str,
    #[case] expected: &str,
) {
    let directory = debian();
    let kernel = kernel(modules.then_some(&directory), config);
    let features = Features::of(&kernel).unwrap();
    let error = features.closure(&needs::of_qemu(filesystem)).unwrap_err();
    assert!(error.is_usage());
    assert!(error.to_string().contains(expected), "{error}");
}

#[test]
fn a_kernel_with_all_built_in_needs_no_modules() {
    let kernel = kernel(None, Some(ALL_BUILT_IN));
    let closure = Features::of(&kernel)
        .unwrap()
        .closure(&needs::of_qemu("xfs"))
        .unwrap();
    assert!(closure.modules.is_empty() && closure.unchecked.is_empty());
}

#[test]
fn modules_of_a_build_are_asked_for_by_the_command_that_installs_them() {
    let modular = ALL_BUILT_IN.replace("XFS_FS=y", "XFS_FS=m");
    let mut kernel = kernel(None, Some(&modular));
    kernel.build = Some("/src/linux".into());
    let error = Features::of(&kernel)
        .unwrap()
        .closure(&needs::of_qemu("xfs"))
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("make modules_install INSTALL_MOD_PATH=DIR")
            && text.contains("--modules DIR/lib/modules/6.1.0"),
        "{text}"
    );
}

#[test]
fn a_kernel_of_which_nothing_tells_is_accepted_and_said() {
    let kernel = kernel(None, None);
    let closure = Features::of(&kernel)
        .unwrap()
        .closure(&needs::of_qemu("xfs"))
        .unwrap();
    assert!(closure.modules.is_empty());
    assert!(closure.unchecked.contains(&"virtio-blk".to_owned()));
    assert!(!closure.unchecked.contains(&"virtio-rng".to_owned()));
}

#[rstest]
#[case(None)]
#[case(Some(
    "CONFIG_EXT4_FS=m\nCONFIG_VIRTIO_PCI=y\nCONFIG_VIRTIO_BLK=y\nCONFIG_OVERLAY_FS=y\nCONFIG_SERIAL_8250_CONSOLE=y\nCONFIG_BLK_DEV_INITRD=y\nCONFIG_DEVTMPFS=y\nCONFIG_TMPFS=y\n"
))]
fn modules_without_depmods_files_are_refused_with_the_command(#[case] config: Option<&str>) {
    let root = tempfile::tempdir().unwrap();
    let mut kernel = kernel(None, config);
    let directory = root.path().join("lib/modules/6.1.0");
    std::fs::create_dir_all(&directory).unwrap();
    kernel.modules = Some(directory);
    let error = Features::of(&kernel)
        .and_then(|features| features.closure(&needs::of_qemu("ext4")))
        .unwrap_err();
    let expected = format!("(depmod -b {} 6.1.0)", root.path().display());
    assert!(error.to_string().ends_with(&expected), "{error}");
}

#[rstest]
#[case("ko", None)]
#[case("ko.xz", Some("xz"))]
#[case("ko.zst", Some("zstd"))]
#[case("ko.gz", Some("gzip"))]
fn a_module_is_read_decompressed(#[case] extension: &str, #[case] program: Option<&str>) {
    let directory = tempfile::tempdir().unwrap();
    let plain = directory.path().join("x.ko");
    std::fs::write(&plain, b"\x7fELF module").unwrap();
    let file = directory.path().join(format!("x.{extension}"));
    if let Some(program) = program {
        let program = host::which(program).unwrap();
        std::fs::write(
            &file,
            host::ask(&program, &["-c".as_ref(), plain.as_os_str()]).unwrap(),
        )
        .unwrap();
    }
    let module = Module {
        name: "x".into(),
        file,
        required: true,
    };
    assert_eq!(module.read().unwrap(), b"\x7fELF module");
}

#[test]
fn debians_user_mode_linux_has_what_a_guest_needs() {
    let kernel = Kernel::find(Path::new("/usr/bin/linux.uml"), None).unwrap();
    let closure = Features::of(&kernel)
        .unwrap()
        .closure(&needs::of_uml("ext4"))
        .unwrap();
    assert_eq!(names(&closure), ["overlay"]);
    assert!(closure.unchecked.is_empty());
    assert!(closure.modules[0].read().unwrap().starts_with(b"\x7fELF"));
}
