/*
 * What is lost, and when to send it again.
 *
 * With SACK RFC 6675: a range is lost when three segments' worth above it, or three separate
 * ranges, have arrived; pipe (internal.h) says how much may be in flight.  Without, RFC 6582
 * (NewReno): each duplicate acknowledgement stands for one segment that has arrived, so that one
 * rule for sending serves both; a partial acknowledgement points at the next loss.  Limited
 * transmit (RFC 3042) needs no code: what has arrived makes room for new data.
 *
 * Phases, as Linux names them: OPEN, DISORDER (something beyond a hole has arrived), RECOVERY (fast
 * retransmit happened), LOSS (RTO).  The last two end when RECOVER is acknowledged.
 *
 * When the acknowledgement of something sent twice echoes the timestamp of the first copy, nothing
 * had been lost but time (Eifel, RFC 3522 and 4015): cwnd and ssthresh become what they were.
 *
 * The place for RACK-TLP (8985), PRR (6937) and F-RTO (5682) is here: records know when each range
 * was sent, struct naru_tcp_acked tells what arrived.
 */
#include "proto/tcp/internal.h"

static void phase(struct naru_tcp *c, enum naru_ca_state to)
{
    c->ca_state = (uint8_t)to;
    naru_tcp_set_slow(c, NARU_TCP_SLOW_LOSS, to != NARU_CA_OPEN || c->sacked > 0);
}

static void mark_lost(struct naru_tcp *c, struct naru_tcp_sent *r)
{
    if (naru_seq_before(r->start, c->rtx_next))
        c->rtx_next = r->start;
    naru_tcp_sent_flag(c, r, r->flags | NARU_TCP_SENT_LOST);
}

/* The first segment that has not arrived, again if it was sent again already. */
static NARU_NOINLINE void mark_head(struct naru_tcp *c)
{
    if (naru_tcp_sent_count(c) == 0)
        return;
    struct naru_tcp_sent *r = naru_tcp_sent_at(c, 0);
    naru_seq end = naru_seq_add(c->snd.una, c->snd.mss);
    if (r->flags & (NARU_TCP_SENT_SACKED | NARU_TCP_SENT_LOST))
        return;
    if (naru_seq_after(r->end, end) && naru_tcp_sent_split(c, 0, end))
        r = naru_tcp_sent_at(c, 0);
    mark_lost(c, r);
}

/*
 * RFC 6675 IsLost: everything below the returned point that has not arrived is lost.  Looks from
 * the top down, and only until three ranges or enough bytes were seen.
 */
static NARU_NOINLINE bool lost_edge(struct naru_tcp *c, naru_seq *edge)
{
    uint32_t bytes = 0;
    unsigned ranges = 0;
    for (unsigned i = naru_tcp_sent_find(c, naru_seq_sub(c->high_sacked, 1)) + 1; i-- > 0;) {
        const struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
        if (!(r->flags & NARU_TCP_SENT_SACKED))
            continue;
        bytes += naru_seq_len(r->start, r->end);
        ranges++;
        if (bytes > (NARU_TCP_DUPTHRESH - 1) * c->snd.mss || ranges >= NARU_TCP_DUPTHRESH) {
            *edge = r->start;
            return true;
        }
    }
    return false;
}

/* Marks by IsLost what was not looked at before. */
static NARU_NOINLINE void mark_by_sack(struct naru_tcp *c)
{
    naru_seq edge, from = naru_seq_max(c->lost_upto, c->snd.una);
    if (c->sacked == 0 || !lost_edge(c, &edge) || naru_seq_before_eq(edge, from))
        return;
    for (unsigned i = naru_tcp_sent_find(c, from); i < naru_tcp_sent_count(c); i++) {
        struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
        if (naru_seq_after_eq(r->start, edge))
            break;
        if (!(r->flags & (NARU_TCP_SENT_SACKED | NARU_TCP_SENT_LOST)))
            mark_lost(c, r);
    }
    c->lost_upto = edge;
}

static void reno_dup(struct naru_tcp *c)
{
    uint32_t most = naru_tcp_flight(c) > c->snd.mss ? naru_tcp_flight(c) - c->snd.mss : 0;
    if (!(c->flags & NARU_TCP_F_SACK))
        c->reno = NARU_MIN(c->reno + c->snd.mss, most);
}

