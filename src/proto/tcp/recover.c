/*
 * What is lost, and when to send it again.
 *
 * With SACK losses are found by time (rack.c), and a range is lost at once when three segments'
 * worth above it have arrived.  Without memory for that, RFC 6675: three segments' worth above it,
 * or three separate ranges.  Without SACK, RFC 6582 (NewReno): each duplicate acknowledgement
 * stands for one segment that has arrived, so that one rule for sending serves both; a partial
 * acknowledgement points at the next loss.  Limited transmit (RFC 3042) needs no code: what has
 * arrived makes room for new data.
 *
 * Phases, as Linux names them: OPEN, DISORDER (something beyond a hole has arrived), RECOVERY (fast
 * retransmit happened; prr.c says how much may go), LOSS (RTO).  The last two end when RECOVER is
 * acknowledged, or when it turns out that nothing was lost (undo.c).  CWR is a recovery in which
 * nothing is lost: the path has marked what we sent (RFC 3168 6.1.2).  It ends with the first
 * acknowledgement of something beyond RECOVER, which is of the segment that said CWR: what comes
 * before may report the same marks still.
 *
 * After RTO the first acknowledgement is answered with new data, if there are any; when it or the
 * next is of something that was never sent again, RTO was wrong (F-RTO, RFC 5682 3.2).
 */
#include "proto/tcp/internal.h"

void naru_tcp_recover_phase(struct naru_tcp *c, enum naru_ca_state to)
{
    c->ca_state = (uint8_t)to;
    naru_tcp_set_slow(c, NARU_TCP_SLOW_LOSS,
                      to != NARU_CA_OPEN || c->more->sacked > 0 ||
                          (c->flags & NARU_TCP_F_TLP) != 0);
}

void naru_tcp_recover_mark(struct naru_tcp *c, struct naru_tcp_sent *r)
{
    if (naru_seq_before(r->start, c->more->rtx_next))
        c->more->rtx_next = r->start;
    const uint8_t kept = NARU_TCP_SENT_EVER | NARU_TCP_SENT_EVEN;
    naru_tcp_sent_flag(c, r, (uint8_t)((r->flags & kept) | NARU_TCP_SENT_LOST));
}

static bool has_rack(const struct naru_tcp *c)
{
    return c->more->loss != NULL && (c->flags & NARU_TCP_F_SACK);
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
    naru_tcp_recover_mark(c, r);
}

/*
 * RFC 6675 IsLost: everything below the returned point that has not arrived is lost.  Looks from
 * the top down, and only until three ranges or enough bytes were seen.
 */
