/*
 * RACK: what is lost, by time (RFC 8985 5 and 6).
 *
 * Of what has arrived one segment was sent last.  What was sent before it and is not here a
 * reordering window later is lost, were it the second copy; so a lost retransmission does not wait
 * for RTO.
 *
 * The RFC keeps all segments in a list by the time they were sent.  Records lie in sequence order
 * instead, and what was sent only once is in order of time there, too: it is looked at from the
 * lowest that was not marked yet (lost_upto) up to the first that may still come, so each record is
 * passed once.  What was sent more than once has no such order: all records are looked at, but only
 * when the oldest of those copies is due, and not more often than a few times a round trip.  So no
 * pattern of SACK blocks makes an acknowledgement dear.
 *
 * State is in struct naru_tcp_loss, which exists only while something is amiss; before the first
 * hole all that arrives was sent before all that does not.  Only the reordering that was seen, and
 * the window that grew by it, stay with the connection.
 *
 * The timer is an eighth of a round trip late: what is not lost has one more chance, and Linux's is
 * coarser still.
 *
 * Not here: RACK without SACK (recover.c does RFC 6582 then).
 */
#include "proto/tcp/internal.h"

#include "base/mem.h"

enum { LOOKS_PER_RTT = 16, NEWEST_STEPS = 8, TIMER_SLACK = 8 };

#define LOOK_MIN NARU_US(50)

/* ---- The object ---- */

NARU_NOINLINE struct naru_tcp_loss *naru_tcp_loss_need(struct naru_tcp *c)
{
    if (c->more->loss != NULL || !naru_tcp_more_need(c))
        return c->more->loss;
    c->more->loss = naru_mem_alloc(c->more->env->mem, sizeof(*c->more->loss));
    if (c->more->loss != NULL)
        *c->more->loss = (struct naru_tcp_loss){
            .xmit_ts = NARU_TCP_NO_TIME,
            .rtx_oldest = NARU_NEVER,
            .recover_fs = NARU_MAX(c->cwnd, (uint32_t)c->snd.mss), /* a recovery may be under way */
        };
    return c->more->loss;
}

NARU_NOINLINE void naru_tcp_loss_free(struct naru_tcp *c)
{
    c->flags &= ~(uint32_t)(NARU_TCP_F_UNDO | NARU_TCP_F_RETRANS_TS | NARU_TCP_F_TLP);
    if (c->more->loss != NULL) {
        naru_mem_free(c->more->env->mem, c->more->loss, sizeof(*c->more->loss));
        c->more->loss = NULL;
    }
}

NARU_NOINLINE void naru_tcp_loss_trim(struct naru_tcp *c)
{
    if (c->ca_state != NARU_CA_OPEN || (c->flags & (NARU_TCP_F_TLP | NARU_TCP_F_TLP_DUE)))
        return;
    /* A DSACK may follow the last acknowledgement. */
    bool told = (c->flags & NARU_TCP_F_UNDO) && (c->flags & NARU_TCP_F_SACK);
    if (!told || naru_seq_after(c->snd.una, c->more->loss->undo_until))
        naru_tcp_loss_free(c);
}

/* ---- What arrived (6.2 steps 1 to 3) ---- */

/* Step 2: an early answer is one to the first copy, and tells nothing of the second. */
NARU_NOINLINE bool naru_tcp_rack_believes(const struct naru_tcp *c, const struct naru_tcp_sent *r,
                                          const struct naru_tcp_acked *a)
{
    if (a->echo_known && (int32_t)(a->echo - naru_tcp_ts_now(c, r->sent_at)) < 0)
        return false;
    return naru_tcp_us(a->now - r->sent_at) >= c->min_rtt;
}

/* Step 3: by how many segments, at most. */
static void note_reordering(struct naru_tcp *c, const struct naru_tcp_acked *a)
{
    uint32_t by = naru_tcp_segments(naru_seq_len(a->once_start, a->fack), c->snd.mss);
    c->more->reord_seen = (uint16_t)(c->more->reord_seen + (c->more->reord_seen < UINT16_MAX));
    if (by > NARU_MAX((uint32_t)c->more->reordering, NARU_TCP_DUPTHRESH))
        c->more->reordering = (uint16_t)NARU_MIN(by, NARU_TCP_REORDERING_MAX);
}

