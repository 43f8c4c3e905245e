/*
 * An arriving segment: RFC 9293 3.10.7, read beside it.
 *
 *   3.10.7.1  CLOSED      reset()
 *   3.10.7.2  LISTEN      is the stack's: it makes a connection of a SYN (naru_tcp_open_passive)
 *   3.10.7.3  SYN-SENT    in_syn.c
 *   3.10.7.4  otherwise   otherwise(): eight checks, one function each
 *
 * Before the first check stands PAWS (RFC 7323 5.3).  The answers of RFC 5961 to forged segments
 * stand inside the second, fourth and fifth.  In front of it all, quick.c takes the segments that
 * make nearly all of the traffic of a connection in ESTABLISHED: the next data, the next ACK; and
 * quick_life.c those with which nearly all begin and end.
 */
#include "proto/tcp/internal.h"

#include "base/pktpool.h"

/* ---- Answers that are rate-limited ---- */

/* One in half a second: two confused peers must not answer each other for ever. */
static bool may_answer(struct naru_tcp *c, naru_time now)
{
    uint32_t ms = naru_tcp_ms(now);
    if ((c->flags & NARU_TCP_F_ANSWERED) && ms - c->challenge_ms < NARU_TCP_ANSWER_MS)
        return false;
    c->flags |= NARU_TCP_F_ANSWERED;
    c->challenge_ms = ms;
    return true;
}

/* RFC 5961 7: limited per connection, so that nobody can count what others are sent. */
NARU_NOINLINE void naru_tcp_challenge(struct naru_tcp *c, struct naru_tcp_seg *s,
                                      enum naru_drop why)
{
    s->drop = why;
    if (!may_answer(c, s->now))
        return;
    c->due |= NARU_TCP_DUE_ACK;
    c->more->env->counters.challenge_acks++;
}

/* "If an incoming segment is not acceptable, an acknowledgment should be sent in reply." */
void naru_tcp_answer_old(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    if (((s->len > 0 || s->fin) && !s->syn) || may_answer(c, s->now))
        c->due |= NARU_TCP_DUE_ACK;
}

/* ---- RFC 7323 ---- */

/* R1: an old timestamp means an old segment.  One that has none is let through, as Linux does. */
static bool step_paws(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    if (!(c->flags & NARU_TCP_F_TIMESTAMPS) || !(s->h->opts & NARU_TCP_OPT_TS) || s->rst)
        return true;
    if ((int32_t)(s->h->ts_val - c->ts_recent) >= 0)
        return true;
    if (naru_tcp_since_ms(s->now, c->heard_ms) > NARU_TCP_PAWS_IDLE)
        return true; /* 5.5: too old to be compared */
    s->drop = NARU_DROP_TCP_PAWS;
    naru_tcp_answer_old(c, s);
    return false;
}

/* R3: what we echo is the timestamp of the segment that covers Last.ACK.sent. */
static void note_timestamp(struct naru_tcp *c, const struct naru_tcp_hdr *h, naru_time now)
{
    if (!(h->opts & NARU_TCP_OPT_TS) || !(c->flags & NARU_TCP_F_TIMESTAMPS))
        return;
    if (naru_seq_after(h->seq, c->rcv.ack))
        return;
    if ((int32_t)(h->ts_val - c->ts_recent) < 0 &&
        naru_tcp_since_ms(now, c->heard_ms) <= NARU_TCP_PAWS_IDLE)
        return;
    c->ts_recent = h->ts_val;
}

/* ---- First check: sequence number ---- */

/* What was received before is cut off the front, and told (RFC 2883). */
static void trim_front(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    uint32_t old = naru_seq_len(s->seq, c->rcv.nxt);
    if (s->syn) { /* the SYN is the first of it */
        s->syn = false;
        s->seq = naru_seq_add(s->seq, 1);
        old--;
    }
    old = NARU_MIN(old, s->len);
    if (old > 0) {
        if ((c->flags & NARU_TCP_F_SACK) && naru_tcp_more_need(c)) {
            c->more->dsack_start = s->seq;
            c->more->dsack_end = naru_seq_add(s->seq, old);
            c->flags |= NARU_TCP_F_DSACK_DUE;
        }
        naru_pkt_pull(s->pkt, old);
        s->len -= old;
        s->seq = naru_seq_add(s->seq, old);
    }
}

