use super::{Event, Scanner};
use crate::results::trouble::TroubleKind::{self, Assertion, Bug, Kasan, Oops, OutOfMemory, Panic, Warning};

/// As a 6.1 kernel writes to a serial console, with caller ids and CRLF.
const OOPS_AND_PANIC: &str = "\
[   10.000001][  T301] run fstests generic/001 at 2026-01-01 10:00:00\r
[   11.000001][  T400] BUG: kernel NULL pointer dereference, address: 0000000000000008\r
[   11.000002][  T400] #PF: supervisor read access in kernel mode\r
[   11.000003][  T400] #PF: error_code(0x0000) - not-present page\r
[   11.000004][  T400] PGD 0 P4D 0 \r
[   11.000005][  T400] Oops: 0000 [#1] PREEMPT SMP NOPTI\r
[   11.000006][  T400] CPU: 0 PID: 400 Comm: fsx Not tainted 6.1.0-56-amd64 #1\r
[   11.000007][  T400] RIP: 0010:ext4_getblk+0x3f/0x2a0 [ext4]\r
[   11.000008][  T400] Code: 48 89 e5 41 57\r
[   11.000009][  T400] Call Trace:\r
[   11.000010][  T400]  <TASK>\r
[   11.000011][  T400]  ext4_bread+0x10/0x90 [ext4]\r
[   11.000012][  T400]  </TASK>\r
[   11.000013][  T400] ---[ end trace 0000000000000000 ]---\r
[   11.000014][  T400] RIP: 0010:ext4_getblk+0x3f/0x2a0 [ext4]\r
[   11.000015][  T400] Kernel panic - not syncing: Fatal exception\r
[   11.000016][  T400] Kernel Offset: disabled\r
[   11.000017][  T400] ---[ end Kernel panic - not syncing: Fatal exception ]---\r
";

fn scan(text: &[u8]) -> Vec<Event> {
    let mut scanner = Scanner::default();
    let mut events = scanner.feed(text);
    events.extend(scanner.finish());
    events
}

fn troubles(text: &str) -> Vec<(TroubleKind, String)> {
    let of = |event| match event {
        Event::Trouble(trouble) => Some((trouble.kind, trouble.line)),
        Event::TestStarted(_) => None,
    };
    scan(text.as_bytes()).into_iter().filter_map(of).collect()
}

#[test]
fn an_oops_of_many_lines_is_one_trouble_and_the_panic_after_it_is_another() {
    assert_eq!(
        scan(OOPS_AND_PANIC.as_bytes())
            .into_iter()
            .map(|event| format!("{event:?}"))
            .collect::<Vec<_>>(),
        [
            "TestStarted(TestName(\"generic/001\"))",
            "Trouble(Trouble { kind: Oops, line: \"BUG: kernel NULL pointer dereference, address: \
             0000000000000008 in ext4_getblk+0x3f/0x2a0\", asked_for: false })",
            "Trouble(Trouble { kind: Panic, line: \"Kernel panic - not syncing: Fatal exception\", asked_for: false })",
        ]
    );
}

#[test]
fn pieces_of_any_size_say_the_same() {
    let whole = scan(OOPS_AND_PANIC.as_bytes());
    for size in 1..OOPS_AND_PANIC.len() {
        let mut scanner = Scanner::default();
        let mut events = Vec::new();
        for piece in OOPS_AND_PANIC.as_bytes().chunks(size) {
            events.extend(scanner.feed(piece));
        }
        events.extend(scanner.finish());
        assert_eq!(events, whole, "in pieces of {size} bytes");
    }
}

#[test]
fn a_console_that_ends_anywhere_is_read_to_its_end() {
    for end in 0..OOPS_AND_PANIC.len() {
        let seen = scan(&OOPS_AND_PANIC.as_bytes()[..end]);
        let oops = OOPS_AND_PANIC.find("dereference").unwrap() + "dereference".len();
        let has_oops = seen
            .iter()
            .any(|event| matches!(event, Event::Trouble(trouble) if trouble.kind == Oops));
        assert!(has_oops || end < oops, "{end}: {seen:?}");
    }
}

#[test]
fn a_bug_and_the_trap_by_which_it_is_told_are_one() {
    let text = "[  1.000000] ------------[ cut here ]------------\n\
                [  1.000000] kernel BUG at fs/ext4/inode.c:2721!\n\
                [  1.000000] invalid opcode: 0000 [#1] SMP\n\
                [  1.000000] RIP: 0010:ext4_writepages+0x1/0x2 [ext4]\n\
                [  1.000000] ---[ end trace 0000000000000000 ]---\n\
                [  1.000000] BUG: unable to handle page fault for address: ffffc90000a5d000\n";
    let expected = [
        (Bug, "kernel BUG at fs/ext4/inode.c:2721!".to_owned()),
        (
            Oops,
            "BUG: unable to handle page fault for address: ffffc90000a5d000".to_owned(),
        ),
    ];
    assert_eq!(troubles(text), expected);
}

#[test]
fn an_assertion_and_its_warning_are_one_and_a_second_warning_is_another() {
    let text = "XFS (vdb): Assertion failed: 0, file: fs/xfs/xfs_icache.c, line: 1\n\
                ------------[ cut here ]------------\n\
                WARNING: CPU: 0 PID: 9 at fs/xfs/xfs_message.c:104 assfail+0x3a/0x50 [xfs]\n\
                ---[ end trace 0000000000000000 ]---\n\
                WARNING: CPU: 0 PID: 9 at fs/iomap/direct-io.c:5 iomap_dio+0x1/0x2\n";
    let kinds: Vec<_> = troubles(text).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [Assertion, Warning]);
}

