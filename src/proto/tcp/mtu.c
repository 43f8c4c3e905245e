/*
 * The largest segment that passes, found out by sending: RFC 4821, RFC 8899, as Linux's
 * tcp_mtu_probing does it.
 *
 * A path that drops large packets and sends no ICMP ("black hole") looks like a dead peer: the
 * handshake passes, the first full segment does not, however often it is sent again.  So after four
 * timeouts in a row of a segment that is larger than a base size, segments shrink to that, then by
 * halves.  What then passes is told to the stack, for all connections to that destination; if the
 * timeouts turn out to have been wrong (undo.c), nothing was found and all is as before.
 *
 * From there a search goes up, by halves between what passed and what did not, with data of the
 * user in one segment that is larger than the others.  Enough must follow it that its loss is seen
 * without a timer; the loss is repaired and does not touch cwnd.  After ten minutes the search
 * begins anew.
 *
 * Sizes here are payloads without options: the MTU less IP and TCP headers.
 *
 * Not here: waiting for room in cwnd in order to send a probe (Linux holds data back for it).
 */
#include "proto/tcp/internal.h"

enum {
    SUSPECT = 3,   /* retransmissions by timer before the one that makes segments shrink */
    FLOOR = 512,   /* less than that no link has */
    NARROW = 8,    /* a search this close is over */
    CWND_MIN = 11, /* segments; the rest is Linux's, too */
    FOLLOW = 4,
};

/* snd.mss, and that what is in flight was cut otherwise. */
static void resize(struct naru_tcp *c)
{
    naru_tcp_update_mss(c);
    for (unsigned i = 0; naru_tcp_synchronized(c) && i < naru_tcp_sent_count(c); i++) {
        struct naru_tcp_sent *r = naru_tcp_sent_at(c, i);
        naru_tcp_sent_flag(c, r, (uint8_t)(r->flags & ~NARU_TCP_SENT_EVEN));
    }
}

static void begin(struct naru_tcp *c, naru_time now)
{
    struct naru_tcp_rare *m = c->more->rare;
    uint32_t high = NARU_MIN((uint32_t)c->mss_path, (uint32_t)c->mss_peer);
    m->mtu_search = true;
    m->mtu_limit = m->mtu_high = (uint16_t)high;
    m->mtu_low = (uint16_t)NARU_MIN(high, c->more->env->config->tcp_base_mss);
    m->mtu_told = 0;
    m->mtu_probe = 0;
    m->mtu_at = now;
    m->mtu_proof = c->snd.nxt;
    resize(c);
}

NARU_COLD void naru_tcp_mtu_established(struct naru_tcp *c, naru_time now)
{
    if (naru_tcp_rare_need(c) != NULL)
        begin(c, now);
}

/* ---- Down ---- */

/* Is the first segment in flight one that may be too large? */
static bool large(struct naru_tcp *c)
{
    if (naru_tcp_sent_count(c) == 0)
        return false;
    const struct naru_tcp_sent *r = naru_tcp_sent_at(c, 0);
    uint32_t len = NARU_MIN(naru_seq_len(r->start, r->end), (uint32_t)c->snd.mss);
    if (c->more->rare != NULL && c->more->rare->mtu_search)
        return len >= c->snd.mss;
    return len > c->more->env->config->tcp_base_mss;
}

NARU_NOINLINE void naru_tcp_mtu_timeout(struct naru_tcp *c, naru_time now)
{
    const struct naru_config *config = c->more->env->config;
    if (c->more->rare != NULL)
        c->more->rare->mtu_probe = 0; /* nothing can be said of it */
    if (config->tcp_mtu_probing == 0 || c->more->retransmits <= SUSPECT || c->snd.wnd == 0 ||
        !large(c) || naru_tcp_rare_need(c) == NULL)
        return;
    struct naru_tcp_rare *m = c->more->rare;
    if (!m->mtu_search) {
        begin(c, now);
        m->mtu_alarm = true;
        return;
    }
    m->mtu_low = (uint16_t)NARU_MIN((uint32_t)m->mtu_low / 2, config->tcp_base_mss);
    m->mtu_low = (uint16_t)NARU_MAX((uint32_t)m->mtu_low, (uint32_t)FLOOR);
    m->mtu_proof = c->snd.nxt;
    resize(c);
}

