/*
 * Control messages: RFC 3542 (IPv6) and ip(7), as Linux lays them out.
 *
 * Received: IP_PKTINFO, IP_TTL, IP_TOS, IP_RECVORIGDSTADDR; IPV6_PKTINFO, IPV6_HOPLIMIT,
 * IPV6_TCLASS; SO_TIMESTAMP and SO_TIMESTAMPNS; UDP_GRO; IP_RECVERR and IPV6_RECVERR.  Sent:
 * IP_PKTINFO, IP_TTL, IP_TOS; IPV6_PKTINFO, IPV6_HOPLIMIT, IPV6_TCLASS; UDP_SEGMENT.  An IPv6
 * socket gets and gives the IPv6 form for IPv4 peers too, with v4-mapped addresses, and the IPv4
 * form if it asks for that.
 */
#include "run/message.h"

#include "host/errno.h"
#include "host/sockaddr.h"
#include "run/memo.h"

#include <errno.h>
#include <linux/errqueue.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#ifndef UDP_GRO
#define UDP_SEGMENT 103
#define UDP_GRO     104
#endif

int naru_message_load(pid_t tid, uint64_t address, struct naru_message *message)
{
    message->address = address;
    int error = naru_task_read(tid, address, &message->header, sizeof message->header);
    if (error < 0)
        return error;
    message->iov_count = message->header.msg_iovlen;
    if (message->iov_count > NARU_MESSAGE_IOVS)
        return -EMSGSIZE;
    return naru_task_read(tid, (uintptr_t)message->header.msg_iov, message->iov,
                          message->iov_count * sizeof message->iov[0]);
}

ssize_t naru_message_room(const struct naru_message *message)
{
    size_t room = 0;
    for (size_t i = 0; i < message->iov_count; i++) {
        room += message->iov[i].iov_len;
        if (message->iov[i].iov_len > INT32_MAX || room > INT32_MAX)
            return -EINVAL;
    }
    return (ssize_t)room;
}

/* ---- Sending ---- */

static void address4_from(const struct in_addr *in, struct naru_addr *out)
{
    *out = naru_addr_v4(ntohl(in->s_addr));
}

static int read_ip(const struct cmsghdr *cmsg, size_t len, struct naru_msg_info *info)
{
    struct in_pktinfo pktinfo;
    int value = 0;
    switch (cmsg->cmsg_type) {
    case IP_PKTINFO:
        if (len < sizeof pktinfo)
            return -EINVAL;
        memcpy(&pktinfo, CMSG_DATA(cmsg), sizeof pktinfo);
        if (pktinfo.ipi_spec_dst.s_addr != 0)
            address4_from(&pktinfo.ipi_spec_dst, &info->from.addr);
        info->from.ifindex = (uint16_t)pktinfo.ipi_ifindex;
        return 0;
    case IP_TTL:
    case IP_TOS:
        memcpy(&value, CMSG_DATA(cmsg), len < sizeof value ? len : sizeof value);
        if (value < 0 || value > 255)
            return -EINVAL;
        *(cmsg->cmsg_type == IP_TTL ? &info->hop_limit : &info->tos) = (uint8_t)value;
        return 0;
    default:
        return -EINVAL;
    }
}

static int read_ipv6(const struct cmsghdr *cmsg, size_t len, struct naru_msg_info *info)
{
    struct in6_pktinfo pktinfo;
    int value = 0;
    switch (cmsg->cmsg_type) {
    case IPV6_PKTINFO:
        if (len < sizeof pktinfo)
            return -EINVAL;
        memcpy(&pktinfo, CMSG_DATA(cmsg), sizeof pktinfo);
        memcpy(info->from.addr.b, &pktinfo.ipi6_addr, sizeof info->from.addr.b);
        info->from.ifindex = (uint16_t)pktinfo.ipi6_ifindex;
        return 0;
    case IPV6_HOPLIMIT:
    case IPV6_TCLASS:
        if (len < sizeof value)
            return -EINVAL;
        memcpy(&value, CMSG_DATA(cmsg), sizeof value);
        if (value < -1 || value > 255)
            return -EINVAL;
        if (value >= 0)
            *(cmsg->cmsg_type == IPV6_HOPLIMIT ? &info->hop_limit : &info->tos) = (uint8_t)value;
        return 0;
    default:
        return -EINVAL;
    }
}

