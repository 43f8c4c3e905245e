/*
 * All timers of a connection.  Others tell what happened; only this file sets an instant.
 *
 * An instant is a number in the connection, so that moving one with each segment is a store; the
 * stack keeps one place in its wheel for the earliest and may keep it too early (RFC 6298 5, 5.3).
 *
 *   RETRANSMIT  SYN, data or FIN are unacknowledged: RTO; or, sooner, a tail loss probe (PTO: RFC
 *               8985 7.2) or what is beyond a hole may be late no longer (REO: 6.2).  Or nothing is
 *               in flight and the window holds data back: the persist timer (RFC 9293 3.8.6.1),
 *               PROBING tells
 *   ACK         an acknowledgement may wait no longer (RFC 9293 3.8.6.3)
 *   IDLE        keep-alive (3.8.4), FIN-WAIT-2 without a holder, 2 MSL
 *   GIVE_UP     user timeout since the first retransmission or probe (3.8.3, RFC 5482)
 *   PACE        a corked segment has waited long enough; the next burst may go (pace.c)
 *
 * R1 (3.8.3, "advise IP") needs no call: a connection without progress confirms its neighbour no
 * more, and that machine then probes it by itself (RFC 4861 7.3.1).
 */
#include "proto/tcp/internal.h"

#define SOONER (NARU_TCP_F_PTO | NARU_TCP_F_PTO_ALONE | NARU_TCP_F_REO | NARU_TCP_F_TLP_DUE)

static void set(struct naru_tcp *c, enum naru_tcp_timer which, naru_time at)
{
    if (which < NARU_TCP_TIMERS_OFTEN)
        c->timer[which] = at;
    else if (at != c->more->timer[which - NARU_TCP_TIMERS_OFTEN] && naru_tcp_more_need(c))
        c->more->timer[which - NARU_TCP_TIMERS_OFTEN] = at;
}

static naru_time when(const struct naru_tcp *c, enum naru_tcp_timer which)
{
    return which < NARU_TCP_TIMERS_OFTEN ? c->timer[which]
                                         : c->more->timer[which - NARU_TCP_TIMERS_OFTEN];
}

/* Of what the peer did not answer nothing is left. */
static void no_probes(struct naru_tcp *c)
{
    if (!naru_tcp_is_calm(c))
        c->more->probes = 0;
}

static void probe_answered(struct naru_tcp *c)
{
    if (!naru_tcp_is_calm(c))
        c->more->probes = c->more->backoff = 0;
}

static void answered(struct naru_tcp *c)
{
    if (!naru_tcp_is_calm(c))
        c->more->retransmits = c->more->backoff = c->more->probes = 0;
}

static bool armed(const struct naru_tcp *c, enum naru_tcp_timer which)
{
    return when(c, which) != NARU_NEVER;
}

void naru_tcp_timer_reset(struct naru_tcp *c)
{
    for (unsigned i = 0; i < NARU_TCP_TIMERS_OFTEN; i++)
        c->timer[i] = NARU_NEVER;
    c->flags &= ~(uint32_t)(NARU_TCP_F_PROBING | SOONER);
    if (naru_tcp_is_calm(c))
        return;
    for (unsigned i = 0; i < NARU_ARRAY_LEN(c->more->timer); i++)
        c->more->timer[i] = NARU_NEVER;
    answered(c);
    if (c->more->rare != NULL)
        c->more->rare->pacing = false;
}

/* Gives the connection user_timeout from the first sign that the peer does not answer. */
static void start_giving_up(struct naru_tcp *c, naru_time now)
{
    naru_time span = naru_tcp_user_timeout(c);
    if (span != 0 && span != NARU_NEVER && !armed(c, NARU_TCP_TIMER_GIVE_UP))
        set(c, NARU_TCP_TIMER_GIVE_UP, now + span);
}

/* ---- Facts about what we send ---- */