static NARU_NOINLINE bool lost_edge(struct naru_tcp *c, naru_seq *edge)
{
    uint32_t bytes = 0;
    unsigned ranges = 0;
    for (unsigned i = naru_tcp_sent_find(c, naru_seq_sub(c->more->high_sacked, 1)) + 1; i-- > 0;) {
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
    naru_seq edge, from = naru_seq_max(c->more->lost_upto, c->snd.una);
    if (c->more->sacked == 0 || !lost_edge(c, &edge) || naru_seq_before_eq(edge, from))
        return;
    for (unsigned i = naru_tcp_sent_find(c, from); i < naru_tcp_sent_count(c); i++) {
        struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
        if (naru_seq_after_eq(r->start, edge))
            break;
        if (!(r->flags & (NARU_TCP_SENT_SACKED | NARU_TCP_SENT_LOST)))
            naru_tcp_recover_mark(c, r);
    }
    c->more->lost_upto = edge;
}

static void reno_dup(struct naru_tcp *c)
{
    uint32_t most = naru_tcp_flight(c) > c->snd.mss ? naru_tcp_flight(c) - c->snd.mss : 0;
    if (!(c->flags & NARU_TCP_F_SACK))
        c->more->reno = NARU_MIN(c->more->reno + c->snd.mss, most);
}

static void reno_acked(struct naru_tcp *c, uint32_t acked)
{
    uint32_t arrived = acked > c->snd.mss ? acked - c->snd.mss : 0;
    c->more->reno = c->more->reno > arrived ? c->more->reno - arrived : 0;
}

void naru_tcp_recover_done(struct naru_tcp *c)
{
    c->more->dupacks = 0;
    c->more->reno = 0;
    c->flags &= ~(uint32_t)(NARU_TCP_F_FORCE | NARU_TCP_F_FRTO);
    naru_tcp_rack_episode_over(c);
    naru_tcp_recover_phase(c, c->more->sacked > 0 ? NARU_CA_DISORDER : NARU_CA_OPEN);
}

/* Fast retransmit (RFC 5681 3.2, RFC 6675 5 (4), RFC 6582 3.2). */
static NARU_NOINLINE void enter_recovery(struct naru_tcp *c, naru_time now)
{
    uint32_t prior_cwnd = c->cwnd;
    bool reduced = c->ca_state == NARU_CA_CWR; /* for this window already */
    (void)naru_tcp_loss_need(c);
    c->more->recover = c->snd.nxt;
    c->more->rtx_next = c->snd.una;
    c->flags &= ~(uint32_t)(NARU_TCP_F_TLP | NARU_TCP_F_TLP_DUE);
    if (!reduced) {
        naru_tcp_cc_loss(c, now);
        naru_tcp_prr_begin(c, prior_cwnd);
    }
    if (!has_rack(c) || c->more->lost == 0) {
        mark_head(c);
        mark_by_sack(c);
        c->flags |= NARU_TCP_F_FORCE;
    }
    naru_tcp_recover_phase(c, NARU_CA_RECOVERY);
}

/* What we sent was marked: less, once for this window (RFC 3168 6.1.2). */
static NARU_NOINLINE void enter_cwr(struct naru_tcp *c, naru_time now)
{
    uint32_t prior_cwnd = c->cwnd;
    (void)naru_tcp_loss_need(c);
    c->more->recover = c->snd.nxt;
    naru_tcp_cc_ece(c, now);
    naru_tcp_prr_begin(c, prior_cwnd);
    naru_tcp_recover_phase(c, NARU_CA_CWR);
}

/* OPEN, DISORDER and CWR: is it time? */
static void watch(struct naru_tcp *c, const struct naru_tcp_acked *a, naru_time now)
{
    naru_seq edge;
    bool cwr = c->ca_state == NARU_CA_CWR, go;
    bool again =
        !cwr && naru_seq_after(c->more->recover, c->snd.una); /* an earlier one is not over */
    if (cwr && naru_seq_after(c->snd.una, c->more->recover)) {
        c->cwnd = c->ssthresh;
        naru_tcp_recover_done(c);
        cwr = false;
    }
    if (a->acked > 0) {
        c->more->dupacks = 0;
        c->more->reno = 0;
        naru_tcp_pull_along(c);
    }
    if (a->dup && c->more->dupacks < UINT8_MAX) {
        c->more->dupacks++;
        reno_dup(c);
    }
    if (has_rack(c)) {
        naru_tcp_rack_detect(c, now);
        go = c->more->lost > c->more->retrans;
    } else if (c->flags & NARU_TCP_F_SACK) {
        go = !again && ((c->more->sacked > 0 && lost_edge(c, &edge)) || c->more->dupacks >= 3);
    } else {
        go = !again && c->more->dupacks >= NARU_TCP_DUPTHRESH;
    }
    if (go && c->more->rare != NULL && naru_tcp_mtu_probe_lost(c))
        naru_tcp_recover_probe(c);
    else if (go)
        enter_recovery(c, now);
    else if (a->ece && !cwr)
        enter_cwr(c, now);
    else if (!cwr)
        naru_tcp_recover_phase(c, c->more->dupacks > 0 || c->more->sacked > 0 ? NARU_CA_DISORDER
                                                                              : NARU_CA_OPEN);
}

/* RECOVERY: what else is lost? */
static void go_on(struct naru_tcp *c, const struct naru_tcp_acked *a, naru_time now)
{
    if (a->dup)
        reno_dup(c);
    if (has_rack(c)) {
        naru_tcp_rack_detect(c, now);
        return;
    }
    if (a->acked > 0) { /* RFC 6582 3.2 (3): a partial acknowledgement */
        reno_acked(c, a->acked);
        c->flags |= NARU_TCP_F_FORCE;
        mark_head(c);
    }
    mark_by_sack(c);
}

/* RFC 5682 3.2.  True: new data are tried before anything else is sent again. */
static bool try_new_data(struct naru_tcp *c, const struct naru_tcp_acked *a)
{
    if (!(c->flags & NARU_TCP_F_FRTO))
        return false;
    if (naru_seq_after(c->snd.nxt, c->more->recover)) { /* 3a: they were, and it was real */
        if (a->dup || a->sacked > 0)
            c->flags &= ~(uint32_t)NARU_TCP_F_FRTO;
        return false;
    }
    if (a->acked == 0)
        return false;
    if (naru_tcp_unsent_new(c) > 0 && c->snd.wnd > naru_tcp_flight(c)) { /* 2b */
        c->due |= NARU_TCP_DUE_DATA;
        return true;
    }
    c->flags &= ~(uint32_t)NARU_TCP_F_FRTO;
    return false;
}

/* LOSS.  True: what is lost waits. */
static bool after_rto(struct naru_tcp *c, const struct naru_tcp_acked *a, bool over, naru_time now)
{
    const uint32_t both = NARU_TCP_F_FRTO | NARU_TCP_F_UNDO;
    bool first_copy = a->once && naru_seq_before(a->once_start, c->more->recover) &&
                      ((c->flags & NARU_TCP_F_SACK) || !a->retransmitted);
    if ((c->flags & both) == both && first_copy) { /* 3b */
        naru_tcp_undo(c);
        return false;
    }
    if (over) {
        naru_tcp_recover_done(c);
        return false;
    }
    if (try_new_data(c, a))
        return true;
    if (has_rack(c))
        naru_tcp_rack_detect(c, now);
    else if (a->acked > 0)
        mark_head(c);
    return false;
}

/* Without SACK: each duplicate acknowledgement stood for a segment (RFC 9937 5). */
static void correct_delivered(const struct naru_tcp *c, struct naru_tcp_acked *a, uint32_t reno)
{
    uint32_t least = NARU_MIN(a->acked, (uint32_t)c->snd.mss);
    if (!(c->flags & NARU_TCP_F_SACK))
        a->delivered =
            a->acked + c->more->reno > reno + least ? a->acked + c->more->reno - reno : least;
}

NARU_NOINLINE void naru_tcp_recover_acked(struct naru_tcp *c, struct naru_tcp_acked *a,
                                          naru_time now)
{
    bool over = naru_seq_after_eq(c->snd.una, c->more->recover), hold = false;
    uint32_t reno = c->more->reno, unrepaired = c->more->lost - c->more->retrans;
    if (a->sacked > 0 || c->ca_state != NARU_CA_OPEN)
        (void)naru_tcp_loss_need(c);
    if (has_rack(c))
        naru_tcp_rack_update(c, a);
    if (a->dsack && c->more->loss != NULL)
        naru_tcp_undo_dsack(c, a);
    if (c->flags & NARU_TCP_F_TLP)
        naru_tcp_tlp_acked(c, a, now);
    if (naru_tcp_undo_try(c, a)) {
        c->due |= NARU_TCP_DUE_DATA;
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
            naru_tcp_recover_done(c);
        } else {
            go_on(c, a, now);
        }
        break;
    case NARU_CA_LOSS:
        hold = after_rto(c, a, over, now);
        break;
    }
    correct_delivered(c, a, reno);
    if (naru_tcp_reduces(c))
        naru_tcp_prr_acked(c, a->delivered,
                           a->acked > 0 && c->more->lost - c->more->retrans <= unrepaired);
    if (hold)
        c->due &= (uint8_t)~NARU_TCP_DUE_RETRANSMIT;
    else if (c->more->lost > c->more->retrans)
        c->due |= NARU_TCP_DUE_RETRANSMIT;
    if (a->dup)
        c->due |= NARU_TCP_DUE_DATA;
}