static int read_one(const struct cmsghdr *cmsg, struct naru_msg_info *info)
{
    size_t len = cmsg->cmsg_len - CMSG_LEN(0);
    if (cmsg->cmsg_level == IPPROTO_IP)
        return read_ip(cmsg, len, info);
    if (cmsg->cmsg_level == IPPROTO_IPV6)
        return read_ipv6(cmsg, len, info);
    if (cmsg->cmsg_level == IPPROTO_UDP && cmsg->cmsg_type == UDP_SEGMENT) {
        if (len != sizeof info->gso_size)
            return -EINVAL;
        memcpy(&info->gso_size, CMSG_DATA(cmsg), sizeof info->gso_size);
        return 0;
    }
    return cmsg->cmsg_level == SOL_SOCKET ? 0 : -EINVAL;
}

int naru_message_read_control(pid_t tid, const struct naru_message *message,
                              struct naru_msg_info *info)
{
    _Alignas(struct cmsghdr) uint8_t control[NARU_MESSAGE_CONTROL];
    struct msghdr walk = { .msg_control = control,
                           .msg_controllen = message->header.msg_controllen };
    if (walk.msg_controllen == 0)
        return 0;
    if (walk.msg_controllen > sizeof control)
        return -ENOBUFS;
    int error =
        naru_task_read(tid, (uintptr_t)message->header.msg_control, control, walk.msg_controllen);
    for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(&walk); cmsg != NULL && error == 0;
         cmsg = CMSG_NXTHDR(&walk, cmsg)) {
        size_t at = (size_t)((uint8_t *)cmsg - control);
        if (cmsg->cmsg_len < CMSG_LEN(0) || cmsg->cmsg_len > walk.msg_controllen - at)
            return -EINVAL;
        error = read_one(cmsg, info);
    }
    return error;
}

/* ---- Receiving ---- */

struct control {
    _Alignas(struct cmsghdr) uint8_t bytes[NARU_MESSAGE_CONTROL];
    size_t len, room;
    bool truncated;
};

static void put(struct control *control, int level, int type, const void *value, size_t len)
{
    struct cmsghdr cmsg = { .cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type };
    size_t space = CMSG_SPACE(len);
    if (control->len + CMSG_LEN(len) > control->room) {
        control->truncated = true;
        return;
    }
    uint8_t *at = control->bytes + control->len;
    memset(at, 0, space);
    memcpy(at, &cmsg, sizeof cmsg);
    memcpy(at + CMSG_LEN(0), value, len);
    control->len += space;
}

static void put_int(struct control *control, int level, int type, int value)
{
    put(control, level, type, &value, sizeof value);
}

static bool is_error(const struct naru_msg_info *info)
{
    return (info->flags & NARU_MSG_ERRQUEUE) != 0;
}

const struct naru_endpoint *naru_message_name(const struct naru_msg_info *info)
{
    return is_error(info) ? &info->to : &info->from;
}

static bool wants(const struct naru_object *object, int level, int name)
{
    return naru_memo_get(object, level, name, 0) != 0;
}

static void put_ipv4(struct control *control, const struct naru_object *object,
                     const struct naru_msg_info *info)
{
    struct in_pktinfo pktinfo = { .ipi_ifindex = info->to.ifindex };
    struct sockaddr_storage name;
    uint8_t tos = info->tos;
    memcpy(&pktinfo.ipi_spec_dst, info->to.addr.b + 12, 4);
    memcpy(&pktinfo.ipi_addr, info->to.addr.b + 12, 4);
    if (wants(object, IPPROTO_IP, IP_PKTINFO) && !is_error(info))
        put(control, IPPROTO_IP, IP_PKTINFO, &pktinfo, sizeof pktinfo);
    if (wants(object, IPPROTO_IP, IP_RECVTTL))
        put_int(control, IPPROTO_IP, IP_TTL, info->hop_limit);
    if (wants(object, IPPROTO_IP, IP_RECVTOS))
        put(control, IPPROTO_IP, IP_TOS, &tos, sizeof tos);
    if (wants(object, IPPROTO_IP, IP_RECVORIGDSTADDR) && !is_error(info) &&
        naru_sockaddr_emit(&info->to, NARU_IPV4, &name) > 0)
        put(control, IPPROTO_IP, IP_RECVORIGDSTADDR, &name, sizeof(struct sockaddr_in));
}

static void put_ipv6(struct control *control, const struct naru_object *object,
                     const struct naru_msg_info *info)
{
    struct in6_pktinfo pktinfo = { .ipi6_ifindex = info->to.ifindex };
    memcpy(&pktinfo.ipi6_addr, info->to.addr.b, sizeof pktinfo.ipi6_addr);
    if (wants(object, IPPROTO_IPV6, IPV6_RECVPKTINFO) && !is_error(info))
        put(control, IPPROTO_IPV6, IPV6_PKTINFO, &pktinfo, sizeof pktinfo);
    if (wants(object, IPPROTO_IPV6, IPV6_RECVHOPLIMIT))
        put_int(control, IPPROTO_IPV6, IPV6_HOPLIMIT, info->hop_limit);
    if (wants(object, IPPROTO_IPV6, IPV6_RECVTCLASS))
        put_int(control, IPPROTO_IPV6, IPV6_TCLASS, info->tos);
}