/* From now: a tail loss probe if there may be one, but no later than RTO; else RTO. */
static void start_rto(struct naru_tcp *c, naru_time now)
{
    bool alone;
    naru_time pto = naru_tcp_tlp_pto(c, &alone), rto = naru_tcp_rto(c);
    c->flags &= ~(uint32_t)SOONER;
    if (pto != NARU_NEVER)
        c->flags |= NARU_TCP_F_PTO | (alone ? NARU_TCP_F_PTO_ALONE : 0u);
    set(c, NARU_TCP_TIMER_RETRANSMIT, now + NARU_MIN(pto, rto));
}

/* A second segment is in flight: its acknowledgement need not be waited for that long. */
static void no_longer_alone(struct naru_tcp *c, naru_time now)
{
    naru_time at = c->timer[NARU_TCP_TIMER_RETRANSMIT];
    start_rto(c, now);
    set(c, NARU_TCP_TIMER_RETRANSMIT, NARU_MIN(at, c->timer[NARU_TCP_TIMER_RETRANSMIT]));
}

void naru_tcp_timer_sent(struct naru_tcp *c, naru_time now)
{
    if (armed(c, NARU_TCP_TIMER_RETRANSMIT) && !(c->flags & NARU_TCP_F_PROBING)) {
        if (c->flags & NARU_TCP_F_PTO_ALONE)
            no_longer_alone(c, now);
        return;
    }
    if (c->flags & NARU_TCP_F_PROBING) {
        c->flags &= ~(uint32_t)NARU_TCP_F_PROBING;
        probe_answered(c);
        set(c, NARU_TCP_TIMER_GIVE_UP, NARU_NEVER);
    }
    if (c->state == NARU_TCP_SYN_SENT)
        start_giving_up(c, now); /* nothing has ever answered */
    start_rto(c, now);
}

/* One segment is in flight and nothing is special: no timer runs, and there has been no timeout. */
void naru_tcp_timer_lone(struct naru_tcp *c, naru_time now)
{
    uint32_t us = c->rto, flags = c->flags & ~(uint32_t)SOONER;
    if (NARU_LIKELY(naru_tcp_tlp_agreed(c))) {
        us = NARU_MIN(us, c->srtt * 2 + NARU_TCP_DELACK_MAX);
        flags |= NARU_TCP_F_PTO | NARU_TCP_F_PTO_ALONE;
    }
    c->flags = flags;
    set(c, NARU_TCP_TIMER_RETRANSMIT, now + NARU_US((naru_time)us));
}

void naru_tcp_timer_acked(struct naru_tcp *c, naru_time now)
{
    answered(c);
    set(c, NARU_TCP_TIMER_GIVE_UP, NARU_NEVER);
    c->flags &= ~(uint32_t)(NARU_TCP_F_PROBING | SOONER);
    if (naru_seq_eq(c->snd.una, c->snd.nxt)) {
        set(c, NARU_TCP_TIMER_RETRANSMIT, NARU_NEVER);
        c->busy += naru_tcp_tick_of(now) - naru_tcp_tick_of(c->sent_at);
        c->sent_at = now;
    } else {
        start_rto(c, now);
    }
}

void naru_tcp_timer_user_timeout(struct naru_tcp *c, naru_time now)
{
    set(c, NARU_TCP_TIMER_GIVE_UP, NARU_NEVER);
    if (c->more->retransmits > 0 || c->more->probes > 0 || c->state == NARU_TCP_SYN_SENT)
        start_giving_up(c, now);
}

void naru_tcp_timer_retransmitted(struct naru_tcp *c, naru_time now)
{
    start_giving_up(c, now);
    c->flags &= ~(uint32_t)SOONER;
    set(c, NARU_TCP_TIMER_RETRANSMIT, now + naru_tcp_rto(c));
}

void naru_tcp_timer_reordering(struct naru_tcp *c, naru_time at)
{
    if (!(c->flags & SOONER) && c->timer[NARU_TCP_TIMER_RETRANSMIT] <= at)
        return; /* RTO is sooner */
    c->flags &= ~(uint32_t)SOONER;
    c->flags |= NARU_TCP_F_REO;
    set(c, NARU_TCP_TIMER_RETRANSMIT, at);
}

