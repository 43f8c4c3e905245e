/*
 * The seccomp filter, as classic BPF.
 *
 * Theory: a call that moves bytes on a descriptor (read, write, send, recv, poll, close, sendfile)
 * runs natively on the socket pair, so the filter lets it pass at full speed.  A call that speaks
 * of the network (addresses, options, connections) goes to the supervisor.  Where one call number
 * is both, an argument decides: sendto only with an address pointer, recvfrom with one or for a
 * single byte, socket only for IPv4, IPv6 and routing netlink, ioctl only for the SIOCGIF
 * questions, shutdown only of the receiving side, open only of what is read without close-on-exec.
 * sendmsg and recvmsg hide their address in memory, which a filter cannot see, so all of them are
 * notified.
 *
 * io_uring would go around all of this: it does not exist here (ENOSYS; programs fall back).  So do
 * the 32-bit and x32 call tables.  PR_SET_DUMPABLE is answered with success and not done, because a
 * task that is not dumpable cannot be supervised.
 *
 * Why not libseccomp: Debian 12 has 2.5.4, which cannot ask for WAIT_KILLABLE_RECV, and without
 * that flag a storm of signals loses replies.  The program is some seventy instructions.
 */
#include "run/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

/* O_LARGEFILE as the kernel has it; to glibc it is 0, to others it is not. */
#if defined __x86_64__
#define ARCH       AUDIT_ARCH_X86_64
#define LARGE_FILE 0100000
#elif defined __aarch64__
#define ARCH       AUDIT_ARCH_AARCH64
#define LARGE_FILE 0400000
#else
#error "naru run knows x86_64 and aarch64"
#endif

#define X32_BIT 0x40000000u /* __X32_SYSCALL_BIT; larger than any call number elsewhere */

/* The low half of an argument, and its high half (both architectures are little-endian). */
#define NR      ((uint32_t)offsetof(struct seccomp_data, nr))
#define ARG(n)  ((uint32_t)offsetof(struct seccomp_data, args[n]))
#define HIGH(n) (ARG(n) + 4)

#define LOAD(k)                                       \
    {                                                 \
        BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)(k) \
    }
#define IF_EQ(k, yes, no)                                     \
    {                                                         \
        BPF_JMP | BPF_JEQ | BPF_K, (yes), (no), (uint32_t)(k) \
    }
#define IF_GE(k, yes, no)                                     \
    {                                                         \
        BPF_JMP | BPF_JGE | BPF_K, (yes), (no), (uint32_t)(k) \
    }
#define RETURN(k)                            \
    {                                        \
        BPF_RET | BPF_K, 0, 0, (uint32_t)(k) \
    }
#define NOTIFY      RETURN(SECCOMP_RET_USER_NOTIF)
#define ALLOW       RETURN(SECCOMP_RET_ALLOW)
#define FAIL(error) RETURN(SECCOMP_RET_ERRNO | (error))
#define OPENED(nr, flags) \
    IF_EQ(nr, 0, 5), LOAD(ARG(flags)), IF_EQ(O_RDONLY, 1, 0), IF_EQ(LARGE_FILE, 0, 1), NOTIFY, ALLOW
#define ALWAYS(call) IF_EQ(SYS_##call, 0, 1), NOTIFY

/* SIOCGIFNAME .. SIOCGIFINDEX and neighbours: questions about interfaces. */
#define IFACE_FIRST 0x8910
#define IFACE_END   0x8940

static const struct sock_filter program[] = {
    LOAD(offsetof(struct seccomp_data, arch)),
    IF_EQ(ARCH, 1, 0),
    FAIL(ENOSYS),
    LOAD(NR),
    IF_GE(X32_BIT, 0, 1),
    FAIL(ENOSYS),

    /* Numbers alone. */
    ALWAYS(bind),
    ALWAYS(listen),
    ALWAYS(accept),
    ALWAYS(accept4),
    ALWAYS(connect),
    ALWAYS(getsockname),
    ALWAYS(getpeername),
    ALWAYS(setsockopt),
    ALWAYS(getsockopt),
    ALWAYS(sendmsg),
    ALWAYS(recvmsg),
    ALWAYS(sendmmsg),
    ALWAYS(recvmmsg),
    IF_EQ(SYS_io_uring_setup, 0, 1),
    FAIL(ENOSYS),

    /* Without sock_diag, ss reads /proc/net. */
    IF_EQ(SYS_socket, 0, 10),
    LOAD(ARG(0)),
    IF_EQ(AF_INET, 4, 0),
    IF_EQ(AF_INET6, 3, 0),
    IF_EQ(AF_NETLINK, 0, 5),
    LOAD(ARG(2)),
    IF_EQ(NETLINK_ROUTE, 0, 1),
    NOTIFY,
    IF_EQ(NETLINK_SOCK_DIAG, 0, 1),
    FAIL(EPROTONOSUPPORT),
    ALLOW,

    /* recvfrom of one byte: how programs ask whether a socket is connected (Python's ssl does). */
    IF_EQ(SYS_recvfrom, 0, 4),
    LOAD(ARG(2)),
    IF_EQ(1, 0, 1),
    NOTIFY,
    LOAD(NR),

    /* sendto: argument 4 is the address; recvfrom: the same. */
    IF_EQ(SYS_sendto, 1, 0),
    IF_EQ(SYS_recvfrom, 0, 6),
    LOAD(ARG(4)),
    IF_EQ(0, 0, 2),
    LOAD(HIGH(4)),
    IF_EQ(0, 1, 0),
    NOTIFY,
    ALLOW,

    IF_EQ(SYS_ioctl, 0, 5),
    LOAD(ARG(1)),
    IF_GE(IFACE_FIRST, 0, 2),
    IF_GE(IFACE_END, 1, 0),
    NOTIFY,
    ALLOW,

    /* Files that are opened to be read, as fopen does it: some of /proc/net. */
    OPENED(SYS_openat, 2),
#ifdef SYS_open
    OPENED(SYS_open, 1),
#endif

    /* A listener's; what only sends no more is the pair's own. */
    IF_EQ(SYS_shutdown, 0, 4),
    LOAD(ARG(1)),
    IF_EQ(SHUT_WR, 0, 1),
    ALLOW,
    NOTIFY,

    IF_EQ(SYS_prctl, 0, 4),
    LOAD(ARG(0)),
    IF_EQ(PR_SET_DUMPABLE, 0, 1),
    FAIL(0),
    ALLOW,

    ALLOW,
};

static long install(unsigned long flags)
{
    struct sock_fprog fprog = {
        .len = sizeof program / sizeof program[0],
        /* The kernel only reads it. */
        .filter = (struct sock_filter *)(uintptr_t)program,
    };
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &fprog);
}

int naru_filter_install(void)
{
    unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return -errno;
    long fd = install(flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
    if (fd < 0 && errno == EINVAL) /* before Linux 5.19 */
        fd = install(flags);
    return fd < 0 ? -errno : (int)fd;
}

int naru_filter_has_wait_killable(void)
{
    /* A program that cannot be read: a kernel that knows the flags gets as far as looking at it. */
    unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    long fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, NULL);
    return fd < 0 && errno == EFAULT;
}
