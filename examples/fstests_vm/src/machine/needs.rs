//! What a kernel must be able to do for a guest of ours to run on it.

/// One thing that a kernel must, or should, be able to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// What it is, as in "kernel 6.1 has no ...".
    pub(crate) what: String,
    /// The parts of the kernel that it takes, each of them.
    pub(crate) parts: Vec<Part>,
    /// Whether the guest can do without.
    pub(crate) optional: bool,
}

/// One part of a kernel, by the names under which it may be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// Names or aliases of modules, any of which will do; empty for what cannot be a module.
    pub(crate) modules: Vec<String>,
    /// Configuration symbols without `CONFIG_`, any of which will do.
    pub(crate) symbols: Vec<String>,
}

impl Part {
    fn new(modules: &[&str], symbols: &[&str]) -> Self {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            modules: owned(modules),
            symbols: owned(symbols),
        }
    }
}

impl Need {
    fn new(what: &str, parts: Vec<Part>) -> Self {
        Self {
            what: what.to_owned(),
            parts,
            optional: false,
        }
    }

    fn one(what: &str, modules: &[&str], symbol: &str) -> Self {
        Self::new(what, vec![Part::new(modules, &[symbol])])
    }

    /// Shares of the host by virtio-fs.
    pub(crate) fn virtiofs() -> Self {
        Self::one("virtio-fs", &["virtiofs"], "VIRTIO_FS")
    }

    /// Shares of the host by 9p over virtio.
    pub(crate) fn nine_p() -> Self {
        Self::new(
            "9p over virtio",
            vec![
                Part::new(&["9p"], &["9P_FS"]),
                Part::new(&["9pnet_virtio"], &["NET_9P_VIRTIO"]),
            ],
        )
    }

    /// A filesystem on a block device, by the name that `mount -t` takes.
    pub(crate) fn filesystem(name: &str) -> Self {
        let alias = format!("fs-{name}");
        let own = format!("{}_FS", name.to_ascii_uppercase());
        let (modules, symbols) = match name {
            // ext4 mounts the older ones too, and has no symbol of its own for ext3.
            "ext2" => (vec![name, &alias], vec![own.as_str(), "EXT4_FS"]),
            "ext3" => (vec![name, &alias, "ext4"], vec!["EXT4_FS"]),
            _ => (vec![name, &alias], vec![own.as_str()]),
        };
        Self::new(name, vec![Part::new(&modules, &symbols)])
    }
}

/// What every guest needs: its files are an overlay, whose first ones are in an initramfs.
fn any() -> Vec<Need> {
    vec![
        Need::one("initramfs", &[], "BLK_DEV_INITRD"),
        Need::one("devtmpfs", &[], "DEVTMPFS"),
        Need::one("tmpfs", &[], "TMPFS"),
        Need::one("overlayfs", &["overlay"], "OVERLAY_FS"),
    ]
}

/// What a guest in QEMU needs, for tests of one filesystem; how files are shared comes on top.
pub(crate) fn of_qemu(filesystem: &str) -> Vec<Need> {
    let mut needs = vec![
        Need::one("virtio-pci", &["virtio_pci"], "VIRTIO_PCI"),
        Need::one("virtio-blk", &["virtio_blk"], "VIRTIO_BLK"),
        // A console that comes as a module comes too late to tell what went wrong before.
        Need::one("console on a serial line", &[], "SERIAL_8250_CONSOLE"),
        Need {
            optional: true,
            ..Need::one("virtio-rng", &["virtio_rng"], "HW_RANDOM_VIRTIO")
        },
    ];
    needs.extend(any());
    needs.push(Need::filesystem(filesystem));
    needs
}

/// What a guest in User-Mode Linux needs, for tests of one filesystem.
pub(crate) fn of_uml(filesystem: &str) -> Vec<Need> {
    let mut needs = vec![
        Need::one("hostfs", &["hostfs"], "HOSTFS"),
        Need::one("ubd disks", &[], "BLK_DEV_UBD"),
    ];
    needs.extend(any());
    needs.push(Need::filesystem(filesystem));
    needs
}
