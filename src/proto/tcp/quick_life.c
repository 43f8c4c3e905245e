/*
 * The usual ends of a connection's life, in straight lines: the acknowledgement that completes a
 * handshake, FIN when nothing is missing before it, in and out, and the acknowledgement of ours.
 *
 * As quick.c does for the time between: what could be different is asked at once, and then either
 * all is done that the long way would have done, in the same order and to the same effect, or
 * nothing.  RFC 9293 3.10.7.4 for segments without data, in every state that has one of these.
 */
#include "proto/tcp/quick.h"

#include "base/pktpool.h"

#define SPECIAL                                                                                    \
    (NARU_TCP_F_DEFERRED | NARU_TCP_F_READ_SHUT | NARU_TCP_F_MORE | NARU_TCP_F_EOR |               \
     NARU_TCP_F_PROBING | NARU_TCP_F_OVERRIDE | NARU_TCP_F_PUSHED | NARU_TCP_F_FORCE |             \
     NARU_TCP_F_SYN_RETRANSMITTED | NARU_TCP_F_DSACK_DUE | NARU_TCP_F_FIN_AGAIN | NARU_TCP_F_REO | \
     NARU_TCP_F_TLP_DUE | NARU_TCP_F_TLP | NARU_TCP_F_FRTO | NARU_TCP_F_UNDO)

/* ---- In ---- */

/* Of one that is not calm, but may be soon. */
static NARU_NOINLINE bool nothing_amiss(const struct naru_tcp *c)
{
    return (c->more->fastopen | c->more->urgent) == 0 && naru_tcp_nothing_lost(c) &&
           c->more->rare == NULL && !naru_tcp_up_ahead(c, c->snd.una);
}

/* What quick.c asks of a connection, but for its state. */
static bool usual(const struct naru_tcp *c)
{
    const struct naru_config *config = c->more->env->config;
    return (c->slow & ~(unsigned)(NARU_TCP_SLOW_STATE | NARU_TCP_SLOW_ODD)) == 0 &&
           (c->flags & SPECIAL) == 0 && c->ca_state == NARU_CA_OPEN &&
           (naru_tcp_is_calm(c) || nothing_amiss(c)) && config->tcp_quick && !config->tcp_bsd;
}

/* The next in order, without data, and news of nothing that was not sent. */
static bool fits(const struct naru_tcp *c, const struct naru_tcp_hdr *h, const struct naru_pkt *pkt)
{
    unsigned flags = h->flags & ~(unsigned)NARU_TCP_PSH;
    struct naru_tcp_news news = naru_tcp_news_of(h);
    return (pkt == NULL || pkt->len == 0) && (flags & ~(unsigned)NARU_TCP_FIN) == NARU_TCP_ACK &&
           naru_seq_eq(h->seq, c->rcv.nxt) && c->rcv.wnd > 0 &&
           (h->opts & ~(unsigned)NARU_TCP_OPT_TS) == 0 && naru_tcp_timestamp_fits(c, &news) &&
           naru_seq_len(c->snd.una, h->ack) <= naru_tcp_flight(c);
}

static void begin(struct naru_tcp *c, const struct naru_tcp_hdr *h)
{
    c->more->env->counters.segments_in++;
    c->segments_in++;
    naru_tcp_odd(c);
    if (h->opts != 0 && naru_seq_eq(c->rcv.nxt, c->rcv.ack)) /* RFC 7323 4.3 (2) */
        c->ts_recent = h->ts_val;
}

static void acknowledged(struct naru_tcp *c, const struct naru_tcp_seg *s)
{
    c->heard_ms = naru_tcp_ms(s->now);
    c->snd.wl1 = s->seq;
    c->snd.wl2 = s->ack;
    c->snd.wnd = s->wnd;
    c->snd.wnd_max = NARU_MAX(c->snd.wnd_max, s->wnd);
    struct naru_tcp_news news = naru_tcp_news_of(s->h);
    if (!naru_seq_eq(s->ack, c->snd.una))
        naru_tcp_quick_acked(c, &news, naru_seq_len(c->snd.una, s->ack), s->now);
}

/* All has been acknowledged, our FIN too. */
static void over(struct naru_tcp *c, naru_time now)
{
    if (c->state == NARU_TCP_FIN_WAIT_1)
        naru_tcp_enter(c, NARU_TCP_FIN_WAIT_2, now);
    else if (c->state == NARU_TCP_CLOSING)
        naru_tcp_enter(c, NARU_TCP_TIME_WAIT, now);
    else if (c->state == NARU_TCP_LAST_ACK)
        naru_tcp_die(c, NARU_OK, now);
}

