/*
 * Fifth check of RFC 9293 3.10.7.4: the ACK field, and all that an acknowledgement means: the send
 * buffer shrinks, the window moves, round trips are measured, losses noticed, the congestion window
 * grows, our FIN may be done.
 */
#include "proto/tcp/internal.h"

/* ---- The window ---- */

/* "If SND.WL1 < SEG.SEQ or (SND.WL1 = SEG.SEQ and SND.WL2 =< SEG.ACK)".  True: it is another one.
 */
static bool update_window(struct naru_tcp *c, const struct naru_tcp_seg *s)
{
    if (naru_seq_after(c->snd.wl1, s->seq) ||
        (naru_seq_eq(c->snd.wl1, s->seq) && naru_seq_after(c->snd.wl2, s->ack)))
        return false;
    bool changed = s->wnd != c->snd.wnd;
    c->snd.wl1 = s->seq;
    c->snd.wl2 = s->ack;
    c->snd.wnd = s->wnd;
    c->snd.wnd_max = NARU_MAX(c->snd.wnd_max, s->wnd);
    return changed;
}

/* Does the window let the next thing go that was held back? */
static bool persist_ends(struct naru_tcp *c, naru_time now)
{
    if (!(c->flags & NARU_TCP_F_PROBING))
        return false;
    uint32_t next = NARU_MIN(naru_tcp_unsent_new(c), (uint32_t)c->snd.mss);
    bool ends = c->snd.wnd >= NARU_MAX(next, 1u);
    if (ends)
        naru_tcp_timer_unblocked(c);
    else
        naru_tcp_timer_probe_answered(c, now);
    return ends;
}

/* ---- Round trips ---- */

static bool echoes(const struct naru_tcp *c, const struct naru_tcp_hdr *h)
{
    return (c->flags & NARU_TCP_F_TIMESTAMPS) && (h->opts & NARU_TCP_OPT_TS) && h->ts_ecr != 0;
}

/* RTO computed as in RFC 6298, no RTT samples from retransmitted data (Karn; MUST-18). */
void naru_tcp_measure(struct naru_tcp *c, const struct naru_tcp_acked *a)
{
    if (a->first_sent != NARU_NEVER && !a->retransmitted) {
        naru_tcp_rtt_sample(c, naru_tcp_us(a->now - a->first_sent));
    } else if (a->acked > 0 && a->echo_known) { /* RFC 7323 4 */
        uint32_t ms = naru_tcp_ts_now(c, a->now) - a->echo;
        if (ms <= NARU_TCP_RTO_MAX / 1000)
            naru_tcp_rtt_sample(c, NARU_MAX(ms, 1u) * 1000);
    }
}

/* ---- What is behind SND.UNA ---- */

/* The user may write again when a third of the buffer is free. */
void naru_tcp_tell_writer(struct naru_tcp *c, naru_time now)
{
    if (c->opt_flags & NARU_TCP_SET_EVENT_ACKED)
        naru_tcp_event(c, NARU_READY_ACKED);
    if (!(c->flags & NARU_TCP_F_NO_SPACE))
        return;
    if (naru_tcp_ready(c) & NARU_READY_WRITE) {
        c->flags &= ~(uint32_t)NARU_TCP_F_NO_SPACE;
        if (c->more->rare != NULL && c->more->rare->limit == NARU_TCP_LIMIT_SNDBUF)
            naru_tcp_rate_limit(c, NARU_TCP_LIMIT_NONE, now);
        naru_tcp_event(c, NARU_READY_WRITE);
    }
}

static void advance(struct naru_tcp *c, naru_seq ack, struct naru_tcp_acked *a)
{
    a->acked = naru_seq_len(c->snd.una, ack);
    c->bytes_acked += a->acked;
    c->snd.una = ack;
    naru_tcp_sent_pop(c, ack, a);
    naru_tcp_sndq_acked(c);
    if (!naru_tcp_is_calm(c) && naru_seq_before(c->more->snd_up, ack))
        c->more->snd_up = ack;
    if (naru_seq_before(c->snd.sml, ack))
        c->snd.sml = ack;
}