static void reno_acked(struct naru_tcp *c, uint32_t acked)
{
    uint32_t arrived = acked > c->snd.mss ? acked - c->snd.mss : 0;
    c->reno = c->reno > arrived ? c->reno - arrived : 0;
}

static void done(struct naru_tcp *c)
{
    c->snd.dupacks = 0;
    c->reno = 0;
    c->flags &= ~(uint32_t)(NARU_TCP_F_UNDO | NARU_TCP_F_RETRANS_TS | NARU_TCP_F_FORCE);
    phase(c, c->sacked > 0 ? NARU_CA_DISORDER : NARU_CA_OPEN);
}

/* Fast retransmit (RFC 5681 3.2, RFC 6675 5 (4), RFC 6582 3.2). */
static NARU_NOINLINE void enter_recovery(struct naru_tcp *c, naru_time now)
{
    c->recover = c->snd.nxt;
    c->rtx_next = c->snd.una;
    naru_tcp_cc_loss(c, now);
    mark_head(c);
    mark_by_sack(c);
    c->flags |= NARU_TCP_F_FORCE;
    phase(c, NARU_CA_RECOVERY);
}

/* The first copy had arrived: what is marked as lost and not yet sent again is not lost. */
static NARU_NOINLINE void undo(struct naru_tcp *c)
{
    for (unsigned i = 0; i < naru_tcp_sent_count(c) && c->lost > c->retrans; i++) {
        struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
        if ((r->flags & (NARU_TCP_SENT_LOST | NARU_TCP_SENT_RETRANS)) == NARU_TCP_SENT_LOST)
            naru_tcp_sent_flag(c, r, (uint8_t)(r->flags & ~NARU_TCP_SENT_LOST));
    }
    naru_tcp_cc_undo(c);
    c->recover = c->snd.una;
    c->lost_upto = c->snd.una;
    done(c);
}

/* RFC 3522 3.2 (5): the echoed timestamp is older than our first retransmission. */
static bool spurious(const struct naru_tcp *c, const struct naru_tcp_acked *a)
{
    const uint32_t both = NARU_TCP_F_UNDO | NARU_TCP_F_RETRANS_TS;
    return a->acked > 0 && a->echo_known && (c->flags & both) == both &&
           (int32_t)(a->echo - c->retrans_ts) < 0;
}

/* OPEN and DISORDER: is it time? */
static void watch(struct naru_tcp *c, const struct naru_tcp_acked *a, naru_time now)
{
    naru_seq edge;
    bool again = naru_seq_after(c->recover, c->snd.una); /* an earlier episode is not over */
    if (a->acked > 0) {
        c->snd.dupacks = 0;
        c->reno = 0;
        if (!again)
            c->recover = c->snd.una; /* lest it fall behind by half the circle */
    }
    if (a->dup && c->snd.dupacks < UINT8_MAX) {
        c->snd.dupacks++;
        reno_dup(c);
    }
    if (!again && ((c->flags & NARU_TCP_F_SACK)
                       ? (c->sacked > 0 && lost_edge(c, &edge)) || c->snd.dupacks >= 3
                       : c->snd.dupacks >= NARU_TCP_DUPTHRESH))
        enter_recovery(c, now);
    else
        phase(c, c->snd.dupacks > 0 || c->sacked > 0 ? NARU_CA_DISORDER : NARU_CA_OPEN);
}

void naru_tcp_recover_acked(struct naru_tcp *c, const struct naru_tcp_acked *a, naru_time now)
{
    bool over = naru_seq_after_eq(c->snd.una, c->recover);
    if (c->ca_state >= NARU_CA_RECOVERY && spurious(c, a)) {
        undo(c);
        return;
    }
    switch ((enum naru_ca_state)c->ca_state) {
    case NARU_CA_OPEN:
    case NARU_CA_DISORDER:
    case NARU_CA_CWR:
        watch(c, a, now);
        break;
    case NARU_CA_RECOVERY:
        if (over) {
            c->cwnd = NARU_MAX(c->ssthresh, 2u * c->snd.mss);
            done(c);
            break;
        }
        if (a->dup)
            reno_dup(c);
        if (a->acked > 0) { /* RFC 6582 3.2 (3): a partial acknowledgement */
            reno_acked(c, a->acked);
            c->flags |= NARU_TCP_F_FORCE;
            mark_head(c);
        }
        mark_by_sack(c);
        break;
    case NARU_CA_LOSS:
        if (over)
            done(c);
        else if (a->acked > 0)
            mark_head(c);
        break;
    }
    if (c->lost > c->retrans)
        c->due |= NARU_TCP_DUE_RETRANSMIT;
    if (a->dup)
        c->due |= NARU_TCP_DUE_DATA;
}