/* No acknowledgement came, and what might have been late is lost. */
NARU_NOINLINE void naru_tcp_recover_reo(struct naru_tcp *c, naru_time now)
{
    if (!has_rack(c))
        return;
    naru_tcp_rack_detect(c, now);
    if (c->more->lost <= c->more->retrans)
        return;
    if (c->ca_state < NARU_CA_RECOVERY)
        enter_recovery(c, now);
    if (c->ca_state == NARU_CA_RECOVERY)
        naru_tcp_prr_acked(c, c->snd.mss, false);
    c->due |= NARU_TCP_DUE_RETRANSMIT;
}

/*
 * RTO (RFC 5681 3.1, RFC 6675 5.1): all that is not known to have arrived is lost, but for what was
 * sent less than a round trip ago (RFC 8985 6.3), and is sent again in slow start.  If the peer
 * forgot what it had (its head is marked as arrived and yet not acknowledged: RFC 2018 8), nothing
 * it said counts any more.
 */
void naru_tcp_recover_rto(struct naru_tcp *c, naru_time now)
{
    if (naru_tcp_sent_count(c) == 0)
        return;
    bool reneged = (naru_tcp_sent_at(c, 0)->flags & NARU_TCP_SENT_SACKED) != 0;
    bool fresh = c->ca_state < NARU_CA_RECOVERY;
    bool first =
        (fresh && c->ca_state != NARU_CA_CWR) || naru_seq_after_eq(c->snd.una, c->more->recover);
    (void)naru_tcp_loss_need(c);
    naru_tcp_cc_rto(c, first, now);
    for (unsigned i = 0; i < naru_tcp_sent_count(c); i++) {
        struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
        if (r->flags & NARU_TCP_SENT_SACKED ? reneged : i == 0 || naru_tcp_rack_expired(c, r, now))
            naru_tcp_recover_mark(c, r);
        i -= naru_tcp_sent_merge_before(c, i); /* so that there is room to tell them apart again */
    }
    c->cwnd = naru_tcp_pipe(c) + c->snd.mss; /* RFC 5681 3.1: the loss window */
    c->more->recover = c->snd.nxt;
    c->more->rtx_next = c->more->lost_upto = c->snd.una;
    c->more->dupacks = 0;
    c->more->reno = 0;
    c->flags &= ~(uint32_t)(NARU_TCP_F_FRTO | NARU_TCP_F_TLP | NARU_TCP_F_TLP_DUE);
    c->flags |= NARU_TCP_F_FORCE;
    if (fresh || c->more->retransmits > 1)
        c->flags |= NARU_TCP_F_FRTO;
    naru_tcp_recover_phase(c, NARU_CA_LOSS);
    c->due |= NARU_TCP_DUE_RETRANSMIT;
}

