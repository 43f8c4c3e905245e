/*
 * The life of a connection: memory, opening, the eleven states and their legal edges (RFC 9293
 * 3.3.2, figure 5), the end, and the invariants that hold between any two calls.
 */
#include "proto/tcp/internal.h"

#include "base/mem.h"
#include "base/rand.h"
#include <string.h>

#define S(state) (1u << NARU_TCP_##state)

/* Where each state may go.  A child of a listener is born in LISTEN; RST and abort end any. */
static const uint16_t edges[] = {
    [NARU_TCP_CLOSED] = S(LISTEN) | S(SYN_SENT),
    [NARU_TCP_LISTEN] = S(SYN_RECEIVED),
    [NARU_TCP_SYN_SENT] = S(ESTABLISHED) | S(SYN_RECEIVED) | S(CLOSED),
    [NARU_TCP_SYN_RECEIVED] = S(ESTABLISHED) | S(CLOSED),
    [NARU_TCP_ESTABLISHED] = S(FIN_WAIT_1) | S(CLOSE_WAIT) | S(CLOSED),
    [NARU_TCP_FIN_WAIT_1] = S(FIN_WAIT_2) | S(CLOSING) | S(TIME_WAIT) | S(CLOSED),
    [NARU_TCP_FIN_WAIT_2] = S(TIME_WAIT) | S(CLOSED),
    [NARU_TCP_CLOSE_WAIT] = S(LAST_ACK) | S(CLOSED),
    [NARU_TCP_CLOSING] = S(TIME_WAIT) | S(CLOSED),
    [NARU_TCP_LAST_ACK] = S(CLOSED),
    [NARU_TCP_TIME_WAIT] = S(CLOSED),
};

#undef S

void naru_tcp_event(struct naru_tcp *c, unsigned ready)
{
    c->events = (uint8_t)(c->events | ready);
}

void naru_tcp_set_slow(struct naru_tcp *c, unsigned why, bool on)
{
    c->slow = (uint8_t)(on ? c->slow | why : c->slow & ~why);
}

void naru_tcp_enter(struct naru_tcp *c, enum naru_tcp_state to, naru_time now)
{
    enum naru_tcp_state from = c->state;
    NARU_ASSERT(edges[from] & (1u << to));
    naru_tcp_odd(c);
    c->state = (uint8_t)to;
    naru_tcp_set_slow(c, NARU_TCP_SLOW_STATE, to != NARU_TCP_ESTABLISHED);
    naru_tcp_timer_entered(c, now);
    if (c->more->env->state_changed != NULL)
        c->more->env->state_changed(c->more->env->user, c, from, to);
}

static void forget_sending(struct naru_tcp *c)
{
    naru_tcp_sndq_free(c);
    naru_tcp_sent_free(c);
    naru_tcp_loss_free(c);
    if (!naru_tcp_is_calm(c))
        c->more->reno = 0;
}

NARU_NOINLINE void naru_tcp_die(struct naru_tcp *c, enum naru_err err, naru_time now)
{
    if (c->state == NARU_TCP_CLOSED)
        return; /* a RST may still be due */
    c->due = 0;
    if (err != NARU_OK)
        c->error = (int8_t)err;
    forget_sending(c);
    naru_tcp_ooo_free(c);
    if (c->flags & NARU_TCP_F_ORPHAN)
        naru_tcp_rcvq_free(c);
    naru_tcp_enter(c, NARU_TCP_CLOSED, now);
    naru_tcp_event(c, NARU_READY_READ | NARU_READY_WRITE | NARU_READY_READ_END | NARU_READY_HANGUP |
                          (err != NARU_OK ? NARU_READY_ERROR : 0u));
}

void naru_tcp_die_reset(struct naru_tcp *c, enum naru_err err, naru_time now)
{
    naru_tcp_die(c, err, now);
    c->due = NARU_TCP_DUE_RST;
}

/* ---- Birth ---- */

/* Largest segment really sent = min(peer's MSS, what IP can carry) less the options in use
 * (MUST-16). */
