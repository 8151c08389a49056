//! The forms of the kernel's reports.

use super::trouble::TroubleKind;

/// Returns the kind of the report that starts with this message; `None` for any other line.
///
/// The message is the line without its time and level. All forms are at its start, as the kernel (5.x to
/// 6.x, `arch/*/kernel/traps.c`, `lib/`, `kernel/locking/lockdep.c`, `kernel/watchdog.c`, ...) prints them.
pub(crate) fn kind_of(message: &str) -> Option<TroubleKind> {
    if NEVER.iter().any(|text| message.starts_with(text)) {
        return None;
    }
    let fixed = STARTS
        .iter()
        .find(|(start, _)| message.starts_with(start))
        .map(|(_, kind)| *kind);
    fixed.or_else(|| with_a_variable_start(message))
}

/// Limits of lockdep itself, not of the kernel under test (`_check_dmesg_filter` of fstests leaves them out too).
const NEVER: [&str; 2] = ["BUG: MAX_LOCKDEP_", "BUG: MAX_STACK_TRACE_ENTRIES too low"];

/// Fixed starts of messages; the first that fits counts.
const STARTS: &[(&str, TroubleKind)] = {
    use TroubleKind as Kind;
    &[
        ("Kernel panic - not syncing", Kind::Panic),
        ("PANIC: double fault", Kind::Oops),
        ("traps: PANIC: double fault", Kind::Oops),
        ("BUG: KASAN:", Kind::Kasan),
        ("BUG: KFENCE:", Kind::Kfence),
        ("BUG: KCSAN:", Kind::Kcsan),
        ("BUG: KMSAN:", Kind::Kmsan),
        ("UBSAN:", Kind::Ubsan),
        ("BUG: unable to handle", Kind::Oops),
        ("BUG: kernel NULL pointer dereference", Kind::Oops),
        ("BUG: Kernel NULL pointer dereference", Kind::Oops),
        ("BUG: stack guard page was hit", Kind::Oops),
        ("BUG: TASK stack guard page was hit", Kind::Oops),
        ("Unable to handle kernel", Kind::Oops),
        ("general protection fault", Kind::Oops),
        ("Internal error: ", Kind::Oops),
        ("Oops: ", Kind::Oops),
        ("Oops [#", Kind::Oops),
        ("Kernel mode fault at addr 0x", Kind::Oops),
        ("BUG: soft lockup", Kind::SoftLockup),
        ("watchdog: BUG: soft lockup", Kind::SoftLockup),
        ("NMI watchdog: BUG: soft lockup", Kind::SoftLockup),
        ("BUG: workqueue lockup", Kind::SoftLockup),
        ("NMI watchdog: Watchdog detected hard LOCKUP", Kind::HardLockup),
        ("Watchdog detected hard LOCKUP", Kind::HardLockup),
        ("BUG: ", Kind::Bug),
        ("kernel BUG at ", Kind::Bug),
        ("VFS: Busy inodes after unmount of", Kind::Bug),
        ("WARNING: possible circular locking", Kind::Lockdep),
        ("WARNING: possible recursive locking", Kind::Lockdep),
        ("WARNING: possible irq lock inversion", Kind::Lockdep),
        ("WARNING: inconsistent lock state", Kind::Lockdep),
        ("WARNING: inconsistent {", Kind::Lockdep),
        ("WARNING: suspicious RCU usage", Kind::Lockdep),
        ("WARNING: lock held when returning", Kind::Lockdep),
        ("WARNING: bad unlock balance", Kind::Lockdep),
        ("WARNING: held lock freed", Kind::Lockdep),
        ("WARNING: Nested lock was not taken", Kind::Lockdep),
        ("WARNING: bad contention detected", Kind::Lockdep),
        ("WARNING: HARDIRQ-", Kind::Lockdep),
        ("WARNING: SOFTIRQ-", Kind::Lockdep),
        ("INFO: possible circular locking", Kind::Lockdep),
        ("INFO: possible recursive locking", Kind::Lockdep),
        ("INFO: suspicious RCU usage", Kind::Lockdep),
        ("INFO: trying to register non-static key", Kind::Lockdep),
        ("WARNING: ", Kind::Warning),
        ("XFS: Assertion failed: ", Kind::Assertion),
        ("assertion failed: ", Kind::Assertion),
        ("Out of memory: Kill", Kind::OutOfMemory),
        ("Memory cgroup out of memory: Kill", Kind::OutOfMemory),
        ("oom-kill:", Kind::OutOfMemory),
    ]
};

