/*
 * What looked like a loss was none: cwnd and ssthresh become what they were.  Known by
 *
 *   timestamps   an acknowledgement of what was sent twice echoes one that is older than the
 *                first retransmission (Eifel, RFC 3522 3.2 and 4015)
 *   DSACK        each byte that was sent again is reported as a duplicate (RFC 3708, as Linux)
 *   F-RTO        after RTO something arrives that was never sent again (RFC 5682 3.2): recover.c
 *
 * An episode can be undone from its beginning until what was sent in it is acknowledged, though
 * recovery itself may end earlier: the report of the last duplicate comes after that.
 */
#include "proto/tcp/internal.h"

void naru_tcp_undo_begin(struct naru_tcp *c)
{
    struct naru_tcp_loss *l = c->more->loss;
    c->flags &= ~(uint32_t)(NARU_TCP_F_UNDO | NARU_TCP_F_RETRANS_TS);
    if (l == NULL)
        return;
    c->flags |= NARU_TCP_F_UNDO;
    l->undo_cwnd = c->cwnd;
    l->undo_ssthresh = c->ssthresh;
    l->undo_counts = c->more->retrans > 0; /* and those are not reported yet */
    l->undo_retrans = c->more->retrans;
    l->undo_from = c->snd.una;
    l->undo_until = c->snd.nxt;
}

void naru_tcp_undo_resent(struct naru_tcp *c, uint32_t len, naru_time now)
{
    struct naru_tcp_loss *l = c->more->loss;
    if (l == NULL)
        return;
    if (!(c->flags & NARU_TCP_F_RETRANS_TS)) {
        l->retrans_ts = naru_tcp_ts_now(c, now);
        c->flags |= NARU_TCP_F_RETRANS_TS;
    }
    l->undo_retrans += len;
    l->undo_counts = true;
    l->undo_until = c->snd.nxt;
}

NARU_NOINLINE void naru_tcp_undo_dsack(struct naru_tcp *c, const struct naru_tcp_acked *a)
{
    struct naru_tcp_loss *l = c->more->loss;
    uint32_t len = naru_seq_len(a->twice.left, a->twice.right);
    if (!(c->flags & NARU_TCP_F_UNDO) || !l->undo_counts)
        return;
    if (naru_seq_before(a->twice.left, l->undo_from) ||
        naru_seq_after(a->twice.right, l->undo_until) || (int32_t)len <= 0)
        return;
    l->undo_retrans -= NARU_MIN(len, l->undo_retrans);
}

/* The first copies had arrived: what is marked as lost is not. */
NARU_NOINLINE void naru_tcp_undo(struct naru_tcp *c)
{
    for (unsigned i = 0; i < naru_tcp_sent_count(c) && c->more->lost > 0; i++) {
        struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
        const uint8_t both = NARU_TCP_SENT_LOST | NARU_TCP_SENT_RETRANS;
        if (r->flags & NARU_TCP_SENT_LOST) {
            if (r->flags & NARU_TCP_SENT_EVER)
                naru_tcp_rack_resent(c, r->sent_at);
            naru_tcp_sent_flag(c, r, (uint8_t)(r->flags & ~both));
        }
    }
    naru_tcp_mtu_false_alarm(c);
    naru_tcp_cc_undo(c);
    c->more->recover = c->snd.una;
    c->more->lost_upto = c->snd.una;
    c->due &= (uint8_t)~NARU_TCP_DUE_RETRANSMIT;
    naru_tcp_recover_done(c);
}

/* RFC 3522 3.2 (5): the echoed timestamp is older than our first retransmission. */
static bool early_echo(const struct naru_tcp *c, const struct naru_tcp_acked *a)
{
    return a->acked > 0 && a->echo_known && (c->flags & NARU_TCP_F_RETRANS_TS) &&
           (int32_t)(a->echo - c->more->loss->retrans_ts) < 0;
}

NARU_NOINLINE bool naru_tcp_undo_try(struct naru_tcp *c, const struct naru_tcp_acked *a)
{
    if (!(c->flags & NARU_TCP_F_UNDO))
        return false;
    bool reported = c->more->loss->undo_counts && c->more->loss->undo_retrans == 0;
    bool early = c->ca_state >= NARU_CA_RECOVERY && early_echo(c, a);
    if (!early && !reported)
        return false;
    naru_tcp_undo(c);
    return true;
}