void naru_tcp_update_mss(struct naru_tcp *c)
{
    bool search = c->more->rare != NULL && c->more->rare->mtu_search;
    uint32_t path = search ? c->more->rare->mtu_low : c->mss_path;
    uint32_t mss = NARU_MIN(path, (uint32_t)c->mss_peer);
    if (naru_tcp_opts(c)->maxseg != 0)
        mss = NARU_MIN(mss, (uint32_t)naru_tcp_opts(c)->maxseg);
    mss = NARU_MAX(mss, NARU_TCP_MSS_MIN);
    if (c->flags & NARU_TCP_F_TIMESTAMPS)
        mss -= NARU_TCP_TS_LEN;
    c->snd.mss = (uint16_t)mss;
    c->cwnd = NARU_MAX(c->cwnd, mss);
}

void naru_tcp_set_path(struct naru_tcp *c, const struct naru_tcp_setup *setup)
{
    uint32_t advertised = setup->mss;
    if (naru_tcp_opts(c)->maxseg != 0)
        advertised = NARU_MIN(advertised, (uint32_t)naru_tcp_opts(c)->maxseg);
    c->mss_path = setup->mss;
    c->mss_peer = setup->mss_default;
    c->mss_advertised = (uint16_t)advertised;
    c->ts_offset = setup->secret.ts;
    naru_tcp_update_mss(c);
}

void naru_tcp_init(struct naru_tcp *c, struct naru_tcp_env *env, const struct naru_tcp_setup *setup,
                   naru_time now)
{
    memset(c, 0, sizeof(*c));
    c->more = &env->calm;
    naru_tcp_opts_take(c, setup->like);
    naru_tcp_timer_reset(c);
    naru_tcp_set_slow(c, NARU_TCP_SLOW_STATE, true);
    c->sndbuf = naru_tcp_opts(c)->sndbuf;
    c->rto = NARU_TCP_RTO_INITIAL;
    naru_tcp_set_path(c, setup);
    c->cwnd = NARU_TCP_IW * c->snd.mss;
    c->ssthresh = NARU_TCP_SSTHRESH_INF;
    naru_tcp_rcvwnd_init(c, now);
}

void naru_tcp_deinit(struct naru_tcp *c)
{
    forget_sending(c);
    naru_tcp_ooo_free(c);
    naru_tcp_rcvq_free(c);
    naru_tcp_rare_free(c);
    naru_tcp_opts_drop(c);
    naru_tcp_timer_reset(c);
    naru_tcp_more_free(c);
    c->due = 0;
    c->state = NARU_TCP_CLOSED;
}

static void start(struct naru_tcp *c, naru_seq iss, naru_time now)
{
    NARU_ASSERT(c->state == NARU_TCP_CLOSED && c->snd_last == NULL);
    c->snd.una = iss;
    c->snd.nxt = c->snd.end = c->snd.sml = naru_seq_add(iss, 1);
    if (!naru_tcp_is_calm(c))
        naru_tcp_more_tell(c);
    c->sent_at = now;
    naru_tcp_rcvwnd_init(c, now);
    c->rcv.mss = (uint16_t)NARU_MIN(NARU_MIN(c->rcv.buf / 2, 536u), (uint32_t)c->mss_advertised);
}

void naru_tcp_open(struct naru_tcp *c, naru_seq iss, naru_time now)
{
    start(c, iss, now);
    naru_tcp_enter(c, NARU_TCP_SYN_SENT, now);
    c->due |= NARU_TCP_DUE_SYN;
}

