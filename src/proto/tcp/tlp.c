/*
 * Tail loss probes (RFC 8985 7): when the end of a flight is not acknowledged in about two round
 * trips, one segment is sent, new or the last one again.  Its acknowledgement shows what is lost to
 * RACK, so that a lost tail costs two round trips instead of RTO.
 *
 * One probe is out at a time, and none while recovery is at work or holes are known.  If the probe
 * itself repaired the only loss, nobody else noticed: then the window is reduced here (7.4).
 *
 * PTO is in the slot of RTO and never later (timer.c); it is worked out anew when the timer fires,
 * so that sending does not have to move it.
 */
#include "proto/tcp/internal.h"

static bool one_in_flight(const struct naru_tcp *c)
{
    uint32_t fin = c->flags & NARU_TCP_F_FIN_SENT ? 1 : 0;
    return naru_tcp_sent_count(c) <= 1 && naru_tcp_flight(c) - fin <= c->snd.mss;
}

naru_time naru_tcp_tlp_pto(const struct naru_tcp *c, bool *alone)
{
    *alone = false;
    if (!naru_tcp_tlp_agreed(c) || c->ca_state > NARU_CA_CWR || c->ca_state == NARU_CA_DISORDER ||
        (c->flags & NARU_TCP_F_TLP) || !naru_tcp_synchronized(c))
        return NARU_NEVER;
    *alone = one_in_flight(c);
    uint32_t slack = *alone ? NARU_TCP_DELACK_MAX : NARU_TCP_PTO_SLACK;
    return NARU_US((naru_time)c->srtt * 2 + slack);
}

/* 7.3: new data if the window lets them go, else the last segment again. */
NARU_NOINLINE void naru_tcp_tlp_fired(struct naru_tcp *c)
{
    if (c->more->retransmits > 0 || naru_tcp_sent_count(c) == 0 || (c->flags & NARU_TCP_F_TLP) ||
        naru_tcp_loss_need(c) == NULL)
        return; /* RTO will see to it */
    uint32_t unsent = naru_tcp_unsent_new(c);
    uint32_t next = NARU_MIN(unsent, (uint32_t)c->snd.mss), flight = naru_tcp_flight(c);
    bool fits = flight <= c->snd.wnd && c->snd.wnd - flight >= next;
    bool fresh = unsent > 0 && fits;
    c->flags |= NARU_TCP_F_TLP_DUE;
    c->due |= fresh ? NARU_TCP_DUE_DATA : NARU_TCP_DUE_RETRANSMIT;
}

uint32_t naru_tcp_tlp_next(struct naru_tcp *c, uint32_t max, naru_seq *start)
{
    unsigned count = naru_tcp_sent_count(c);
    if (count == 0)
        return 0;
    const struct naru_tcp_sent *r = naru_tcp_sent_at(c, count - 1);
    uint32_t len = naru_seq_len(r->start, r->end);
    uint32_t fin = c->flags & NARU_TCP_F_FIN_SENT ? 1 : 0;
    uint32_t last = naru_tcp_rest(len - NARU_MIN(fin, len), max);
    last = (last == 0 && len > fin ? max : last) + fin;
    last = NARU_MIN(last, len);
    *start = naru_seq_sub(r->end, last);
    return last;
}

void naru_tcp_tlp_sent(struct naru_tcp *c, bool again)
{
    c->flags &= ~(uint32_t)NARU_TCP_F_TLP_DUE;
    if (c->more->loss == NULL)
        return;
    c->flags |= NARU_TCP_F_TLP;
    c->more->loss->tlp_retrans = again;
    c->more->loss->tlp_end = c->snd.nxt;
    naru_tcp_set_slow(c, NARU_TCP_SLOW_LOSS, true);
}

/* 7.4.2 */
NARU_NOINLINE void naru_tcp_tlp_acked(struct naru_tcp *c, const struct naru_tcp_acked *a,
                                      naru_time now)
{
    struct naru_tcp_loss *l = c->more->loss;
    if (naru_seq_before(c->snd.una, l->tlp_end))
        return;
    bool both = a->dsack && naru_seq_eq(a->twice.right, l->tlp_end);
    if (!l->tlp_retrans || both) {
        c->flags &= ~(uint32_t)NARU_TCP_F_TLP;
    } else if (naru_seq_after(c->snd.una, l->tlp_end)) {
        /* What came after the probe is acknowledged, and no duplicate was reported. */
        c->flags &= ~(uint32_t)NARU_TCP_F_TLP;
        naru_tcp_cc_loss(c, now);
        c->cwnd = c->ssthresh;
        c->flags &= ~(uint32_t)(NARU_TCP_F_UNDO | NARU_TCP_F_RETRANS_TS);
    } else if (a->plain) {
        c->flags &= ~(uint32_t)NARU_TCP_F_TLP; /* a second one: both copies had arrived */
    }
}