/* When RTO would fire had it never been put off. */
static naru_time rto_at(struct naru_tcp *c, naru_time now)
{
    naru_time since = naru_tcp_sent_count(c) > 0 ? naru_tcp_sent_since(c) : now;
    return since + naru_tcp_rto(c);
}

void naru_tcp_timer_rearm(struct naru_tcp *c, naru_time now)
{
    c->flags &= ~(uint32_t)SOONER;
    set(c, NARU_TCP_TIMER_RETRANSMIT, NARU_MAX(rto_at(c, now), now + NARU_MS(1)));
}

/* A half-open connection says its SYN again only then. */
NARU_NOINLINE void naru_tcp_timer_hold_syn(struct naru_tcp *c, naru_time until)
{
    set(c, NARU_TCP_TIMER_RETRANSMIT, until);
}

/* Nothing is in flight, and from now on data wait. */
NARU_NOINLINE void naru_tcp_timer_blocked(struct naru_tcp *c, naru_time now)
{
    if (armed(c, NARU_TCP_TIMER_RETRANSMIT))
        return;
    c->flags |= NARU_TCP_F_PROBING;
    c->sent_at = now;
    set(c, NARU_TCP_TIMER_RETRANSMIT, now + naru_tcp_rto(c));
}

NARU_NOINLINE void naru_tcp_timer_unblocked(struct naru_tcp *c)
{
    if (!(c->flags & NARU_TCP_F_PROBING))
        return;
    c->flags &= ~(uint32_t)NARU_TCP_F_PROBING;
    probe_answered(c);
    set(c, NARU_TCP_TIMER_RETRANSMIT, NARU_NEVER);
    set(c, NARU_TCP_TIMER_GIVE_UP, NARU_NEVER);
}

/* The peer is there but its window still closed: probes go on for ever (MUST-37). */
NARU_NOINLINE void naru_tcp_timer_probe_answered(struct naru_tcp *c, naru_time now)
{
    if ((c->flags & NARU_TCP_F_PROBING) && !armed(c, NARU_TCP_TIMER_RETRANSMIT))
        set(c, NARU_TCP_TIMER_RETRANSMIT, now + naru_tcp_rto(c));
    no_probes(c);
}

static bool pacing(const struct naru_tcp *c)
{
    return c->more->rare != NULL && c->more->rare->pacing;
}

/* False: there is no memory for a timer that would take the cork out, so it must not go in. */
NARU_NOINLINE bool naru_tcp_timer_corked(struct naru_tcp *c, naru_time now)
{
    naru_time at = now + NARU_MAX(NARU_TCP_CORK_MIN, NARU_US((naru_time)c->rto));
    if (!pacing(c)) {
        if (!armed(c, NARU_TCP_TIMER_PACE))
            set(c, NARU_TCP_TIMER_PACE, at);
        return armed(c, NARU_TCP_TIMER_PACE);
    }
    if (c->more->rare->cork_at == NARU_NEVER)
        c->more->rare->cork_at = at;
    naru_tcp_timer_paced(c);
    return true;
}

void naru_tcp_timer_uncorked(struct naru_tcp *c)
{
    set(c, NARU_TCP_TIMER_PACE, NARU_NEVER);
    if (NARU_UNLIKELY(c->opt_flags & NARU_TCP_SET_PACING) && pacing(c)) {
        c->more->rare->cork_at = NARU_NEVER;
        naru_tcp_timer_paced(c);
    }
}

NARU_NOINLINE void naru_tcp_timer_paced(struct naru_tcp *c)
{
    struct naru_tcp_rare *m = c->more->rare;
    if (!m->pacing)
        m->cork_at = when(c, NARU_TCP_TIMER_PACE);
    m->pacing = true;
    set(c, NARU_TCP_TIMER_PACE, NARU_MIN(m->pace_at, m->cork_at));
}

/* ---- Facts about acknowledgements ---- */