/*
 * RTO (RFC 5681 3.1, RFC 6675 5.1): all that is not known to have arrived is lost, and is sent
 * again in slow start.  If the peer forgot what it had (its head is marked as arrived and yet not
 * acknowledged: RFC 2018 8), nothing it said counts any more.
 */
void naru_tcp_recover_rto(struct naru_tcp *c, naru_time now)
{
    unsigned count = naru_tcp_sent_count(c);
    if (count == 0)
        return;
    bool reneged = (naru_tcp_sent_at(c, 0)->flags & NARU_TCP_SENT_SACKED) != 0;
    bool first = c->ca_state <= NARU_CA_DISORDER || naru_seq_after_eq(c->snd.una, c->recover);
    naru_tcp_cc_rto(c, first, now);
    for (unsigned i = 0; i < count; i++) {
        struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
        if (!(r->flags & NARU_TCP_SENT_SACKED) || reneged)
            naru_tcp_sent_flag(c, r, (r->flags & NARU_TCP_SENT_EVER) | NARU_TCP_SENT_LOST);
    }
    c->recover = c->lost_upto = c->snd.nxt;
    c->rtx_next = c->snd.una;
    c->snd.dupacks = 0;
    c->reno = 0;
    c->flags |= NARU_TCP_F_FORCE;
    phase(c, NARU_CA_LOSS);
    c->due |= NARU_TCP_DUE_RETRANSMIT;
}

/* Segments in flight are too big for the path (RFC 1191 6.4): again, without blame. */
void naru_tcp_recover_pmtu(struct naru_tcp *c)
{
    for (unsigned i = 0; i < naru_tcp_sent_count(c); i++) {
        struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
        if (!(r->flags & NARU_TCP_SENT_SACKED))
            naru_tcp_sent_flag(c, r, (r->flags & NARU_TCP_SENT_EVER) | NARU_TCP_SENT_LOST);
    }
    c->rtx_next = c->snd.una;
    if (c->lost > 0) {
        c->recover = c->snd.nxt;
        c->flags |= NARU_TCP_F_FORCE;
        if (c->ca_state <= NARU_CA_DISORDER)
            phase(c, NARU_CA_RECOVERY);
        c->ssthresh = NARU_MAX(c->cwnd, 2u * c->snd.mss);
        c->due |= NARU_TCP_DUE_RETRANSMIT;
    }
}

uint32_t naru_tcp_recover_next(struct naru_tcp *c, uint32_t max, naru_seq *start)
{
    if (c->lost <= c->retrans)
        return 0;
    naru_seq from = naru_seq_max(c->rtx_next, c->snd.una);
    for (unsigned i = naru_tcp_sent_find(c, from); i < naru_tcp_sent_count(c); i++) {
        const struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
        if ((r->flags & (NARU_TCP_SENT_LOST | NARU_TCP_SENT_RETRANS)) != NARU_TCP_SENT_LOST)
            continue;
        *start = naru_seq_max(r->start, from);
        return NARU_MIN(max, naru_seq_len(*start, r->end));
    }
    c->rtx_next = c->snd.una;
    return 0;
}

void naru_tcp_recover_sent(struct naru_tcp *c, naru_seq start, uint32_t len, naru_time now)
{
    naru_seq end = naru_seq_add(start, len);
    unsigned i = naru_tcp_sent_find(c, start);
    struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
    if (naru_seq_after(r->end, end) && naru_tcp_sent_split(c, i, end))
        r = naru_tcp_sent_at(c, i);
    if (naru_seq_before(r->start, start) && naru_tcp_sent_split(c, i, start))
        r = naru_tcp_sent_at(c, ++i);
    /* Without memory for a split, all of the record counts as sent again; RTO sees to the rest. */
    r->sent_at = now;
    naru_tcp_sent_flag(c, r, r->flags | NARU_TCP_SENT_RETRANS | NARU_TCP_SENT_EVER);
    c->rtx_next = end;
    if (!(c->flags & NARU_TCP_F_RETRANS_TS)) {
        c->retrans_ts = naru_tcp_ts_now(c, now);
        c->flags |= NARU_TCP_F_RETRANS_TS;
    }
    naru_tcp_sent_merge(c, i);
}