/* Step 4: a needless retransmission widens the window, sixteen recoveries without narrow it. */
static void note_dsack(struct naru_tcp *c, struct naru_tcp_loss *l, const struct naru_tcp_acked *a)
{
    if (l->dsack_seen && naru_seq_after_eq(c->snd.una, l->dsack_round))
        l->dsack_seen = false;
    bool of_probe = (c->flags & NARU_TCP_F_TLP) && naru_seq_eq(a->twice.right, l->tlp_end);
    if (!a->dsack || l->dsack_seen || of_probe || c->more->segments_retrans == 0)
        return;
    l->dsack_seen = true;
    l->dsack_round = c->snd.nxt;
    c->more->reo_wnd_persist = NARU_TCP_REO_PERSIST;
    if (c->more->reo_wnd_mult < UINT8_MAX)
        c->more->reo_wnd_mult++;
}

void naru_tcp_rack_episode_over(struct naru_tcp *c)
{
    if (c->more->reo_wnd_persist > 0 && --c->more->reo_wnd_persist == 0)
        c->more->reo_wnd_mult = 0;
}

void naru_tcp_rack_update(struct naru_tcp *c, const struct naru_tcp_acked *a)
{
    struct naru_tcp_loss *l = c->more->loss;
    if (a->once && a->sacked_before && naru_seq_before(a->once_start, a->fack))
        note_reordering(c, a);
    note_dsack(c, l, a);
    if (a->rack_sent == NARU_TCP_NO_TIME)
        return;
    if (a->rack_sent > l->xmit_ts ||
        (a->rack_sent == l->xmit_ts && naru_seq_after(a->rack_end, l->end_seq))) {
        l->xmit_ts = a->rack_sent;
        l->end_seq = a->rack_end;
        l->rtt = naru_tcp_us(a->now - a->rack_sent);
    }
}

/* ---- What is lost (step 5) ---- */

/* Step 4, in microseconds. */
static uint32_t reo_wnd(const struct naru_tcp *c)
{
    uint32_t thresh = NARU_MAX((uint32_t)c->more->reordering, NARU_TCP_DUPTHRESH);
    if (c->more->reord_seen == 0 &&
        (c->ca_state >= NARU_CA_RECOVERY || c->more->dupacks >= NARU_TCP_DUPTHRESH ||
         naru_tcp_segments(c->more->sacked, c->snd.mss) >= thresh))
        return 0;
    uint64_t wnd = ((uint64_t)c->more->reo_wnd_mult + 1) * c->min_rtt / 4;
    return (uint32_t)NARU_MIN(wnd, (uint64_t)c->srtt);
}

/* RACK_sent_after, turned round. */
static bool sent_before(const struct naru_tcp_sent *r, const struct naru_tcp_loss *l)
{
    return r->sent_at < l->xmit_ts ||
           (r->sent_at == l->xmit_ts && naru_seq_before(r->end, l->end_seq));
}

static naru_time expiry(const struct naru_tcp_loss *l, naru_time sent_at, uint32_t wnd)
{
    return sent_at + NARU_US((naru_time)l->rtt + wnd);
}

static bool gone(const struct naru_tcp_sent *r) /* arrived, or known to be lost */
{
    return (r->flags & NARU_TCP_SENT_SACKED) ||
           (r->flags & (NARU_TCP_SENT_LOST | NARU_TCP_SENT_RETRANS)) == NARU_TCP_SENT_LOST;
}

/* When the last of what was sent once, before RACK.xmit_ts, will be lost; down to record i. */
static naru_time newest_expiry(struct naru_tcp *c, unsigned i, uint32_t wnd)
{
    const struct naru_tcp_loss *l = c->more->loss;
    naru_time at = expiry(l, naru_tcp_sent_at(c, i)->sent_at, wnd);
    unsigned top = naru_tcp_sent_find(c, naru_seq_sub(l->end_seq, 1));
    top = NARU_MIN(top, naru_tcp_sent_count(c) - 1);
    for (unsigned k = top; k > i && top - k < NEWEST_STEPS; k--) {
        const struct naru_tcp_sent *r = naru_tcp_sent_at(c, k);
        if (!gone(r) && !(r->flags & NARU_TCP_SENT_EVER) && sent_before(r, l))
            return NARU_MAX(at, expiry(l, r->sent_at, wnd));
    }
    return at;
}

