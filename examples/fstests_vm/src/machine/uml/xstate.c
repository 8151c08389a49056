// Preloaded into a User-Mode Linux kernel, so that it runs on processors with more state than it knows.
//
// User-Mode Linux saves and restores the registers of the guest's processes by ptrace(2), with the register set
// NT_X86_XSTATE. Up to Linux 6.12 its buffer has 2696 bytes, the state up to AVX-512 and protection keys. The host's
// kernel takes nothing less than the whole state in PTRACE_SETREGSET, and answers EFAULT otherwise: with AMX that is
// about 11 KiB, and the guest's first process ends with "ptrace set fp regs failed, errno = 14".
//
// This library puts the missing part there and takes it away again. Where the buffer is large enough it changes
// nothing. The sizes and places of the components are the processor's own words (CPUID, leaf 13; Intel's manual,
// volume 1, chapter 13).
#define _GNU_SOURCE
#include <cpuid.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    LEGACY = 512,   // FXSAVE's area; the header follows
    HEADER = 64,    // it begins with XSTATE_BV, which tells the components that are not in their initial state
    MAX_AREA = 65536,
};

// Not on the stack: those of User-Mode Linux's own kernel are small.
static union {
    uint64_t first;
    char bytes[MAX_AREA];
} area;

static long kernel(long request, long pid, void *addr, void *data) {
    return syscall(SYS_ptrace, request, pid, addr, data);
}

// The components that lie within the first `length` bytes, as bits of XSTATE_BV.
static uint64_t fitting(size_t length) {
    uint64_t components = 3; // x87 and SSE: the legacy area
    for (unsigned component = 2; component < 63; component++) {
        unsigned size = 0, offset = 0, c, d;
        if (__get_cpuid_count(13, component, &size, &offset, &c, &d) && size && (size_t)offset + size <= length)
            components |= UINT64_C(1) << component;
    }
    return components;
}

static long get(long pid, struct iovec *wanted) {
    struct iovec whole = {area.bytes, sizeof area};
    long result = kernel(PTRACE_GETREGSET, pid, (void *)NT_X86_XSTATE, &whole);
    if (result < 0)
        return result;
    if (wanted->iov_len > whole.iov_len)
        wanted->iov_len = whole.iov_len;
    memcpy(wanted->iov_base, area.bytes, wanted->iov_len);
    return result;
}

static long set(long pid, struct iovec *given) {
    struct iovec whole = {area.bytes, sizeof area};
    // How much the kernel wants is as much as it gives.
    if (given->iov_len < LEGACY + HEADER || kernel(PTRACE_GETREGSET, pid, (void *)NT_X86_XSTATE, &whole) < 0 ||
        whole.iov_len <= given->iov_len)
        return kernel(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, given);
    static size_t known;
    static uint64_t components;
    if (known != given->iov_len) {
        components = fitting(given->iov_len);
        known = given->iov_len;
    }
    memcpy(area.bytes, given->iov_base, given->iov_len);
    memset(area.bytes + given->iov_len, 0, whole.iov_len - given->iov_len);
    uint64_t present;
    memcpy(&present, area.bytes + LEGACY, sizeof present);
    present &= components;
    memcpy(area.bytes + LEGACY, &present, sizeof present);
    return kernel(PTRACE_SETREGSET, pid, (void *)NT_X86_XSTATE, &whole);
}

// In place of the C library's.
long ptrace(enum __ptrace_request request, ...) {
    va_list arguments;
    va_start(arguments, request);
    long pid = va_arg(arguments, pid_t);
    void *addr = va_arg(arguments, void *);
    void *data = va_arg(arguments, void *);
    va_end(arguments);
    switch ((int)request) {
    case PTRACE_GETREGSET:
        if ((uintptr_t)addr == NT_X86_XSTATE)
            return get(pid, data);
        break;
    case PTRACE_SETREGSET:
        if ((uintptr_t)addr == NT_X86_XSTATE)
            return set(pid, data);
        break;
    case PTRACE_PEEKTEXT:
    case PTRACE_PEEKDATA:
    case PTRACE_PEEKUSER: {
        // The kernel writes the word, the C library returns it.
        long word = 0, result = kernel(request, pid, addr, &word);
        if (result < 0)
            return result;
        errno = 0;
        return word;
    }
    }
    return kernel(request, pid, addr, data);
}