void naru_tcp_timer_ack_wanted(struct naru_tcp *c, naru_time now)
{
    if (NARU_LIKELY(!armed(c, NARU_TCP_TIMER_ACK)))
        set(c, NARU_TCP_TIMER_ACK, now + NARU_TCP_ATO_MIN);
}

void naru_tcp_timer_ack_fired(struct naru_tcp *c)
{
    set(c, NARU_TCP_TIMER_ACK, NARU_NEVER);
    c->due |= NARU_TCP_DUE_ACK;
    c->pingpong = false; /* the user did not answer in time */
}

void naru_tcp_timer_ack_sent(struct naru_tcp *c) { set(c, NARU_TCP_TIMER_ACK, NARU_NEVER); }

/* ---- Facts about the connection ---- */

/* How long nothing came. */
static naru_time silence(const struct naru_tcp *c, naru_time now)
{
    return naru_tcp_since_ms(now, c->heard_ms);
}

void naru_tcp_timer_keepalive(struct naru_tcp *c, naru_time now)
{
    bool on = (c->opt_flags & NARU_TCP_SET_KEEPALIVE) && naru_tcp_synchronized(c);
    if (c->state == NARU_TCP_TIME_WAIT)
        return;
    if (c->state == NARU_TCP_FIN_WAIT_2 && (c->flags & NARU_TCP_F_ORPHAN))
        return;
    if (!(c->flags & NARU_TCP_F_PROBING))
        no_probes(c);
    set(c, NARU_TCP_TIMER_IDLE,
        on ? now - silence(c, now) + NARU_MS(naru_tcp_opts(c)->keepidle_ms) : NARU_NEVER);
}

static uint32_t fin_wait_2_ms(const struct naru_tcp *c)
{
    return naru_tcp_opts(c)->linger2_ms > 0 ? (uint32_t)naru_tcp_opts(c)->linger2_ms
                                            : c->more->env->config->tcp_fin_wait_2_ms;
}

void naru_tcp_timer_entered(struct naru_tcp *c, naru_time now)
{
    switch ((enum naru_tcp_state)c->state) {
    case NARU_TCP_CLOSED:
        naru_tcp_timer_reset(c);
        break;
    case NARU_TCP_ESTABLISHED:
        naru_tcp_timer_keepalive(c, now);
        break;
    case NARU_TCP_FIN_WAIT_2:
        if (c->flags & NARU_TCP_F_ORPHAN)
            set(c, NARU_TCP_TIMER_IDLE, now + NARU_MS(fin_wait_2_ms(c)));
        break;
    case NARU_TCP_TIME_WAIT:
        naru_tcp_timer_reset(c);
        set(c, NARU_TCP_TIMER_IDLE, now + NARU_MS(c->more->env->config->tcp_time_wait_ms));
        break;
    case NARU_TCP_LISTEN:
    case NARU_TCP_SYN_SENT:
    case NARU_TCP_SYN_RECEIVED:
    case NARU_TCP_FIN_WAIT_1:
    case NARU_TCP_CLOSE_WAIT:
    case NARU_TCP_CLOSING:
    case NARU_TCP_LAST_ACK:
        break;
    }
}

/* ---- What happens when an instant has come ---- */

static enum naru_err timeout_error(const struct naru_tcp *c)
{
    return c->more->soft_error != 0 ? (enum naru_err)c->more->soft_error : NARU_ERR_TIMEDOUT;
}

static unsigned retries_max(const struct naru_tcp *c)
{
    const struct naru_config *config = c->more->env->config;
    if (c->state == NARU_TCP_SYN_SENT)
        return naru_tcp_opts(c)->syncnt != 0 ? naru_tcp_opts(c)->syncnt : config->tcp_syn_retries;
    if (c->state == NARU_TCP_SYN_RECEIVED)
        return config->tcp_synack_retries;
    if (c->flags & NARU_TCP_F_ORPHAN)
        return NARU_MIN(NARU_TCP_ORPHAN_RETRIES, (unsigned)config->tcp_retries);
    return config->tcp_retries;
}

static void back_off(struct naru_tcp *c)
{
    if (c->more->backoff < 16)
        c->more->backoff++;
}