/// Reports that have a name or a number before what tells them.
fn with_a_variable_start(message: &str) -> Option<TroubleKind> {
    // `divide error: 0000 [#1]`, `invalid opcode: 0000 [#1]`, `illegal operation: 0001 ilc:1 [#1]`: `die()`
    // prints the text of the trap, a code and how many of them there have been.
    let numbered = [
        "divide error: ",
        "invalid opcode: ",
        "stack segment: ",
        "int3: ",
        "alignment check: ",
    ];
    let trapped = numbered.iter().any(|start| message.starts_with(start)) && message.contains("[#");
    if trapped || (message.starts_with("illegal operation: ") && message.contains(" ilc:")) {
        return Some(TroubleKind::Oops);
    }
    // `BUG kmalloc-64 (Not tainted): Redzone overwritten`, of SLUB.
    if let Some(rest) = message.strip_prefix("BUG ") {
        let name_and_taint = rest.split_once("): ").map(|(head, _)| head);
        return name_and_taint
            .filter(|head| head.contains(" (Not tainted") || head.contains(" (Tainted: "))
            .map(|_| TroubleKind::Bug);
    }
    // `XFS (vdb): Assertion failed: `, `BTRFS: assertion failed: `, `assertion failed: `.
    let said = message.split_once(": ").map_or("", |(_, said)| said);
    if (message.starts_with("XFS (") && said.starts_with("Assertion failed"))
        || (message.starts_with("BTRFS") && said.starts_with("assertion failed"))
    {
        return Some(TroubleKind::Assertion);
    }
    if message.starts_with("INFO: task ")
        && message.contains(" blocked ")
        && message.contains(" for more than ")
    {
        return Some(TroubleKind::HungTask);
    }
    if message.starts_with("watchdog: CPU") && message.contains(": Watchdog detected hard LOCKUP") {
        return Some(TroubleKind::HardLockup);
    }
    let rcu = message.strip_prefix("rcu: ").unwrap_or(message);
    if rcu.starts_with("INFO: rcu") && rcu.contains(" stall") {
        return Some(TroubleKind::RcuStall);
    }
    if message.starts_with("kmemleak: ") && message.contains(" new suspected memory leaks") {
        return Some(TroubleKind::MemoryLeak);
    }
    // `fsx invoked oom-killer: gfp_mask=...`: the name of the task is at most 15 characters.
    if message.find(" invoked oom-killer: ").is_some_and(|at| at <= 15) {
        return Some(TroubleKind::OutOfMemory);
    }
    of_a_device(message)
}

/// Forms of a failed request; the device's name follows.
const REQUESTS: [&str; 7] = [
    "I/O error, dev ",
    "critical medium error, dev ",
    "critical target error, dev ",
    "critical space allocation error, dev ",
    "timeout error, dev ",
    "Buffer I/O error on dev ",
    "Buffer I/O error on device ",
];

fn of_a_device(message: &str) -> Option<TroubleKind> {
    // Until 5.15 the function says its name first, before that another one did.
    let named = ["blk_update_request: ", "print_req_error: ", "end_request: "];
    let message = named
        .iter()
        .find_map(|name| message.strip_prefix(name))
        .unwrap_or(message);
    let device = REQUESTS.iter().find_map(|form| message.strip_prefix(form))?;
    let own = ["vd", "ubd", "xvd", "nvme"]
        .iter()
        .any(|start| device.starts_with(start));
    Some(if own {
        TroubleKind::DiskError
    } else {
        TroubleKind::IoError
    })
}

#[cfg(test)]
#[path = "forms_tests.rs"]
mod tests;
