/* What a program is told about its own sends; see notice.h. */
#include "pkt/notice.h"

#include "base/defs.h"

#include <time.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <string.h>
#include <sys/socket.h>

enum {
    STAMPED = SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE | SOF_TIMESTAMPING_TX_ACK,
    TIMESTAMPING_TSONLY = SOF_TIMESTAMPING_OPT_TSONLY,
};

void naru_notices_set_stamping(struct naru_notices *n, struct naru_sock *sock, uint32_t flags)
{
    int64_t buffered = 0;
    if ((flags & ~n->stamping) & SOF_TIMESTAMPING_OPT_ID) {
        (void)naru_sock_get(sock, NARU_OPT_UNSENT, &buffered);
        n->keys_from = n->written - NARU_MIN((uint64_t)buffered, n->written);
    }
    n->stamping = flags;
}

void naru_notices_sent(struct naru_notices *n, uint64_t len, int64_t flags)
{
    bool zerocopy = n->zerocopy && (flags & MSG_ZEROCOPY) != 0;
    uint32_t wanted = n->stamping & SOF_TIMESTAMPING_SOFTWARE ? n->stamping & STAMPED : 0;
    n->written += len;
    if ((!zerocopy && wanted == 0) || len == 0 || n->mark_count == NARU_NOTICE_MARKS)
        return;
    bool keyed = (n->stamping & SOF_TIMESTAMPING_OPT_ID) != 0;
    n->mark[n->mark_count++] = (struct naru_notice_mark){
        .end = n->written,
        .zerocopy = zerocopy,
        .id = n->next_id,
        .flags = wanted | (n->stamping & TIMESTAMPING_TSONLY),
        .key = keyed ? (uint32_t)(n->written - n->keys_from - 1) : 0,
    };
    n->next_id += zerocopy;
}

static bool put(struct naru_notices *n, const struct naru_notice *notice)
{
    if (n->count == NARU_NOTICE_MARKS)
        return false;
    n->queue[n->count++] = *notice;
    return true;
}

static bool put_stamp(struct naru_notices *n, const struct naru_notice_mark *m, uint32_t what,
                      naru_time now)
{
    struct naru_notice notice = { .stamped = true,
                                  .info = what,
                                  .data = m->key,
                                  .at = now,
                                  .truncated = (m->flags & TIMESTAMPING_TSONLY) == 0 };
    return put(n, &notice);
}

/* One that continues the newest is told with it. */
static bool put_done(struct naru_notices *n, uint32_t id)
{
    struct naru_notice *last = n->count > 0 ? &n->queue[n->count - 1] : NULL;
    if (last != NULL && !last->stamped && last->data + 1 == id) {
        last->data = id;
        return true;
    }
    struct naru_notice notice = { .info = id, .data = id };
    return put(n, &notice);
}

/* All bytes up to m were sent for the first time. */
static bool tell_left(struct naru_notices *n, struct naru_notice_mark *m, naru_time now)
{
    bool any = false;
    m->left = true;
    if (m->flags & SOF_TIMESTAMPING_TX_SCHED)
        any |= put_stamp(n, m, SCM_TSTAMP_SCHED, now);
    if (m->flags & SOF_TIMESTAMPING_TX_SOFTWARE)
        any |= put_stamp(n, m, SCM_TSTAMP_SND, now);
    return any;
}

static bool tell_acked(struct naru_notices *n, const struct naru_notice_mark *m, naru_time now)
{
    bool any = false;
    if (m->flags & SOF_TIMESTAMPING_TX_ACK)
        any |= put_stamp(n, m, SCM_TSTAMP_ACK, now);
    if (m->zerocopy)
        any |= put_done(n, m->id);
    return any;
}

bool naru_notices_look(struct naru_notices *n, struct naru_sock *sock, naru_time now)
{
    struct naru_tcp_info info = { 0 };
    int64_t buffered = 0;
    bool any = false;
    if (n->mark_count == 0 || naru_sock_get(sock, NARU_OPT_UNSENT, &buffered) != NARU_OK ||
        naru_sock_tcp_info(sock, &info, now) != NARU_OK)
        return false;
    uint64_t acked = n->written - NARU_MIN((uint64_t)buffered, n->written);
    uint64_t sent = n->written - NARU_MIN((uint64_t)info.notsent_bytes, n->written);
    unsigned done = 0;
    for (unsigned i = 0; i < n->mark_count; i++) {
        struct naru_notice_mark *m = &n->mark[i];
        if (!m->left && m->end <= sent)
            any |= tell_left(n, m, now);
        if (m->end > acked)
            break;
        any |= tell_acked(n, m, now);
        done++;
    }
    n->mark_count -= done;
    memmove(n->mark, n->mark + done, n->mark_count * sizeof(n->mark[0]));
    return any;
}

bool naru_notices_take(struct naru_notices *n, struct naru_notice *out)
{
    if (n->count == 0)
        return false;
    *out = n->queue[0];
    memmove(n->queue, n->queue + 1, --n->count * sizeof(n->queue[0]));
    return true;
}

int64_t naru_notices_unread(struct naru_sock *sock, naru_time now)
{
    struct naru_tcp_info info = { 0 };
    int64_t count = 0;
    (void)naru_sock_get(sock, NARU_OPT_UNREAD, &count);
    if (naru_sock_tcp_info(sock, &info, now) != NARU_OK)
        return count;
    bool fin = info.state == NARU_TCP_CLOSE_WAIT || info.state == NARU_TCP_LAST_ACK ||
               info.state == NARU_TCP_CLOSING || info.state == NARU_TCP_TIME_WAIT;
    return count + (fin ? 1 : 0);
}