/* What does not fit into the window is cut off the end. */
static void trim_back(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    naru_seq edge = naru_seq_add(c->rcv.nxt, c->rcv.wnd);
    naru_seq end = naru_seq_add(s->seq, s->len);
    if (naru_seq_after(end, edge)) {
        s->len -= naru_seq_len(edge, end);
        naru_pkt_trim(s->pkt, s->len);
        s->fin = false;
        c->due |= NARU_TCP_DUE_ACK;
    }
}

static bool acceptable(const struct naru_tcp *c, naru_seq seq, uint32_t seg_len)
{
    int32_t first = naru_seq_diff(c->rcv.nxt, seq);
    int32_t last = naru_seq_diff(c->rcv.nxt, naru_seq_add(seq, seg_len > 0 ? seg_len - 1 : 0));
    int32_t wnd = (int32_t)NARU_MIN(c->rcv.wnd, (uint32_t)INT32_MAX);
    if (seg_len == 0)
        return wnd == 0 ? first == 0 : first >= 0 && first < wnd;
    if (wnd == 0)
        return false;
    return (first >= 0 && first < wnd) || (last >= 0 && last < wnd) || (first < 0 && last >= wnd);
}

/* A crossing SYN, ACK (simultaneous open, figure 8): its SYN is not news, its ACK is. */
static bool crossing_syn(const struct naru_tcp *c, const struct naru_tcp_seg *s)
{
    return c->state == NARU_TCP_SYN_RECEIVED && s->syn && s->has_ack &&
           !(c->flags & NARU_TCP_F_PASSIVE) && naru_seq_eq(s->seq, naru_tcp_irs(c)) &&
           naru_seq_eq(s->ack, c->snd.nxt);
}

/*
 * The last segment again, whose acknowledgement was lost: nothing in it is new, but its timestamp
 * must be echoed (else the peer measures a round trip since the first copy), and its ACK is good.
 */
static bool last_again(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    trim_front(c, s);
    s->fin = false;
    s->drop = NARU_DROP_TCP_DUPLICATE;
    c->due |= NARU_TCP_DUE_ACK;
    return !s->syn && naru_tcp_synchronized(c);
}

/* Outside the window, or inside; with a window of zero ACK, URG and RST still count (MUST-66,
 * MAY-13). */
static bool step_seq(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    uint32_t seg_len = s->len + (s->syn ? 1 : 0) + (s->fin ? 1 : 0);
    if (crossing_syn(c, s)) {
        s->syn = false;
        s->seq = naru_seq_add(s->seq, 1);
        seg_len--;
    }
    if (c->rcv.wnd == 0 && naru_seq_eq(s->seq, c->rcv.nxt) && seg_len > 0 && !s->syn) {
        /* "special allowance should be made to accept valid ACKs, URGs, and RSTs" */
        s->drop = NARU_DROP_TCP_RECV_FULL;
        s->len = 0;
        s->fin = false;
        c->due |= NARU_TCP_DUE_ACK;
        return true;
    }
    if (!acceptable(c, s->seq, seg_len)) {
        bool old = naru_seq_before(s->seq, c->rcv.nxt);
        s->drop = old && s->len > 0 ? NARU_DROP_TCP_DUPLICATE : NARU_DROP_TCP_SEQ;
        if (s->rst) {
            s->drop = NARU_DROP_TCP_RST_IGNORED;
            return false;
        }
        if (c->state == NARU_TCP_SYN_RECEIVED && s->syn && naru_seq_eq(s->seq, naru_tcp_irs(c))) {
            c->due |= c->flags & NARU_TCP_F_DEFERRED ? 0 : NARU_TCP_DUE_SYN;
            return false; /* our SYN, ACK was lost: say it again */
        }
        if (c->state == NARU_TCP_TIME_WAIT && s->fin)
            naru_tcp_timer_entered(c, s->now); /* eighth: restart the 2 MSL time-out */
        if (old && naru_seq_eq(naru_seq_add(s->seq, seg_len), c->rcv.nxt))
            return last_again(c, s);
        if (old && s->len > 0)
            trim_front(c, s);
        naru_tcp_answer_old(c, s);
        return false;
    }
    if (naru_seq_before(s->seq, c->rcv.nxt) && !s->rst)
        trim_front(c, s);
    if (!s->rst)
        trim_back(c, s);
    return true;
}

/* ---- Second check: RST (RFC 5961 3) ---- */