/* A window that closed over data in flight is not a dead peer as long as it answers (SHLD-17). */
static bool shrunk_but_alive(const struct naru_tcp *c, naru_time now)
{
    return c->snd.wnd == 0 && naru_tcp_synchronized(c) &&
           naru_tcp_since_ms(now, c->heard_ms) <= NARU_US((naru_time)NARU_TCP_RTO_MAX);
}

static void pto_fired(struct naru_tcp *c, naru_time now)
{
    bool alone;
    naru_time pto = naru_tcp_tlp_pto(c, &alone);
    naru_time at =
        pto == NARU_NEVER ? now : NARU_MIN(naru_tcp_sent_newest(c) + pto, rto_at(c, now));
    if (at > now) { /* more was sent since */
        set(c, NARU_TCP_TIMER_RETRANSMIT, at);
        return;
    }
    naru_tcp_timer_rearm(c, now);
    naru_tcp_tlp_fired(c);
}

static void reo_fired(struct naru_tcp *c, naru_time now)
{
    naru_tcp_timer_rearm(c, now);
    naru_tcp_recover_reo(c, now);
}

static void retransmit_fired(struct naru_tcp *c, naru_time now)
{
    c->more->env->counters.rto_fires++;
    if (naru_tcp_counts_retries(c) && c->more->retransmits >= retries_max(c) &&
        !shrunk_but_alive(c, now)) {
        naru_tcp_die(c, timeout_error(c), now);
        return;
    }
    if (c->more->retransmits < UINT8_MAX)
        c->more->retransmits++;
    start_giving_up(c, now);
    if (c->state == NARU_TCP_SYN_SENT || c->state == NARU_TCP_SYN_RECEIVED) {
        if (c->more->retransmits > 1)
            c->flags |= NARU_TCP_F_SYN_RETRANSMITTED;
        c->due |= NARU_TCP_DUE_SYN;
    } else {
        naru_tcp_mtu_timeout(c, now);
        naru_tcp_recover_rto(c, now);
    }
    back_off(c);
    set(c, NARU_TCP_TIMER_RETRANSMIT, now + naru_tcp_rto(c));
}

/* Nobody holds it, and the window has been closed for about as long as RTO grows. */
static bool orphan_stuck(const struct naru_tcp *c)
{
    return (c->flags & NARU_TCP_F_ORPHAN) && c->more->backoff >= NARU_TCP_ORPHAN_RETRIES &&
           naru_tcp_rto(c) >= NARU_US((naru_time)naru_tcp_rto_max(c));
}

static void persist_fired(struct naru_tcp *c, naru_time now)
{
    if ((naru_tcp_counts_retries(c) && c->more->probes >= retries_max(c)) || orphan_stuck(c)) {
        naru_tcp_die(c, timeout_error(c), now);
        return;
    }
    if (c->snd.wnd > 0) {
        c->flags |= NARU_TCP_F_OVERRIDE; /* 3.8.6.2.1 (4): what the window takes */
        c->due |= NARU_TCP_DUE_DATA;
    } else {
        c->due |= NARU_TCP_DUE_PROBE;
    }
    if (c->more->probes < UINT8_MAX)
        c->more->probes++;
    start_giving_up(c, now);
    back_off(c);
    set(c, NARU_TCP_TIMER_RETRANSMIT, now + naru_tcp_rto(c));
}

/* Keep-alive probes without an answer; who has no memory to count them, by the time that passed. */
static unsigned unanswered(struct naru_tcp *c, naru_time idle)
{
    if (naru_tcp_more_need(c))
        return c->more->probes;
    naru_time since = idle - NARU_MS(naru_tcp_opts(c)->keepidle_ms);
    return (unsigned)NARU_MIN(since / NARU_MS(naru_tcp_opts(c)->keepintvl_ms),
                              (naru_time)UINT8_MAX);
}

