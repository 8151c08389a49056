use std::arch::asm;
use std::mem::size_of;
use std::process::Command;

use nix::libc;
use nix::sys::signal::{Signal, raise};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork};
use rstest::rstest;

use super::*;

#[rstest]
#[case::as_it_always_was(Linkage::Static, "6.1.176", 2440, true)]
#[case::exactly(Linkage::Static, "6.1.176", 2696, true)]
#[case::amx(Linkage::Static, "6.1.176", 11008, false)]
#[case::amx_and_the_library(Linkage::Dynamic, "6.1.176", 11008, true)]
#[case::amx_and_the_last_without(Linkage::Static, "6.12.9-um", 11008, false)]
#[case::amx_and_the_first_that_asks(Linkage::Static, "6.13.0-rc1", 11008, true)]
#[case::amx_and_a_late_one(Linkage::Static, "7.0.0", 11008, true)]
#[case::amx_and_a_release_of_one_number(Linkage::Static, "7", 11008, false)]
fn a_kernel_without_room_for_the_registers_is_refused(
    #[case] linkage: Linkage,
    #[case] release: &str,
    #[case] state: usize,
    #[case] expected: bool,
) {
    assert_eq!(has_room(linkage, release, state), expected);
}

#[test]
fn this_processor_has_as_much_state_as_its_kernel_gives() {
    let mut area = vec![0; 1 << 16];
    let size = of_a_stopped_child(|child| get(child, &mut area).unwrap());
    assert_eq!(size, state_size());
}

/// The state up to SSE: the legacy area and the header.
const UP_TO_SSE: usize = 512 + 64;
/// And up to AVX: the upper halves of the registers YMM.
const UP_TO_AVX: usize = UP_TO_SSE + 256;
/// Of XSTATE_BV.
const AVX: u64 = 1 << 2;
const HEADER: usize = 512;
const YMM0_UPPER: usize = 576;

/// Whether ptrace(2) takes a state that is cut off, and the process goes on with it.
///
/// # Panics
///
/// If it takes it, and the process goes on with another.
fn restores_what_is_cut_off(length: usize) -> bool {
    let mut area = vec![0; length];
    // What is cut off is as it was in the beginning: zeros.
    let upper: u8 = if length >= UP_TO_AVX { 0x33 } else { 0 };
    // SAFETY: the child does nothing but what is safe in a fork of a program with threads: it stops itself, looks at
    // a register, and ends.
    let child = match unsafe { fork() }.unwrap() {
        // SAFETY: as above; the registers that the system call changes are named.
        ForkResult::Child => unsafe {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            let (before, mut after) = ([0x11_u8; 32], [0_u8; 32]);
            // The call between the two is the system call itself: a function might use the register.
            asm!(
                "vmovdqu ymm0, [{before}]",
                "syscall",
                "vmovdqu [{after}], ymm0",
                before = in(reg) before.as_ptr(),
                after = in(reg) after.as_mut_ptr(),
                inlateout("rax") libc::SYS_kill => _,
                in("rdi") libc::getpid(),
                in("rsi") libc::SIGSTOP,
                out("rcx") _,
                out("r11") _,
                out("ymm0") _,
            );
            let restored = after[..16] == [0x22; 16] && after[16..] == [upper; 16];
            libc::_exit(if restored { 0 } else { 1 });
        },
        ForkResult::Parent { child } => child,
    };
    assert!(matches!(
        waitpid(child, None),
        Ok(WaitStatus::Stopped(_, Signal::SIGSTOP))
    ));
    assert_eq!(get(child, &mut area), Ok(length));
    let present = u64::from_le_bytes(area[HEADER..HEADER + 8].try_into().unwrap());
    assert_eq!(present & AVX, AVX, "the child has written to a register of AVX");
    // XMM0 is in the legacy area, behind 160 bytes.
    area[160..176].fill(0x22);
    if length >= UP_TO_AVX {
        assert_eq!(area[YMM0_UPPER..YMM0_UPPER + 16], [0x11; 16]);
        area[YMM0_UPPER..YMM0_UPPER + 16].fill(upper);
    }
    let taken = transfer(libc::PTRACE_SETREGSET, child, &mut area).is_ok();
    nix::sys::ptrace::cont(child, None).unwrap();
    let ended = waitpid(child, None).unwrap();
    if taken {
        assert_eq!(
            ended,
            WaitStatus::Exited(child, 0),
            "the registers were not restored"
        );
    }
    taken
}

