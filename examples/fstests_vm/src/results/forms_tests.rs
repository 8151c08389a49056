use rstest::rstest;

use super::kind_of;
use crate::results::trouble::TroubleKind::{
    self, Assertion, Bug, DiskError, HardLockup, HungTask, IoError, Kasan, Kcsan, Kfence, Kmsan, Lockdep,
    MemoryLeak, Oops, OutOfMemory, Panic, RcuStall, SoftLockup, Ubsan, Warning,
};

#[rstest]
#[case(Panic, "Kernel panic - not syncing: sysrq triggered crash")]
#[case(
    Panic,
    "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)"
)]
#[case(Panic, "Kernel panic - not syncing: Segfault with no mm")]
#[case(
    Panic,
    "Kernel panic - not syncing: Kernel mode fault at addr 0x0, ip 0x6004d0a1"
)]
#[case(
    Panic,
    "Kernel panic - not syncing: Attempted to kill init! exitcode=0x0000000b"
)]
#[case(Oops, "BUG: kernel NULL pointer dereference, address: 0000000000000008")]
#[case(Oops, "BUG: unable to handle page fault for address: ffffc90000a5d000")]
#[case(
    Oops,
    "BUG: unable to handle kernel NULL pointer dereference at 0000000000000010"
)]
#[case(Oops, "BUG: Kernel NULL pointer dereference on read at 0x00000000")]
#[case(
    Oops,
    "Unable to handle kernel paging request at virtual address dead000000000108"
)]
#[case(Oops, "Internal error: Oops: 0000000096000004 [#1] PREEMPT SMP")]
#[case(Oops, "Oops: 0000 [#1] PREEMPT SMP NOPTI")]
#[case(
    Oops,
    "Oops: general protection fault, probably for non-canonical address 0x6b6b6b6b6b6b6b6b: 0000 [#1] SMP"
)]
#[case(Oops, "general protection fault: 0000 [#1] SMP PTI")]
#[case(Oops, "divide error: 0000 [#1] PREEMPT SMP KASAN")]
#[case(Oops, "invalid opcode: 0000 [#1] SMP")]
#[case(Oops, "traps: PANIC: double fault, error_code: 0x0")]
#[case(Bug, "kernel BUG at fs/ext4/inode.c:2721!")]
#[case(
    Bug,
    "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:580"
)]
#[case(Bug, "BUG: scheduling while atomic: fsstress/1234/0x00000002")]
#[case(Bug, "BUG: Bad page state in process fsx  pfn:12345")]
#[case(
    Bug,
    "BUG: Dentry 00000000d8e4a2b1{i=2,n=x}  still in use (1) [unmount of xfs vdb]"
)]
#[case(
    Bug,
    "BUG xfs_inode (Tainted: G        W  ): Objects remaining in xfs_inode on __kmem_cache_shutdown()"
)]
#[case(Bug, "BUG kmalloc-64 (Not tainted): Redzone overwritten")]
#[case(
    Bug,
    "VFS: Busy inodes after unmount of vdb. Self-destruct in 5 seconds.  Have a nice day..."
)]
#[case(
    Assertion,
    "XFS: Assertion failed: ip->i_nblocks == 0, file: fs/xfs/xfs_inode.c, line: 1821"
)]
#[case(
    Assertion,
    "XFS (vdb): Assertion failed: 0, file: fs/xfs/xfs_icache.c, line: 1"
)]
#[case(Assertion, "assertion failed: !ret, in fs/btrfs/relocation.c:1")]
#[case(Assertion, "BTRFS: assertion failed: 0, file: fs/btrfs/ctree.c, line: 1")]
#[case(
    Warning,
    "WARNING: CPU: 1 PID: 4242 at fs/iomap/buffered-io.c:1071 iomap_write_end+0x1a1/0x1d0 [xfs]"
)]
#[case(
    Warning,
    "WARNING: fs/xfs/xfs_message.c:104 at assfail+0x3a/0x50, CPU#0: fsx/99"
)]
#[case(Kasan, "BUG: KASAN: slab-use-after-free in xfs_iunlink+0x12/0x34 [xfs]")]
#[case(
    Kfence,
    "BUG: KFENCE: use-after-free read in test_use_after_free_read+0xb3/0x143"
)]
#[case(Kcsan, "BUG: KCSAN: data-race in generic_fillattr / inode_set_ctime")]
#[case(Kmsan, "BUG: KMSAN: uninit-value in ext4_search_dir+0x10/0x20")]
#[case(Ubsan, "UBSAN: array-index-out-of-bounds in fs/jfs/jfs_dmap.c:2891:14")]
#[case(Lockdep, "WARNING: possible circular locking dependency detected")]
#[case(Lockdep, "WARNING: possible recursive locking detected")]
#[case(Lockdep, "WARNING: inconsistent lock state")]
#[case(Lockdep, "WARNING: suspicious RCU usage")]
#[case(Lockdep, "INFO: possible circular locking dependency detected")]
#[case(HungTask, "INFO: task kworker/u4:2:53 blocked for more than 120 seconds.")]
#[case(
    HungTask,
    "INFO: task fsstress:812 blocked in I/O wait for more than 120 seconds."
)]
#[case(
    SoftLockup,
    "watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [fsstress:1234]"
)]
#[case(
    SoftLockup,
    "BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 35s!"
)]
#[case(HardLockup, "NMI watchdog: Watchdog detected hard LOCKUP on cpu 1")]
#[case(HardLockup, "watchdog: CPU0: Watchdog detected hard LOCKUP on cpu 0")]
#[case(RcuStall, "rcu: INFO: rcu_preempt self-detected stall on CPU")]
#[case(RcuStall, "rcu: INFO: rcu_sched detected stalls on CPUs/tasks:")]
#[case(RcuStall, "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: {")]
#[case(
    OutOfMemory,
    "fsx invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0"
)]
#[case(OutOfMemory, "Out of memory: Killed process 991 (fsstress) total-vm:10kB")]
#[case(
    MemoryLeak,
    "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)"
)]
#[case(
    IoError,
    "I/O error, dev loop0, sector 0 op 0x0:(READ) flags 0x80700 phys_seg 1 prio class 2"
)]
#[case(
    IoError,
    "blk_update_request: I/O error, dev dm-1, sector 8 op 0x1:(WRITE) flags 0x800"
)]
#[case(
    IoError,
    "Buffer I/O error on dev dm-0, logical block 1310704, async page read"
)]
#[case(IoError, "critical medium error, dev sda, sector 4656 op 0x0:(READ)")]
#[case(
    DiskError,
    "I/O error, dev vdb, sector 2048 op 0x1:(WRITE) flags 0x800 phys_seg 4 prio class 2"
)]
#[case(
    DiskError,
    "Buffer I/O error on dev ubdb, logical block 7, lost async page write"
)]
#[case(
    DiskError,
    "critical space allocation error, dev vda, sector 1 op 0x1:(WRITE)"
)]
fn the_kernels_forms_are_known(#[case] kind: TroubleKind, #[case] message: &str) {
    assert_eq!(kind_of(message), Some(kind));
}