static void keepalive_fired(struct naru_tcp *c, naru_time now)
{
    naru_time idle = silence(c, now), wait = NARU_MS(naru_tcp_opts(c)->keepidle_ms);
    if (!naru_seq_eq(c->snd.una, c->snd.nxt) || naru_tcp_unsent_new(c) > 0) {
        set(c, NARU_TCP_TIMER_IDLE, now + wait); /* MUST-26: the other timers look after it */
        return;
    }
    if (idle < wait) {
        no_probes(c);
        set(c, NARU_TCP_TIMER_IDLE, now - idle + wait);
        return;
    }
    naru_time user = naru_tcp_user_timeout(c);
    unsigned probes = unanswered(c, idle);
    if ((user != 0 && probes > 0 && idle >= user) ||
        (user == 0 && probes >= naru_tcp_opts(c)->keepcnt)) {
        naru_tcp_die_reset(c, timeout_error(c), now);
        return;
    }
    if (!naru_tcp_is_calm(c) && c->more->probes < UINT8_MAX)
        c->more->probes++;
    c->due |= NARU_TCP_DUE_PROBE;
    set(c, NARU_TCP_TIMER_IDLE, now + NARU_MS(naru_tcp_opts(c)->keepintvl_ms));
}

/* A burst may go, or a cork has been in for long enough. */
static void pace_fired(struct naru_tcp *c, naru_time now)
{
    naru_time cork_at = pacing(c) ? c->more->rare->cork_at : now;
    set(c, NARU_TCP_TIMER_PACE, cork_at > now ? cork_at : NARU_NEVER);
    c->due |= NARU_TCP_DUE_DATA | (c->more->lost > c->more->retrans ? NARU_TCP_DUE_RETRANSMIT : 0u);
    if (pacing(c)) {
        c->more->rare->pacing = false;
        c->more->rare->late = now >= c->more->rare->pace_at;
    }
    if (cork_at > now)
        return;
    c->flags |= NARU_TCP_F_PUSHED;
    c->flags &= ~(uint32_t)NARU_TCP_F_MORE; /* more did not follow */
}

static void idle_fired(struct naru_tcp *c, naru_time now)
{
    if (c->state == NARU_TCP_TIME_WAIT ||
        (c->state == NARU_TCP_FIN_WAIT_2 && (c->flags & NARU_TCP_F_ORPHAN)))
        naru_tcp_die(c, NARU_OK, now);
    else
        keepalive_fired(c, now);
}

/* What has fired fires again soon, for as long as the longest RTO; then it is too late. */
static NARU_COLD void wait_for_memory(struct naru_tcp *c, naru_time now)
{
    naru_time since = naru_tcp_since_ms(now, c->heard_ms);
    if (NARU_MIN(now - c->sent_at, since) >= NARU_US((naru_time)NARU_TCP_RTO_MAX))
        naru_tcp_die(c, NARU_ERR_NOMEM, now);
    else
        set(c, NARU_TCP_TIMER_RETRANSMIT, now + NARU_TCP_RETRY);
}

void naru_tcp_tick(struct naru_tcp *c, naru_time now)
{
    if (NARU_LIKELY(naru_tcp_quick_tick(c, now)))
        return;
    naru_tcp_odd(c);
    if (now >= when(c, NARU_TCP_TIMER_GIVE_UP))
        naru_tcp_die(c, timeout_error(c), now);
    if (now >= c->timer[NARU_TCP_TIMER_RETRANSMIT]) {
        if (!naru_tcp_more_need(c))
            wait_for_memory(c, now);
        else if (c->flags & NARU_TCP_F_PROBING)
            persist_fired(c, now);
        else if (c->flags & NARU_TCP_F_PTO)
            pto_fired(c, now);
        else if (c->flags & NARU_TCP_F_REO)
            reo_fired(c, now);
        else
            retransmit_fired(c, now);
    }
    if (now >= c->timer[NARU_TCP_TIMER_ACK])
        naru_tcp_timer_ack_fired(c);
    if (now >= when(c, NARU_TCP_TIMER_PACE))
        pace_fired(c, now);
    if (now >= c->timer[NARU_TCP_TIMER_IDLE])
        idle_fired(c, now);
}