/* What was sent once; when something of it that is not lost yet will be, or NARU_NEVER. */
static naru_time detect_once(struct naru_tcp *c, uint32_t wnd, naru_time now)
{
    naru_seq from = naru_seq_max(c->more->lost_upto, c->snd.una);
    unsigned i = naru_tcp_sent_find(c, from);
    for (; i < naru_tcp_sent_count(c); i++) {
        struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
        if (!gone(r) && !(r->flags & NARU_TCP_SENT_EVER)) {
            if (!sent_before(r, c->more->loss))
                return NARU_NEVER;
            if (expiry(c->more->loss, r->sent_at, wnd) > now)
                return newest_expiry(c, i, wnd);
            naru_tcp_recover_mark(c, r);
        }
        c->more->lost_upto = r->end;
    }
    return NARU_NEVER;
}

/* What was sent more than once, with all records looked at; when to look again. */
static naru_time detect_again(struct naru_tcp *c, uint32_t wnd, naru_time now)
{
    struct naru_tcp_loss *l = c->more->loss;
    naru_time next = NARU_NEVER;
    l->rtx_oldest = NARU_NEVER;
    l->rtx_look_at = now + NARU_MAX(NARU_US((naru_time)c->srtt / LOOKS_PER_RTT), LOOK_MIN);
    for (unsigned i = 0; i < naru_tcp_sent_count(c); i++) {
        struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
        if (!(r->flags & NARU_TCP_SENT_EVER) || gone(r))
            continue;
        bool before = sent_before(r, l);
        if (before && expiry(l, r->sent_at, wnd) <= now) {
            naru_tcp_recover_mark(c, r);
            continue;
        }
        l->rtx_oldest = NARU_MIN(l->rtx_oldest, r->sent_at);
        if (before)
            next = NARU_MIN(next, expiry(l, r->sent_at, wnd));
    }
    return next == NARU_NEVER ? next : NARU_MAX(next, l->rtx_look_at);
}

NARU_NOINLINE void naru_tcp_rack_detect(struct naru_tcp *c, naru_time now)
{
    struct naru_tcp_loss *l = c->more->loss;
    if (l->xmit_ts == NARU_TCP_NO_TIME || naru_tcp_sent_count(c) == 0)
        return;
    if (naru_seq_len(c->snd.una, c->more->lost_upto) > naru_tcp_flight(c))
        c->more->lost_upto = c->snd.una; /* it may be half a circle old */
    uint32_t wnd = reo_wnd(c);
    naru_time at = detect_once(c, wnd, now);
    if (l->rtx_oldest <= l->xmit_ts) {
        naru_time due = NARU_MAX(expiry(l, l->rtx_oldest, wnd), l->rtx_look_at);
        if (due <= now)
            due = detect_again(c, wnd, now);
        at = at == NARU_NEVER || due == NARU_NEVER ? NARU_MIN(at, due) : NARU_MAX(at, due);
    }
    if (at != NARU_NEVER) /* acknowledgements that come before act by the exact window */
        naru_tcp_timer_reordering(c, at + NARU_US((naru_time)c->min_rtt / TIMER_SLACK));
}

/* 6.3: is r lost when RTO fires?  What was sent just now is not. */
bool naru_tcp_rack_expired(struct naru_tcp *c, const struct naru_tcp_sent *r, naru_time now)
{
    bool known = c->more->loss != NULL && c->more->loss->xmit_ts != NARU_TCP_NO_TIME;
    uint32_t rtt = known ? c->more->loss->rtt : c->srtt;
    return r->sent_at + NARU_US((naru_time)rtt + reo_wnd(c)) <= now;
}

void naru_tcp_rack_resent(struct naru_tcp *c, naru_time now)
{
    if (c->more->loss != NULL)
        c->more->loss->rtx_oldest = NARU_MIN(c->more->loss->rtx_oldest, now);
}