/* Nothing is left to be sent, and what the segment says is what the state waits for. */
static bool expected(const struct naru_tcp *c, const struct naru_tcp_seg *s)
{
    switch ((enum naru_tcp_state)c->state) {
    case NARU_TCP_ESTABLISHED:
        return s->fin && naru_seq_eq(c->snd.nxt, c->snd.end);
    case NARU_TCP_FIN_WAIT_1:
        return (c->flags & NARU_TCP_F_FIN_SENT) != 0 && naru_tcp_opts(c)->linger2_ms >= 0;
    case NARU_TCP_FIN_WAIT_2:
    case NARU_TCP_CLOSING:
    case NARU_TCP_LAST_ACK:
        return (c->flags & NARU_TCP_F_FIN_SENT) != 0;
    case NARU_TCP_CLOSED:
    case NARU_TCP_LISTEN:
    case NARU_TCP_SYN_SENT:
    case NARU_TCP_SYN_RECEIVED:
    case NARU_TCP_CLOSE_WAIT:
    case NARU_TCP_TIME_WAIT:
        break;
    }
    return false;
}

/* A segment that would only say what is known already is the long way's. */
static bool news(const struct naru_tcp *c, const struct naru_tcp_seg *s)
{
    return s->fin ? (c->flags & NARU_TCP_F_FIN_RECEIVED) == 0 : !naru_seq_eq(s->ack, c->snd.una);
}

bool naru_tcp_quick_life(struct naru_tcp *c, const struct naru_tcp_hdr *h, struct naru_pkt *pkt,
                         naru_time now)
{
    if (!fits(c, h, pkt) || !usual(c))
        return false;
    struct naru_tcp_seg s = { .h = h,
                              .now = now,
                              .seq = h->seq,
                              .ack = h->ack,
                              .wnd = (uint32_t)h->wnd << c->snd.wscale,
                              .fin = (h->flags & NARU_TCP_FIN) != 0,
                              .has_ack = true };
    if (c->state == NARU_TCP_SYN_RECEIVED) {
        if (s.fin || !naru_seq_eq(h->ack, c->snd.nxt))
            return false;
        begin(c, h);
        c->snd.una = h->ack;
        naru_tcp_established(c, &s);
    } else {
        if (!expected(c, &s) || !news(c, &s))
            return false;
        begin(c, h);
        acknowledged(c, &s);
        if ((c->flags & NARU_TCP_F_FIN_SENT) && naru_seq_eq(c->snd.una, c->snd.nxt))
            over(c, now);
        naru_tcp_step_fin(c, &s);
    }
    naru_pktpool_put(pkt);
    naru_tcp_look_usual(c);
    return true;
}

/* ---- FIN of our own ---- */

/* All data have been sent, and nothing but the window could keep FIN back. */
static bool fin_is_next(const struct naru_tcp *c)
{
    return (c->due & ~(unsigned)NARU_TCP_DUE_ACK) == NARU_TCP_DUE_DATA &&
           naru_seq_eq(c->snd.nxt, c->snd.end) &&
           (c->state == NARU_TCP_FIN_WAIT_1 || c->state == NARU_TCP_LAST_ACK) &&
           c->snd.wnd > naru_tcp_flight(c) && !(c->opt_flags & NARU_TCP_SET_PACING) && usual(c);
}

NARU_NOINLINE NARU_FLATTEN bool naru_tcp_quick_fin(struct naru_tcp *c, struct naru_tcp_segment *out,
                                                   naru_time now)
{
    if (!fin_is_next(c))
        return false;
    naru_seq fin = c->snd.nxt, end = naru_seq_add(fin, 1);
    uint32_t flight = naru_tcp_flight(c);
    naru_tcp_odd(c);
    if (flight == 0)
        naru_tcp_cc_idle(c, now);
    out->slice_count = 0;
    out->len = 0;
    out->gso_size = 0;
    out->retransmit = false;
    naru_tcp_header(c, &out->hdr, fin, NARU_TCP_ACK | NARU_TCP_FIN, now);
    c->flags |= NARU_TCP_F_FIN_SENT;
    naru_tcp_sent_push(c, fin, end, NARU_TCP_SENT_EVEN, now);
    c->snd.nxt = end;
    naru_tcp_rate_sent(c, fin, end, now);
    c->due &= (uint8_t)~NARU_TCP_DUE_DATA;
    c->burst = false;
    naru_tcp_data_sent(c, naru_tcp_minus(c->cwnd, flight) < c->snd.mss, now);
    naru_tcp_look_usual(c);
    return true;
}