/* RFC 5681 2, or with SACK RFC 6675 2: one that tells of something beyond. */
static bool duplicate(const struct naru_tcp *c, const struct naru_tcp_seg *s, bool window_changed,
                      const struct naru_tcp_acked *a)
{
    if (a->acked > 0 || a->prior_flight == 0 || !naru_seq_eq(s->ack, c->snd.una))
        return false;
    if (c->flags & NARU_TCP_F_SACK)
        return a->sacked > 0;
    return s->len == 0 && !s->fin && !window_changed && s->drop == NARU_DROP_NONE;
}

void naru_tcp_ack_process(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    struct naru_tcp_acked a = { .first_sent = NARU_NEVER,
                                .prior_flight = naru_tcp_flight(c),
                                .payload_len = s->len,
                                .now = s->now,
                                .rack_sent = NARU_TCP_NO_TIME,
                                .echo = s->h->ts_ecr,
                                .echo_known = echoes(c, s->h) };
    c->heard_ms = naru_tcp_ms(s->now);
    if (NARU_UNLIKELY(c->more->sacked > 0)) {
        a.sacked_before = true;
        a.fack = c->more->high_sacked;
    }
    if (naru_seq_after(s->ack, c->snd.una)) {
        advance(c, s->ack, &a);
        c->progress |= NARU_TCP_PROGRESS_ANSWERED;
    }
    bool window_changed = update_window(c, s);
    if ((s->h->opts & NARU_TCP_OPT_SACK) && (c->flags & NARU_TCP_F_SACK) && naru_tcp_more_need(c))
        naru_tcp_sack_input(c, s->h, s->ack, &a);
    a.dup = duplicate(c, s, window_changed, &a);
    naru_tcp_measure(c, &a);
    if (a.acked > 0) {
        if ((c->flags & NARU_TCP_F_MORE) && !(c->opt_flags & NARU_TCP_SET_CORK) &&
            ((c->opt_flags & NARU_TCP_SET_NODELAY) || naru_tcp_flight(c) == 0))
            c->flags |= NARU_TCP_F_PUSHED; /* MSG_MORE waits no longer than for this */
        naru_tcp_timer_acked(c, s->now);
        if (!naru_tcp_is_calm(c))
            c->more->soft_error = 0;
    }
    bool unblocked = persist_ends(c, s->now);
    if (NARU_UNLIKELY(c->more->ecn != 0))
        a.ece = naru_tcp_ecn_acked(c, s->h, &a);
    bool amiss = a.dup || a.sacked > 0 || a.dsack || a.ece || (c->slow & NARU_TCP_SLOW_LOSS);
    if (NARU_UNLIKELY(amiss) && naru_tcp_more_need(c)) { /* else RTO notices */
        a.plain = a.acked == 0 && a.sacked == 0 && s->len == 0 && !s->fin && !window_changed;
        naru_tcp_recover_acked(c, &a, s->now);
        if (a.acked > 0 && !(c->flags & NARU_TCP_F_REO))
            naru_tcp_timer_acked(c, s->now); /* it may be over */
    } else if (a.acked > 0) {
        naru_tcp_pull_along(c);
    }
    c->delivered += naru_tcp_segments(a.delivered, c->snd.mss);
    if (NARU_UNLIKELY(c->more->rare != NULL))
        naru_tcp_rate_acked(c, &a);
    if (a.acked > 0) {
        if (!naru_tcp_reduces(c))
            naru_tcp_cc_acked(c, a.delivered, s->now);
        naru_tcp_sndbuf_grow(c);
        naru_tcp_tell_writer(c, s->now);
        naru_tcp_sent_trim(c);
    }
    bool news = a.acked > 0 || window_changed || unblocked || s->len == 0 || a.sacked > 0 ||
                a.dsack || a.ece; /* else it is the peer's data and no more */
    if (news && (naru_tcp_unsent_new(c) > 0 || naru_tcp_fin_unsent(c)))
        c->due |= NARU_TCP_DUE_DATA;
}