/* What Linux says of an error: who complains is behind it, and nobody is where it is our own. */
static void put_error(struct control *control, const struct naru_object *object,
                      const struct naru_msg_info *info)
{
    static const struct naru_addr nobody;
    struct {
        struct sock_extended_err ee;
        union {
            struct sockaddr_in v4;
            struct sockaddr_in6 v6;
        } offender;
    } told = { .ee = { .ee_errno = (uint32_t)naru_errno(info->error),
                       .ee_type = info->icmp_type,
                       .ee_code = info->icmp_code,
                       .ee_info = info->mtu } };
    bool v6 = object->family == NARU_IPV6;
    struct sockaddr_storage name;
    if (memcmp(&info->from.addr, &nobody, sizeof nobody) == 0) {
        told.ee.ee_origin = SO_EE_ORIGIN_LOCAL;
    } else {
        bool icmp6 = naru_sockaddr_family(&info->from.addr) == NARU_IPV6;
        told.ee.ee_origin = icmp6 ? SO_EE_ORIGIN_ICMP6 : SO_EE_ORIGIN_ICMP;
        (void)naru_sockaddr_emit(&info->from, object->family, &name);
        memcpy(&told.offender, &name, sizeof told.offender);
    }
    put(control, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_RECVERR : IP_RECVERR, &told,
        sizeof told.ee + (v6 ? sizeof told.offender.v6 : sizeof told.offender.v4));
}

/* The time of the call: the stack does not keep when a datagram came. */
static void put_time(struct control *control, const struct naru_object *object)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct timeval rough = { .tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000 };
    if (wants(object, SOL_SOCKET, SO_TIMESTAMP))
        put(control, SOL_SOCKET, SO_TIMESTAMP, &rough, sizeof rough);
    if (wants(object, SOL_SOCKET, SO_TIMESTAMPNS))
        put(control, SOL_SOCKET, SO_TIMESTAMPNS, &now, sizeof now);
}

static void put_control(struct control *control, const struct naru_object *object,
                        const struct naru_msg_info *info)
{
    put_time(control, object);
    if (naru_sockaddr_family(&naru_message_name(info)->addr) == NARU_IPV4)
        put_ipv4(control, object, info);
    if (object->family == NARU_IPV6)
        put_ipv6(control, object, info);
    if (info->gso_size != 0)
        put_int(control, IPPROTO_UDP, UDP_GRO, info->gso_size);
    if (is_error(info))
        put_error(control, object, info);
}

/* One member of the program's msghdr. */
#define WRITE_MEMBER(message, tid, member)                                     \
    naru_task_write(tid, (message)->address + offsetof(struct msghdr, member), \
                    &(message)->header.member, sizeof(message)->header.member)

int naru_message_write_back(const struct naru_call *call, struct naru_message *message,
                            const struct naru_msg_info *info, int flags)
{
    struct control control = { .len = 0 };
    struct msghdr *header = &message->header;
    struct sockaddr_storage name;
    pid_t tid = call->notice->tid;
    socklen_t name_len = naru_sockaddr_emit(naru_message_name(info), call->object->family, &name);
    int error = 0;

    if (header->msg_name != NULL) {
        socklen_t fits = header->msg_namelen < name_len ? header->msg_namelen : name_len;
        error = naru_task_write(tid, (uintptr_t)header->msg_name, &name, fits);
        header->msg_namelen = name_len;
        if (error == 0)
            error = WRITE_MEMBER(message, tid, msg_namelen);
    }
    control.room = header->msg_controllen < sizeof control.bytes ? header->msg_controllen
                                                                 : sizeof control.bytes;
    if (header->msg_control == NULL)
        control.room = 0;
    put_control(&control, call->object, info);
    if (control.len > control.room)
        control.len = control.room; /* the padding of the last */
    header->msg_controllen = control.len;
    header->msg_flags = flags | (control.truncated ? MSG_CTRUNC : 0);
    if (is_error(info))
        header->msg_flags |= MSG_ERRQUEUE;
    if (error == 0)
        error = naru_task_write(tid, (uintptr_t)header->msg_control, control.bytes, control.len);
    if (error == 0)
        error = WRITE_MEMBER(message, tid, msg_controllen);
    return error < 0 ? error : WRITE_MEMBER(message, tid, msg_flags);
}