#[test]
fn a_kasan_report_is_told_at_once_and_an_oom_kill_once() {
    let mut scanner = Scanner::default();
    let line = "BUG: KASAN: slab-use-after-free in xfs_iunlink+0x12/0x34 [xfs]\n";
    assert!(matches!(&scanner.feed(line.as_bytes())[..], [Event::Trouble(trouble)] if trouble.kind == Kasan));
    let text = "fsx invoked oom-killer: gfp_mask=0x1(A), order=0\nMem-Info:\noom-kill:constraint=CONSTRAINT_NONE\n\
                Out of memory: Killed process 991 (fsx)\n";
    assert_eq!(
        troubles(text),
        [(
            OutOfMemory,
            "fsx invoked oom-killer: gfp_mask=0x1(A), order=0".to_owned()
        )]
    );
}

#[test]
fn the_panic_of_user_mode_linux_needs_no_stamps() {
    let text = "\0Kernel panic - not syncing: Segfault with no mm\nCPU: 0 PID: 1 Comm: init Not tainted 6.1.176 #1\n";
    assert_eq!(
        troubles(text),
        [(
            Panic,
            "Kernel panic - not syncing: Segfault with no mm".to_owned()
        )]
    );
}

#[test]
fn bytes_that_are_no_text_and_endless_lines_do_no_harm() {
    let mut bytes = vec![0xff; 100_000];
    bytes.extend_from_slice(b"\n[  1.000000] \xff\xfe\n[  2.000000] run fstests xfs/008 at 2026\n");
    bytes.extend_from_slice(b"run fstests ../../etc at 2026\nrun fstests generic/1 at x\n");
    bytes.extend_from_slice(b"[  2.000000] Kernel panic - not syncing: ");
    bytes.extend(vec![b'x'; 100_000]);
    let events = scan(&bytes);
    assert_eq!(events.len(), 2);
    assert_eq!(events[0], Event::TestStarted("xfs/008".parse().unwrap()));
    assert!(matches!(&events[1], Event::Trouble(trouble) if trouble.line.len() == super::LONGEST_REPORT));
}

#[test]
fn a_report_that_is_cut_off_is_told_before_the_next_test() {
    let text = "Oops: 0000 [#1] SMP\nrun fstests generic/002 at 2026-01-01\n";
    let events = scan(text.as_bytes());
    assert!(
        matches!(&events[0], Event::Trouble(trouble) if trouble.kind == Oops),
        "{events:?}"
    );
    assert!(matches!(&events[1], Event::TestStarted(_)));
}

// A Debian 6.1 kernel in QEMU: the console of an OOM kill and of a panic by sysrq, with marks as `check` writes them,
// while a program writes to the console too. And User-Mode Linux 6.1 without a root.
const QEMU: &[u8] = include_bytes!("samples/qemu.console");
const UML: &[u8] = include_bytes!("samples/uml.console");

fn short(events: &[Event]) -> Vec<String> {
    let of = |event: &Event| match event {
        Event::TestStarted(name) => name.to_string(),
        Event::Trouble(trouble) => format!(
            "{}: {}",
            trouble.kind,
            trouble.line.chars().take(70).collect::<String>()
        ),
    };
    events.iter().map(of).collect()
}

#[test]
fn a_real_console_of_qemu_is_read() {
    let expected = [
        "generic/001",
        "out of memory: tail invoked oom-killer: gfp_mask=0x140dca(GFP_HIGHUSER_MOVABLE|__GFP_",
        "generic/002",
        "panic: Kernel panic - not syncing: sysrq triggered crash",
    ];
    assert_eq!(short(&scan(QEMU)), expected);
    for end in 0..QEMU.len() {
        let events = scan(&QEMU[..end]);
        assert!(events.len() <= expected.len(), "cut off at {end}");
    }
}

#[test]
fn a_real_console_of_user_mode_linux_is_read() {
    let expected = ["panic: Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-bl"];
    assert_eq!(short(&scan(UML)), expected);
}

#[test]
fn an_oops_long_after_a_bug_is_its_own() {
    let bug = "BUG: sleeping function called from invalid context at kernel/locking/mutex.c:580\n";
    let text = format!("{bug}{}Oops: 0000 [#1] SMP\n", "Call Trace:\n".repeat(30));
    let kinds: Vec<_> = troubles(&text).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, [Bug, Oops]);
}