/* ---- The check ---- */

/* What an acknowledgement of our FIN does.  False: the connection is gone. */
static bool fin_acked(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    if (!(c->flags & NARU_TCP_F_FIN_SENT) || !naru_seq_eq(c->snd.una, c->snd.nxt))
        return true;
    if (c->state == NARU_TCP_FIN_WAIT_1) {
        naru_tcp_enter(c, NARU_TCP_FIN_WAIT_2, s->now);
        if ((c->flags & NARU_TCP_F_ORPHAN) && naru_tcp_opts(c)->linger2_ms < 0) {
            naru_tcp_die(c, NARU_OK, s->now);
            return false;
        }
    } else if (c->state == NARU_TCP_CLOSING) {
        naru_tcp_enter(c, NARU_TCP_TIME_WAIT, s->now);
    } else if (c->state == NARU_TCP_LAST_ACK) {
        naru_tcp_die(c, NARU_OK, s->now);
        return false;
    }
    return true;
}

/* In SYN-RECEIVED only an ACK of ISS+1 completes; ISS and ISS+2 get RST
 * (C-acceptable-ack-syn-rcvd). */
static bool in_syn_received(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    /* "If SND.UNA < SEG.ACK =< SND.NXT, then enter ESTABLISHED" */
    naru_seq first = naru_seq_add(naru_tcp_iss(c), 1);
    if (naru_seq_len(first, s->ack) > naru_seq_len(first, c->snd.nxt) ||
        (c->flags & NARU_TCP_F_DEFERRED)) {
        s->drop = NARU_DROP_TCP_SYN_RECEIVED_BAD_ACK;
        s->reset = true;
        return false;
    }
    c->snd.una = first;
    if ((c->more->ecn & NARU_TCP_ECN_ACCURATE) && !(s->h->flags & NARU_TCP_SYN))
        (void)naru_tcp_accecn_first(c, s->h, s->len);
    naru_tcp_established(c, s);
    if (naru_seq_eq(first, s->ack))
        return true;
    naru_tcp_ack_process(c, s); /* data went before, perhaps FIN too (RFC 7413) */
    return fin_acked(c, s);
}

/* The check of RFC 5961 5 is in it (MAY-12). */
bool naru_tcp_step_ack(struct naru_tcp *c, struct naru_tcp_seg *s)
{
    if (!s->has_ack) {
        s->drop = NARU_DROP_TCP_NO_ACK;
        return false;
    }
    if (c->state == NARU_TCP_SYN_RECEIVED)
        return in_syn_received(c, s);

    /* RFC 5961 5.2: (SND.UNA - MAX.SND.WND) =< SEG.ACK =< SND.NXT */
    int32_t ahead = naru_seq_diff(c->snd.una, s->ack);
    if (ahead > (int32_t)naru_tcp_flight(c)) {
        s->drop = NARU_DROP_TCP_ACK_INVALID;
        if (c->more->env->config->tcp_answer_unsent || c->state != NARU_TCP_ESTABLISHED)
            naru_tcp_challenge(c, s, NARU_DROP_TCP_ACK_INVALID);
        return false;
    }
    if (ahead < 0) {
        if ((int64_t)ahead + c->snd.wnd_max < 0) {
            naru_tcp_challenge(c, s, NARU_DROP_TCP_ACK_OLD);
            return false;
        }
        if (s->len == 0 && !s->fin && s->drop == NARU_DROP_NONE)
            s->drop = NARU_DROP_TCP_ACK_OLD;
        return true; /* "can be ignored"; its data need not be */
    }
    naru_tcp_ack_process(c, s);
    return fin_acked(c, s);
}