#[rstest]
#[case("")]
#[case("DEBUG_BUGVERBOSE=y")]
#[case("Command line: console=ttyS0 oops=panic panic=-1 errors=BUG: yes")]
#[case("bugs: none")]
#[case("Spectre V2 : WARNING: Unprivileged eBPF is enabled")]
#[case("run fstests generic/310 at 2026-01-01 10:00:00")]
#[case("EXT4-fs (vda): mounted filesystem with ordered data mode. Opts: errors=panic. Quota mode: none.")]
#[case("EXT4-fs warning (device vdb): dx_probe:823: WARNING: inode #2")]
#[case(
    "XFS (vdb): WARNING: Reset corrupted AGFL on AG 0. 4 blocks leaked. Please unmount and run xfs_repair."
)]
#[case("XFS (vdb): Internal error ltbno + ltlen > bno at line 1957 of file fs/xfs/libxfs/xfs_alloc.c.")]
#[case("BUG: MAX_LOCKDEP_CHAIN_HLOCKS too low!")]
#[case("BUG: MAX_STACK_TRACE_ENTRIES too low!")]
#[case("BUG bounty (of 3): none")]
#[case("---[ end Kernel panic - not syncing: sysrq triggered crash ]---")]
#[case("INFO: lockdep is turned off.")]
#[case("INFO: task blocked twice")]
#[case("rcu: Hierarchical RCU implementation.")]
#[case("rcu: INFO: rcu_preempt is fine")]
#[case("kmemleak: Kernel memory leak detector initialized (mem pool available: 15679)")]
#[case("systemd[1]: Starting something that says a user invoked oom-killer: no")]
#[case("operation not supported error, dev vda, sector 0 op 0x9:(WRITE_ZEROES)")]
#[case("attempt to access beyond end of device")]
#[case("watchdog: Delayed init of the lockup detector failed: -19")]
fn ordinary_lines_are_no_trouble(#[case] message: &str) {
    assert_eq!(kind_of(message), None);
}