/* What the other side said about itself in its SYN (or SYN, ACK). */
void naru_tcp_sync_options(struct naru_tcp *c, const struct naru_tcp_hdr *syn, naru_time now)
{
    const struct naru_config *config = c->more->env->config;
    if ((syn->opts & NARU_TCP_OPT_MSS) && syn->mss != 0)
        c->mss_peer = syn->mss;
    bool more = !(c->opt_flags & NARU_TCP_SET_NO_OPTIONS);
    if (more && (syn->opts & NARU_TCP_OPT_TS) && config->tcp_timestamps) {
        c->flags |= NARU_TCP_F_TIMESTAMPS;
        c->ts_recent = syn->ts_val;
    }
    if (more && (syn->opts & NARU_TCP_OPT_SACK_OK) && config->tcp_sack)
        c->flags |= NARU_TCP_F_SACK;
    if (more && (syn->opts & NARU_TCP_OPT_WSCALE) && config->tcp_window_scale) {
        c->flags |= NARU_TCP_F_WSCALE;
        c->snd.wscale = (uint8_t)NARU_MIN((unsigned)syn->wscale, 14u); /* RFC 7323 2.3 */
        c->rcv.wscale = c->more->env->wscale;
    }
    if (syn->opts & NARU_TCP_OPT_USER_TIMEOUT)
        naru_tcp_uto_input(c, syn, now);
    naru_tcp_update_mss(c);
    naru_tcp_rcvwnd_whole(c);
    c->heard_ms = naru_tcp_ms(now);
    c->rcv.nxt = c->rcv.ack = c->space_seq = naru_seq_add(syn->seq, 1);
    if (!(c->flags & NARU_TCP_F_TIMESTAMPS)) {
        c->space_rtt_seq = c->rcv.nxt;
        c->space_rtt_at = 0;
    }
    if (!naru_tcp_is_calm(c))
        c->more->irs = c->more->rcv_up = syn->seq;
    c->snd.wnd = c->snd.wnd_max = syn->wnd; /* never scaled (RFC 7323 2.2) */
    c->snd.wl1 = syn->seq;
    c->snd.wl2 = c->snd.una;
}

/* It came from LISTEN, and that is remembered (MUST-11). */
void naru_tcp_open_passive(struct naru_tcp *c, const struct naru_tcp_hdr *syn, naru_seq iss,
                           bool defer_answer, naru_time now)
{
    start(c, iss, now);
    c->flags |= NARU_TCP_F_PASSIVE;
    c->segments_in = 1; /* SYN; the answer to it is not counted (Linux) */
    naru_tcp_enter(c, NARU_TCP_LISTEN, now);
    naru_tcp_sync_options(c, syn, now);
    naru_tcp_ecn_syn_in(c, syn);
    naru_tcp_enter(c, NARU_TCP_SYN_RECEIVED, now);
    if (defer_answer)
        c->flags |= NARU_TCP_F_DEFERRED;
    else
        c->due |= NARU_TCP_DUE_SYN;
}

void naru_tcp_answer(struct naru_tcp *c, naru_time now)
{
    (void)now;
    if (c->state != NARU_TCP_SYN_RECEIVED || !(c->flags & NARU_TCP_F_DEFERRED))
        return;
    c->flags &= ~(uint32_t)NARU_TCP_F_DEFERRED;
    c->due |= NARU_TCP_DUE_SYN;
}

bool naru_tcp_defer_accept(struct naru_tcp *c, const struct naru_tcp_hdr *h, size_t payload_len,
                           naru_time now)
{
    uint32_t ms = naru_tcp_opts(c)->defer_accept_ms;
    naru_time until = c->sent_at + NARU_MS(ms);
    if (ms == 0 || c->state != NARU_TCP_SYN_RECEIVED || payload_len > 0 || now >= until ||
        (h->flags & (NARU_TCP_SYN | NARU_TCP_FIN | NARU_TCP_ACK)) != NARU_TCP_ACK ||
        !naru_seq_eq(h->ack, c->snd.nxt))
        return false;
    naru_tcp_timer_hold_syn(c, until);
    return true;
}

void naru_tcp_open_cookie(struct naru_tcp *c, const struct naru_tcp_cookie *cookie, naru_time now)
{
    struct naru_tcp_hdr syn = { .seq = cookie->irs,
                                .flags = NARU_TCP_SYN,
                                .opts = NARU_TCP_OPT_MSS,
                                .mss = cookie->mss,
                                .wscale = cookie->wscale,
                                .ts_val = cookie->ts_val };
    if (cookie->timestamps)
        syn.opts |= NARU_TCP_OPT_TS;
    if (cookie->sack)
        syn.opts |= NARU_TCP_OPT_SACK_OK;
    if (cookie->window_scale)
        syn.opts |= NARU_TCP_OPT_WSCALE;
    if (cookie->ecn)
        syn.flags |= NARU_TCP_ECE | NARU_TCP_CWR;
    naru_tcp_open_passive(c, &syn, cookie->iss, false, now);
    c->due = 0;
    c->flags |= NARU_TCP_F_SYN_SENT;
    c->snd.lone = NARU_TCP_SENT_EVER; /* when the cookie went out is not known: no round trip */
    c->more->env->counters.cookies_accepted++;
    (void)naru_tcp_rcvwnd_select(c, true);
    naru_tcp_timer_sent(c, now);
}

