/*
 * naru-packetdrill.so: what recvmsg gives beside data, and the options that ask for it (notice.h);
 * see drill.h.
 */
#include "pkt/drill.h"

#include <errno.h>
#include <time.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#ifndef SO_ZEROCOPY
#define SO_ZEROCOPY 60
#endif

/* ---- Options ---- */

static bool closed(const struct drill_fd *f)
{
    struct naru_tcp_info info = { 0 };
    return f->listener || naru_sock_tcp_info(f->sock, &info, drill.now) != NARU_OK ||
           info.state == NARU_TCP_CLOSED;
}

static int set_flag(bool *flag, int value)
{
    if (value != 0 && value != 1)
        return drill_fail(EINVAL);
    *flag = value != 0;
    return 0;
}

bool drill_control_set(struct drill_fd *f, int level, int name, int value, int *result)
{
    if (level == SOL_SOCKET && name == SO_ZEROCOPY) {
        *result = set_flag(&f->notices.zerocopy, value);
    } else if (level == IPPROTO_TCP && name == TCP_INQ) {
        *result = set_flag(&f->inq, value);
    } else if (level == SOL_SOCKET && name == SO_TIMESTAMPING) {
        bool keyed = ((unsigned)value & SOF_TIMESTAMPING_OPT_ID) != 0 && !f->dgram;
        *result = value < 0 || value > SOF_TIMESTAMPING_MASK || (keyed && closed(f))
                      ? drill_fail(EINVAL)
                      : 0;
        if (*result == 0)
            naru_notices_set_stamping(&f->notices, f->sock, (uint32_t)value);
    } else {
        return false;
    }
    return true;
}

bool drill_control_get(const struct drill_fd *f, int level, int name, int *value)
{
    if (level == SOL_SOCKET && name == SO_ZEROCOPY)
        *value = f->notices.zerocopy;
    else if (level == SOL_SOCKET && name == SO_TIMESTAMPING)
        *value = (int)f->notices.stamping;
    else if (level == IPPROTO_TCP && name == TCP_INQ)
        *value = f->inq;
    else
        return false;
    return true;
}

/* ---- recvmsg ---- */

/* Pieces go one behind the other into the caller's buffer; what does not fit is missed. */
struct pieces {
    struct msghdr *msg;
    size_t room, used;
};

static void put(struct pieces *p, int level, int type, const void *data, size_t len)
{
    struct cmsghdr head = { .cmsg_len = CMSG_LEN(len), .cmsg_level = level, .cmsg_type = type };
    uint8_t *at = (uint8_t *)p->msg->msg_control + p->used;
    if (p->room - p->used < CMSG_SPACE(len)) {
        p->msg->msg_flags |= MSG_CTRUNC;
        return;
    }
    memset(at, 0, CMSG_SPACE(len));
    memcpy(at, &head, sizeof(head));
    memcpy(at + CMSG_LEN(0), data, len);
    p->used += CMSG_SPACE(len);
}

static struct pieces begin(struct msghdr *msg)
{
    struct pieces p = { .msg = msg, .room = msg->msg_control != NULL ? msg->msg_controllen : 0 };
    msg->msg_flags = 0;
    msg->msg_controllen = 0;
    return p;
}

ssize_t drill_control_errqueue(struct drill_fd *f, struct msghdr *msg)
{
    struct pieces p = begin(msg);
    struct naru_notice notice;
    if (!naru_notices_take(&f->notices, &notice))
        return drill_fail(EAGAIN);
    if (notice.stamped) {
        struct timespec at[3] = { { .tv_sec = notice.at / NARU_SEC(1),
                                    .tv_nsec = notice.at % NARU_SEC(1) } };
        put(&p, SOL_SOCKET, SCM_TIMESTAMPING, at, sizeof(at));
    }
    struct sock_extended_err err = { .ee_info = notice.info, .ee_data = notice.data };
    err.ee_errno = notice.stamped ? ENOMSG : 0;
    err.ee_origin = notice.stamped ? SO_EE_ORIGIN_TIMESTAMPING : SO_EE_ORIGIN_ZEROCOPY;
    err.ee_code = notice.stamped ? 0 : SO_EE_CODE_ZEROCOPY_COPIED;
    put(&p, f->v6 ? IPPROTO_IPV6 : IPPROTO_IP, f->v6 ? IPV6_RECVERR : IP_RECVERR, &err,
        sizeof(err));
    msg->msg_controllen = p.used;
    msg->msg_flags |= MSG_ERRQUEUE | (notice.truncated ? MSG_TRUNC : 0);
    msg->msg_namelen = 0;
    return 0;
}

void drill_control_recv(struct drill_fd *f, struct msghdr *msg)
{
    struct pieces p = begin(msg);
    if (!f->inq)
        return;
    int left = (int)naru_notices_unread(f->sock, drill.now);
    put(&p, IPPROTO_TCP, TCP_INQ, &left, sizeof(left));
    msg->msg_controllen = p.used;
}