/* Lost is what is marked; it is repaired, but cwnd stays. */
static void without_blame(struct naru_tcp *c)
{
    c->more->rtx_next = c->snd.una;
    c->more->recover = c->snd.nxt;
    c->flags |= NARU_TCP_F_FORCE;
    c->ssthresh = NARU_MAX(c->cwnd, 2u * c->snd.mss);
    if (c->ca_state < NARU_CA_RECOVERY) {
        naru_tcp_prr_begin(c, c->cwnd);
        naru_tcp_recover_phase(c, NARU_CA_RECOVERY);
    }
    c->due |= NARU_TCP_DUE_RETRANSMIT;
}

void naru_tcp_recover_probe(struct naru_tcp *c)
{
    if (c->more->lost == 0)
        mark_head(c);
    without_blame(c);
}

/* Segments in flight are too big for the path (RFC 1191 6.4): again, without blame. */
void naru_tcp_recover_pmtu(struct naru_tcp *c)
{
    if (!naru_tcp_more_need(c))
        return; /* then RTO does it */
    for (unsigned i = 0; i < naru_tcp_sent_count(c); i++) {
        struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
        if (!(r->flags & NARU_TCP_SENT_SACKED))
            naru_tcp_sent_flag(c, r, (r->flags & NARU_TCP_SENT_EVER) | NARU_TCP_SENT_LOST);
    }
    if (c->more->lost > 0)
        without_blame(c);
}

uint32_t naru_tcp_recover_next(struct naru_tcp *c, uint32_t max, naru_seq *start)
{
    if (c->more->lost <= c->more->retrans)
        return 0;
    naru_seq from = naru_seq_max(c->more->rtx_next, c->snd.una);
    for (unsigned i = naru_tcp_sent_find(c, from); i < naru_tcp_sent_count(c); i++) {
        const struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
        if ((r->flags & (NARU_TCP_SENT_LOST | NARU_TCP_SENT_RETRANS)) != NARU_TCP_SENT_LOST)
            continue;
        *start = naru_seq_max(r->start, from);
        return NARU_MIN(max, naru_seq_len(*start, r->end));
    }
    c->more->rtx_next = c->snd.una;
    return 0;
}

void naru_tcp_recover_sent(struct naru_tcp *c, naru_seq start, uint32_t len, naru_time now)
{
    naru_seq end = naru_seq_add(start, len);
    unsigned i = naru_tcp_sent_find(c, start);
    struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
    (void)naru_tcp_rare_need(c); /* while it is known since when there is something to do */
    if (len % c->snd.mss != 0 && !naru_seq_eq(end, r->end))
        naru_tcp_sent_flag(c, r, (uint8_t)(r->flags & ~NARU_TCP_SENT_EVEN)); /* cut otherwise */
    if (naru_seq_after(r->end, end) && naru_tcp_sent_split(c, i, end))
        r = naru_tcp_sent_at(c, i);
    if (naru_seq_before(r->start, start) && naru_tcp_sent_split(c, i, start))
        r = naru_tcp_sent_at(c, ++i);
    /* Without memory for a split, all of the record counts as sent again; RTO sees to the rest. */
    naru_tcp_sent_stamp(c, r, now);
    bool probe = !(r->flags & NARU_TCP_SENT_LOST); /* is not counted: it is thought to be there */
    naru_tcp_sent_flag(c, r, r->flags | NARU_TCP_SENT_EVER | (probe ? 0 : NARU_TCP_SENT_RETRANS));
    naru_tcp_rack_resent(c, now);
    if (!probe) {
        c->more->rtx_next = end;
        naru_tcp_undo_resent(c, len, now);
        if (c->ca_state == NARU_CA_RECOVERY && c->more->loss != NULL)
            c->more->loss->prr_out += len;
    }
    naru_tcp_sent_merge(c, i);
}