/* ---- Invariants ---- */

static void check_sending(struct naru_tcp *c)
{
    uint32_t flight = naru_tcp_flight(c);
    naru_seq limit = naru_seq_add(c->snd.end, c->flags & NARU_TCP_F_FIN_SENT ? 1 : 0);
    NARU_ASSERT(naru_seq_before_eq(c->snd.una, c->snd.nxt));
    NARU_ASSERT(naru_seq_before_eq(c->snd.nxt, limit));
    NARU_ASSERT(naru_tcp_is_calm(c) || naru_seq_before_eq(c->more->iss, c->snd.una) ||
                c->bytes_acked > 0x40000000u);
    NARU_ASSERT(c->snd.mss > 0);
    if (naru_tcp_synchronized(c)) {
        naru_tcp_sent_check(c);
        naru_tcp_sndq_check(c);
        NARU_ASSERT(c->more->sacked + c->more->lost - c->more->retrans <= flight);
        NARU_ASSERT(c->cwnd >= c->snd.mss || c->state == NARU_TCP_TIME_WAIT);
        /* What is unacknowledged has a timer, or its retransmission is due. */
        NARU_ASSERT(flight == 0 || c->timer[NARU_TCP_TIMER_RETRANSMIT] != NARU_NEVER);
    }
    bool waits = naru_tcp_may_send(c) && flight == 0 &&
                 (naru_tcp_unsent_new(c) > 0 || naru_tcp_fin_unsent(c));
    NARU_ASSERT(!waits || (c->due & NARU_TCP_DUE_DATA) ||
                c->timer[NARU_TCP_TIMER_RETRANSMIT] != NARU_NEVER ||
                naru_tcp_deadline(c) != NARU_NEVER);
    if (c->state == NARU_TCP_SYN_SENT || c->state == NARU_TCP_SYN_RECEIVED)
        NARU_ASSERT((c->due & NARU_TCP_DUE_SYN) || (c->flags & NARU_TCP_F_DEFERRED) ||
                    c->timer[NARU_TCP_TIMER_RETRANSMIT] != NARU_NEVER);
}

void naru_tcp_check(struct naru_tcp *c)
{
    NARU_ASSERT(c->state <= NARU_TCP_TIME_WAIT && c->state != NARU_TCP_LISTEN);
    naru_tcp_more_check(c->more->env);
    naru_tcp_rcvq_check(c);
    NARU_ASSERT((c->slow & NARU_TCP_SLOW_STATE) || c->state == NARU_TCP_ESTABLISHED);
    NARU_ASSERT(!(c->more->ecn & NARU_TCP_ECN_ACCURATE) || c->more->rare != NULL);
    if (c->state == NARU_TCP_CLOSED) {
        NARU_ASSERT((c->due & ~NARU_TCP_DUE_RST) == 0);
        NARU_ASSERT(naru_tcp_deadline(c) == NARU_NEVER);
        NARU_ASSERT(c->snd_last == NULL && c->more->ring == NULL && c->more->ooo == NULL &&
                    c->more->loss == NULL);
        return;
    }
    check_sending(c);
    if (!naru_tcp_synchronized(c))
        return;
    naru_tcp_ooo_check(c);
    NARU_ASSERT((c->more->ooo != NULL) == ((c->slow & NARU_TCP_SLOW_OOO) != 0));
    NARU_ASSERT(!(c->flags & NARU_TCP_F_FIN_RECEIVED) || c->more->ooo == NULL);
    NARU_ASSERT(naru_seq_before_eq(c->rcv.ack, c->rcv.nxt));
    /* What is unacknowledged is acknowledged soon (MUST-40). */
    NARU_ASSERT(naru_seq_eq(c->rcv.ack, c->rcv.nxt) || (c->due & NARU_TCP_DUE_ACK) ||
                c->timer[NARU_TCP_TIMER_ACK] != NARU_NEVER || c->state == NARU_TCP_TIME_WAIT);
}