/* What a reset means to the user, by the state and by who opened (MUST-11, MUST-12). */
static enum naru_err reset_error(const struct naru_tcp *c)
{
    bool bsd = c->more->env->config->tcp_bsd;
    switch ((enum naru_tcp_state)c->state) {
    case NARU_TCP_SYN_SENT:
        return NARU_ERR_CONNREFUSED;
    case NARU_TCP_SYN_RECEIVED:
        return c->flags & NARU_TCP_F_PASSIVE ? NARU_ERR_CONNRESET : NARU_ERR_CONNREFUSED;
    case NARU_TCP_CLOSE_WAIT:
        return bsd ? NARU_ERR_CONNRESET : NARU_ERR_PIPE;
    case NARU_TCP_CLOSING:
    case NARU_TCP_LAST_ACK:
        return bsd ? NARU_ERR_CONNRESET : NARU_OK;
    case NARU_TCP_TIME_WAIT:
        return NARU_OK;
    case NARU_TCP_CLOSED:
    case NARU_TCP_LISTEN:
    case NARU_TCP_ESTABLISHED:
    case NARU_TCP_FIN_WAIT_1:
    case NARU_TCP_FIN_WAIT_2:
        break;
    }
    return NARU_ERR_CONNRESET;
}

/* BSD: what answers our SYN, ACK has nothing but RST. */
static bool odd_reset(const struct naru_tcp *c, const struct naru_tcp_seg *s)
{
    return c->more->env->config->tcp_bsd && c->state == NARU_TCP_SYN_RECEIVED &&
           (c->flags & NARU_TCP_F_PASSIVE) && (s->has_ack || s->syn || s->fin);
}

/* With data or without (SHLD-2). */
static bool step_rst(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    if (!s->rst)
        return true;
    if (odd_reset(c, s))
        s->drop = NARU_DROP_TCP_RST_IGNORED;
    else if (naru_seq_eq(s->seq, c->rcv.nxt))
        naru_tcp_die(c, reset_error(c), s->now);
    else
        naru_tcp_challenge(c, s, NARU_DROP_TCP_RST_INEXACT);
    return false;
}

/* ---- Third check: security and compartment.  None here. ---- */

/* ---- Fourth check: SYN (RFC 5961 4) ---- */

static bool step_syn(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    if (!s->syn)
        return true;
    if (c->state == NARU_TCP_SYN_RECEIVED && (c->flags & NARU_TCP_F_PASSIVE)) {
        s->drop = NARU_DROP_TCP_SYN_CHALLENGE;
        s->reset = true;
        naru_tcp_die(c, NARU_ERR_CONNRESET, s->now); /* "return this connection to LISTEN" */
        return false;
    }
    if (c->more->env->config->tcp_rfc793_syn && c->state != NARU_TCP_SYN_RECEIVED) {
        s->drop = NARU_DROP_TCP_SYN_CHALLENGE;
        naru_tcp_die_reset(c, NARU_ERR_CONNRESET, s->now);
        return false;
    }
    naru_tcp_challenge(c, s, NARU_DROP_TCP_SYN_CHALLENGE);
    return false;
}

/* ---- Fifth to eighth: ack.c, data.c ---- */

/* The data of a crossing SYN are the user's now, and may be in this segment again. */
static NARU_NOINLINE void take_queued(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    naru_tcp_take_queued(c, s->now);
    if (naru_seq_before(s->seq, c->rcv.nxt))
        trim_front(c, s);
}

/* BSD: a half-open connection is a line in its listener's list.  Any SYN, wherever it stands, asks
 * for the SYN, ACK again; one with an ACK is nothing. */
static bool half_open_syn(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    if (!c->more->env->config->tcp_bsd || c->state != NARU_TCP_SYN_RECEIVED ||
        !(c->flags & NARU_TCP_F_PASSIVE) || !s->syn || s->rst)
        return false;
    s->drop = NARU_DROP_TCP_SYN_CHALLENGE;
    if (!s->has_ack && !(c->flags & NARU_TCP_F_DEFERRED))
        c->due |= NARU_TCP_DUE_SYN;
    return true;
}