NARU_NOINLINE void naru_tcp_mtu_false_alarm(struct naru_tcp *c)
{
    if (c->more->rare == NULL || !c->more->rare->mtu_alarm)
        return;
    c->more->rare->mtu_alarm = c->more->rare->mtu_search = false;
    resize(c);
}

/* The stack's word: a link, ICMP, or what was found here and has gone round. */
void naru_tcp_mtu_told(struct naru_tcp *c, uint16_t mss, naru_time now)
{
    struct naru_tcp_rare *m = c->more->rare;
    if (mss == m->mtu_told)
        return;
    m->mtu_limit = m->mtu_high = mss;
    m->mtu_low = m->mtu_low < mss ? m->mtu_low : mss;
    m->mtu_at = now;
}

/* ---- Up ---- */

static void search_again(struct naru_tcp *c, naru_time now)
{
    struct naru_tcp_rare *m = c->more->rare;
    if (now - m->mtu_at < NARU_MS((naru_time)c->more->env->config->tcp_mtu_probe_ms))
        return;
    m->mtu_high = (uint16_t)NARU_MIN((uint32_t)m->mtu_limit, (uint32_t)c->mss_peer);
    m->mtu_at = now;
}

uint32_t naru_tcp_mtu_probe_len(struct naru_tcp *c, naru_time now)
{
    struct naru_tcp_rare *m = c->more->rare;
    uint32_t mss = c->snd.mss;
    if (m->mtu_probe != 0 || c->ca_state != NARU_CA_OPEN || c->more->sacked > 0 ||
        c->cwnd < CWND_MIN * mss || naru_tcp_options_len(c) != 0)
        return 0;
    if (m->mtu_high < m->mtu_low + NARROW) {
        search_again(c, now);
        return 0;
    }
    uint32_t size = ((uint32_t)m->mtu_low + m->mtu_high + 1) / 2;
    uint32_t len = size - (c->flags & NARU_TCP_F_TIMESTAMPS ? NARU_TCP_TS_LEN : 0);
    uint32_t need = len + FOLLOW * mss;
    if (len <= mss || naru_tcp_unsent_new(c) < need || c->snd.wnd < naru_tcp_flight(c) + need)
        return 0;
    return len;
}

void naru_tcp_mtu_probe_sent(struct naru_tcp *c, naru_seq start, uint32_t len)
{
    struct naru_tcp_rare *m = c->more->rare;
    m->mtu_probe = (uint16_t)(len + (c->flags & NARU_TCP_F_TIMESTAMPS ? NARU_TCP_TS_LEN : 0));
    m->mtu_start = start;
    m->mtu_end = naru_seq_add(start, len);
}

bool naru_tcp_mtu_probe_lost(struct naru_tcp *c)
{
    struct naru_tcp_rare *m = c->more->rare;
    if (m->mtu_probe == 0 || !naru_seq_eq(c->snd.una, m->mtu_start))
        return false;
    m->mtu_high = (uint16_t)(m->mtu_probe - 1);
    m->mtu_probe = 0;
    return true;
}

static void tell(struct naru_tcp *c)
{
    struct naru_tcp_rare *m = c->more->rare;
    m->mtu_alarm = false;
    if (m->mtu_low == m->mtu_told)
        return;
    m->mtu_told = m->mtu_low;
    c->progress |= NARU_TCP_PROGRESS_MTU;
}

void naru_tcp_mtu_acked(struct naru_tcp *c, const struct naru_tcp_acked *a)
{
    struct naru_tcp_rare *m = c->more->rare;
    if (m->mtu_probe != 0 && naru_seq_after_eq(c->snd.una, m->mtu_end)) {
        m->mtu_low = m->mtu_probe;
        m->mtu_probe = 0;
        resize(c);
        tell(c);
    } else if (a->once && naru_seq_after_eq(a->once_start, m->mtu_proof)) {
        tell(c);
    }
}

uint16_t naru_tcp_mtu_found(const struct naru_tcp *c) { return c->more->rare->mtu_told; }