/// Runs something on a child that is traced and stopped, and ends the child.
fn of_a_stopped_child<T>(on: impl FnOnce(Pid) -> T) -> T {
    // SAFETY: the child stops itself and ends, and calls nothing else.
    let child = match unsafe { fork() }.unwrap() {
        ForkResult::Child => {
            let _ = nix::sys::ptrace::traceme();
            let _ = raise(Signal::SIGSTOP);
            // SAFETY: always.
            unsafe { libc::_exit(0) }
        }
        ForkResult::Parent { child } => child,
    };
    assert!(matches!(
        waitpid(child, None),
        Ok(WaitStatus::Stopped(_, Signal::SIGSTOP))
    ));
    let result = on(child);
    nix::sys::ptrace::kill(child).unwrap();
    waitpid(child, None).unwrap();
    result
}

fn get(child: Pid, area: &mut [u8]) -> nix::Result<usize> {
    transfer(libc::PTRACE_GETREGSET, child, area)
}

/// Reads or writes the whole register state, by the C library's function, and returns how much of it.
fn transfer(request: libc::c_uint, child: Pid, area: &mut [u8]) -> nix::Result<usize> {
    const NT_X86_XSTATE: usize = 0x202;
    let mut area = libc::iovec {
        iov_base: area.as_mut_ptr().cast(),
        iov_len: area.len(),
    };
    assert_eq!(size_of::<usize>(), size_of::<*mut libc::c_void>());
    // SAFETY: the request takes an iovec, which describes the caller's slice.
    let result = unsafe { libc::ptrace(request, child.as_raw(), NT_X86_XSTATE, &raw mut area) };
    nix::errno::Errno::result(result).map(|_| area.iov_len)
}

const IN_A_PROGRAM_OF_ITS_OWN: &str = "FSTESTS_VM_XSTATE_EXPECTED";

/// The test below starts this one with and without the library; alone it has nothing to say.
#[test]
fn takes_a_state_that_is_cut_off_where_it_is_asked() {
    if let Ok(expected) = std::env::var(IN_A_PROGRAM_OF_ITS_OWN) {
        for length in [UP_TO_SSE, UP_TO_AVX] {
            // A state that is whole is taken with or without the library.
            let taken = expected == "true" || length >= state_size();
            assert_eq!(restores_what_is_cut_off(length), taken, "{length}");
        }
    }
}

/// On any processor with AVX, as AMX makes it with a kernel that ends behind AVX-512.
#[test]
fn a_program_whose_buffer_is_too_small_restores_registers_with_the_library_only() {
    assert!(
        std::is_x86_feature_detected!("avx"),
        "cannot be tested on a processor without AVX, whose state has nothing that could be cut off"
    );
    for with in [false, true] {
        let mut command = Command::new("/proc/self/exe");
        command
            .args([
                "--exact",
                "--nocapture",
                "machine::uml::xstate::tests::takes_a_state_that_is_cut_off_where_it_is_asked",
            ])
            .env(IN_A_PROGRAM_OF_ITS_OWN, with.to_string());
        if with {
            let library = library().unwrap().unwrap();
            let (name, value) = preload(&library);
            command.env(name, value);
            fds::inherit(&mut command, vec![library]);
        }
        let output = command.output().unwrap();
        assert!(
            output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed"),
            "{with}: {output:?}"
        );
    }
}
