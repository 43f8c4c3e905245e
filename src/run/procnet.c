/*
 * Files of /proc/net: netstat, ifconfig, route and Java read there what naru has, not the host.
 *
 * Theory: a program that opens a file only to read it, and does not ask for close-on-exec, as
 * fopen(3) does, is looked at; all others pass at full speed.  Where the name is one of /proc/net
 * that is known here, the program gets a file in memory with the text, made at this moment.
 * The formats are the kernel's, as proc(5) and its readers have them.
 *
 * Not done: opens with O_CLOEXEC (Python, Go), names relative to a directory, and files of counters
 * (snmp, netstat, sockstat): they are the host's.  There are no neighbours in arp.
 */
#include "run/runner.h"

#include "base/addr.h"
#include "host/sockaddr.h"
#include "host/tcpinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <net/route.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_MAX_HERE 64 /* no name that is known here is longer */

/* ---- Addresses, in the kernel's way: words of 32 bits as this machine reads them ---- */

static uint32_t word(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

static void put_address(FILE *out, enum naru_family family, const struct naru_addr *addr)
{
    for (unsigned i = family == NARU_IPV4 ? 12 : 0; i < 16; i += 4)
        fprintf(out, "%08X", word(addr->b + i));
}

static void put_bytes(FILE *out, const struct naru_addr *addr)
{
    for (unsigned i = 0; i < 16; i++)
        fprintf(out, "%02x", addr->b[i]);
}

/* ---- Sockets ---- */

/* An IPv6 socket's IPv4 addresses are mapped ones, and the unspecified one stays all zero. */
static enum naru_family family_of(const struct naru_sock_entry *entry)
{
    const struct naru_object *object = entry->user;
    return object != NULL ? object->family : naru_sockaddr_family(&entry->local.addr);
}

static void put_socket(FILE *out, unsigned line, const struct naru_sock_entry *entry,
                       enum naru_family family)
{
    static const struct naru_addr none;
    const struct naru_object *object = entry->user;
    bool stream = entry->type == NARU_SOCK_STREAM;
    const struct naru_addr *remote = entry->remote.port == 0 ? &none : &entry->remote.addr;
    unsigned state = stream                    ? naru_tcpinfo_state(entry->state)
                     : entry->remote.port != 0 ? naru_tcpinfo_state(NARU_TCP_ESTABLISHED)
                                               : naru_tcpinfo_state(NARU_TCP_CLOSED);
    fprintf(out, stream ? "%4u: " : "%5u: ", line);
    put_address(out, family, &entry->local.addr);
    fprintf(out, ":%04X ", entry->local.port);
    put_address(out, family, remote);
    fprintf(out, ":%04X %02X %08X:%08X 00:00000000 00000000 %5u        0 %lu 1 0000000000000000",
            entry->remote.port, state, entry->state == NARU_TCP_LISTEN ? 0 : entry->send_queue,
            entry->recv_queue, geteuid(), object != NULL ? (unsigned long)object->inode : 0);
    fputs(stream ? " 100 0 0 10 0\n" : " 0\n", out);
}

static void put_sockets(FILE *out, const struct naru_stack *stack, enum naru_sock_type type,
                        enum naru_family family)
{
    struct naru_sock_entry entry;
    uint64_t cursor = 0;
    unsigned line = 0;
    const char *name = family == NARU_IPV4 ? "local_address rem_address  "
                                           : "local_address                         "
                                             "remote_address                       ";
    fprintf(out, "  sl  %s st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode%s\n",
            name, type == NARU_SOCK_STREAM ? "" : " ref pointer drops");
    while (naru_stack_walk(stack, &cursor, &entry))
        if (entry.type == type && family_of(&entry) == family)
            put_socket(out, line++, &entry, family);
}

static void put_tcp(FILE *out, const struct naru_stack *stack)
{
    put_sockets(out, stack, NARU_SOCK_STREAM, NARU_IPV4);
}

static void put_tcp6(FILE *out, const struct naru_stack *stack)
{
    put_sockets(out, stack, NARU_SOCK_STREAM, NARU_IPV6);
}

static void put_udp(FILE *out, const struct naru_stack *stack)
{
    put_sockets(out, stack, NARU_SOCK_DGRAM, NARU_IPV4);
}

static void put_udp6(FILE *out, const struct naru_stack *stack)
{
    put_sockets(out, stack, NARU_SOCK_DGRAM, NARU_IPV6);
}

/* ---- Interfaces ---- */

static void put_dev(FILE *out, const struct naru_stack *stack)
{
    struct naru_iface_info info;
    fputs("Inter-|   Receive                                                |  Transmit\n"
          " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs "
          "drop fifo colls carrier compressed\n",
          out);
    for (unsigned i = 1; naru_iface_get(stack, i, &info) == NARU_OK; i++)
        fprintf(out,
                "%6s: %7llu %7llu    0 %4llu    0     0          0         0 %8llu %7llu    0    0 "
                "   0     0       0          0\n",
                info.name, (unsigned long long)info.rx_bytes, (unsigned long long)info.rx_packets,
                (unsigned long long)info.rx_drops, (unsigned long long)info.tx_bytes,
                (unsigned long long)info.tx_packets);
}

#define SCOPE_HOST 0x10
#define SCOPE_LINK 0x20

static void put_if_inet6(FILE *out, const struct naru_stack *stack)
{
    struct naru_iface_info info;
    struct naru_ifaddr_info has;
    for (unsigned i = 1; naru_iface_get(stack, i, &info) == NARU_OK; i++)
        for (unsigned n = 0; naru_ifaddr_get(stack, i, n, &has) == NARU_OK; n++) {
            bool link = naru_addr_is_link_local(&has.addr);
            unsigned scope = info.loopback ? SCOPE_HOST : link ? SCOPE_LINK : 0;
            if (naru_sockaddr_family(&has.addr) != NARU_IPV6)
                continue;
            put_bytes(out, &has.addr);
            fprintf(out, " %02x %02x %02x %02x %8s\n", i, has.prefix_len, scope,
                    has.automatic ? 0U : 0x80U /* IFA_F_PERMANENT */, info.name);
        }
}

/* ---- Routes ---- */

static unsigned flags_of(const struct naru_route *route, unsigned bits)
{
    return RTF_UP | (route->has_gateway ? RTF_GATEWAY : 0U) |
           (route->prefix_len == bits ? RTF_HOST : 0U);
}

/* The loopback's are in another table of the kernel's. */
static void put_route(FILE *out, const struct naru_stack *stack)
{
    struct naru_route route;
    struct naru_iface_info info;
    fprintf(out, "%-127s\n",
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT");
    for (unsigned n = 0; naru_route_get(stack, n, &route) == NARU_OK; n++) {
        if (naru_sockaddr_family(&route.prefix) != NARU_IPV4 ||
            naru_iface_get(stack, route.ifindex, &info) != NARU_OK || info.loopback)
            continue;
        uint32_t mask = route.prefix_len == 0 ? 0 : htonl(UINT32_MAX << (32 - route.prefix_len));
        fprintf(out, "%s\t%08X\t%08X\t%04X\t0\t0\t%u\t%08X\t%u\t0\t0\n", info.name,
                word(route.prefix.b + 12), route.has_gateway ? word(route.gateway.b + 12) : 0,
                flags_of(&route, 32), route.metric, mask, route.mtu);
    }
}

static void put_ipv6_route(FILE *out, const struct naru_stack *stack)
{
    static const struct naru_addr none;
    struct naru_route route;
    struct naru_iface_info info;
    for (unsigned n = 0; naru_route_get(stack, n, &route) == NARU_OK; n++) {
        if (naru_sockaddr_family(&route.prefix) != NARU_IPV6 ||
            naru_iface_get(stack, route.ifindex, &info) != NARU_OK)
            continue;
        put_bytes(out, &route.prefix);
        fprintf(out, " %02x ", route.prefix_len);
        put_bytes(out, &none);
        fputs(" 00 ", out);
        put_bytes(out, route.has_gateway ? &route.gateway : &none);
        fprintf(out, " %08x 00000000 00000000 %08x %8s\n", route.metric, flags_of(&route, 128),
                info.name);
    }
}

static void put_arp(FILE *out, const struct naru_stack *stack)
{
    (void)stack;
    fputs("IP address       HW type     Flags       HW address            Mask     Device\n", out);
}

/* ---- Opening ---- */

static const struct file {
    const char *name;
    void (*put)(FILE *out, const struct naru_stack *stack);
} files[] = {
    { "tcp", put_tcp },     { "tcp6", put_tcp6 },
    { "udp", put_udp },     { "udp6", put_udp6 },
    { "dev", put_dev },     { "if_inet6", put_if_inet6 },
    { "route", put_route }, { "ipv6_route", put_ipv6_route },
    { "arp", put_arp },
};

/* /proc/net/NAME, /proc/self/net/NAME or /proc/PID/net/NAME. */
static const struct file *find(const char *path)
{
    static const char proc[] = "/proc/", net[] = "net/";
    if (strncmp(path, proc, sizeof proc - 1) != 0)
        return NULL;
    path += sizeof proc - 1;
    if (strncmp(path, net, sizeof net - 1) != 0) {
        size_t len = strncmp(path, "self/", 5) == 0 ? 4 : strspn(path, "0123456789");
        if (len == 0 || path[len] != '/' || strncmp(path + len + 1, net, sizeof net - 1) != 0)
            return NULL;
        path += len + 1;
    }
    path += sizeof net - 1;
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        if (strcmp(path, files[i].name) == 0)
            return &files[i];
    return NULL;
}

/* A file in memory with the text, open for reading only; or a negative errno. */
static int make(const struct file *file, const struct naru_stack *stack)
{
    char path[40];
    int fd = memfd_create(file->name, MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    FILE *out = fdopen(fd, "w");
    if (out == NULL) {
        close(fd);
        return -ENOMEM;
    }
    file->put(out, stack);
    (void)fflush(out);
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int readable = open(path, O_RDONLY | O_CLOEXEC);
    int error = errno;
    (void)fclose(out);
    return readable < 0 ? -error : readable;
}

int64_t naru_call_open(struct naru_call *call)
{
    const struct naru_notice *notice = call->notice;
    char path[PATH_MAX_HERE] = "";
    uint64_t address = notice->arg[notice->nr == SYS_openat ? 1 : 0];
    struct iovec from = { .iov_base = (void *)(uintptr_t)address, .iov_len = sizeof path - 1 };
    /* What is behind the name may not be there; a name that is cut is not a known one. */
    if (naru_task_gather(notice->tid, &from, 1, path, sizeof path - 1) <= 0)
        return NARU_CALL_CONTINUE;
    const struct file *file = find(path);
    if (file == NULL)
        return NARU_CALL_CONTINUE;
    int fd = make(file, call->runner->stack);
    if (fd < 0)
        return fd;
    int error = naru_notify_answer_fd(call->runner->listener, notice->id, fd, false);
    close(fd);
    return error < 0 ? error : NARU_CALL_DONE;
}