static void otherwise(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    if (half_open_syn(c, s))
        return;
    if (c->state == NARU_TCP_TIME_WAIT && c->more->env->config->tcp_bsd && !s->has_ack && !s->rst) {
        s->drop = NARU_DROP_TCP_NO_ACK;
        return;
    }
    uint32_t len = s->len, gso = s->pkt == NULL ? 0 : s->pkt->offload.gso_size;
    if (!step_paws(c, s))
        return;
    if (!step_seq(c, s))
        return;
    if (!step_rst(c, s))
        return;
    if (!step_syn(c, s))
        return;
    if (s->has_ack && !naru_seq_after(s->ack, c->snd.nxt))
        note_timestamp(c, s->h, s->now); /* of a segment that will not be thrown away */
    if (c->more->ecn & NARU_TCP_ECN_ACCURATE)
        naru_tcp_accecn_in(c, s->h, len, gso);
    bool opening = c->state == NARU_TCP_SYN_RECEIVED;
    if (!naru_tcp_step_ack(c, s))
        return;
    if (s->h->opts & NARU_TCP_OPT_USER_TIMEOUT)
        naru_tcp_uto_input(c, s->h, s->now);
    if (opening && c->more->ooo != NULL)
        take_queued(c, s);
    if (!naru_tcp_step_urg(c, s))
        return;
    if (!naru_tcp_step_text(c, s))
        return;
    naru_tcp_step_fin(c, s);
}

/* 3.10.7.1: "If the state is CLOSED, all data in the incoming segment is discarded." */
static NARU_COLD void closed(struct naru_tcp_seg *s)
{
    s->drop = NARU_DROP_TCP_NO_LISTENER;
    s->reset = true;
}

/* A window is 32 bits wide and never negative (MUST-1, REC-1). */
static struct naru_tcp_seg segment(const struct naru_tcp *c, const struct naru_tcp_hdr *h,
                                   struct naru_pkt *pkt, naru_time now)
{
    return (struct naru_tcp_seg){
        .h = h,
        .pkt = pkt,
        .now = now,
        .seq = h->seq,
        .ack = h->ack,
        .len = pkt == NULL ? 0 : pkt->len,
        .wnd = (uint32_t)h->wnd << (h->flags & NARU_TCP_SYN ? 0 : c->snd.wscale),
        .syn = (h->flags & NARU_TCP_SYN) != 0,
        .fin = (h->flags & NARU_TCP_FIN) != 0,
        .rst = (h->flags & NARU_TCP_RST) != 0,
        .has_ack = (h->flags & NARU_TCP_ACK) != 0,
        .urg = (h->flags & NARU_TCP_URG) != 0,
    };
}

static NARU_NOINLINE struct naru_tcp_verdict by_state(struct naru_tcp *c,
                                                      const struct naru_tcp_hdr *h,
                                                      struct naru_pkt *pkt, naru_time now)
{
    struct naru_tcp_seg s = segment(c, h, pkt, now);
    switch ((enum naru_tcp_state)c->state) {
    case NARU_TCP_CLOSED:
        closed(&s);
        break;
    case NARU_TCP_SYN_SENT:
        naru_tcp_in_syn_sent(c, &s);
        break;
    case NARU_TCP_LISTEN: /* lasts only inside naru_tcp_open_passive */
        NARU_UNREACHABLE();
    case NARU_TCP_SYN_RECEIVED:
    case NARU_TCP_ESTABLISHED:
    case NARU_TCP_FIN_WAIT_1:
    case NARU_TCP_FIN_WAIT_2:
    case NARU_TCP_CLOSE_WAIT:
    case NARU_TCP_CLOSING:
    case NARU_TCP_LAST_ACK:
    case NARU_TCP_TIME_WAIT:
        otherwise(c, &s);
        break;
    }
    naru_pktpool_put(s.pkt);
    return (struct naru_tcp_verdict){ .drop = s.drop, .reset = s.reset && !s.rst };
}

struct naru_tcp_verdict naru_tcp_input(struct naru_tcp *c, const struct naru_tcp_hdr *h,
                                       struct naru_pkt *pkt, naru_time now)
{
    if (naru_tcp_quick_input(c, h, pkt, now) || naru_tcp_quick_life(c, h, pkt, now))
        return (struct naru_tcp_verdict){ .drop = NARU_DROP_NONE };
    naru_tcp_odd(c);
    c->more->env->counters.segments_in++;
    c->segments_in++;
    if (pkt != NULL && pkt->len == 0) {
        naru_pktpool_put(pkt);
        pkt = NULL;
    }
    struct naru_tcp_verdict verdict = by_state(c, h, pkt, now);
    naru_tcp_look_usual(c);
    return verdict;
}
