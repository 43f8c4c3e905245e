/*
 * The usual: the next data and the next acknowledgement of an established connection about which
 * nothing is special, in each direction and for its user, in straight lines.
 *
 * Nearly all calls are of this kind, and on the way that can take everything most of their time
 * goes into asking whether something is different this time.  Here all that could be is asked once,
 * by naru_tcp_look_usual, after a call that went the long way, and remembered: c->slow is 0.
 * Whatever may make a connection special forgets it (naru_tcp_odd).  A function of this file then
 * asks what differs from segment to segment, and either does all that the long way would have done,
 * in the same order and to the same effect, or returns having changed nothing.
 *
 * Header prediction (Jacobson 1990) and its mirror image for output.  RFC 9293 3.10.7.4 for
 * ESTABLISHED, 3.8.6, RFC 7323 4 and 5, RFC 6298, RFC 8985 7.2.  config.tcp_quick switches it off,
 * so that a test can play the same game both ways and compare every byte.
 */
#include "proto/tcp/quick.h"

#include "base/block.h"
#include "base/pktpool.h"

#include <string.h>

#define SPECIAL                                                                          \
    (NARU_TCP_F_FIN_WANTED | NARU_TCP_F_FIN_SENT | NARU_TCP_F_FIN_RECEIVED |             \
     NARU_TCP_F_READ_SHUT | NARU_TCP_F_ORPHAN | NARU_TCP_F_MORE | NARU_TCP_F_EOR |       \
     NARU_TCP_F_PROBING | NARU_TCP_F_OVERRIDE | NARU_TCP_F_PUSHED | NARU_TCP_F_FORCE |   \
     NARU_TCP_F_DSACK_DUE | NARU_TCP_F_FIN_AGAIN | NARU_TCP_F_REO | NARU_TCP_F_TLP_DUE | \
     NARU_TCP_F_TLP | NARU_TCP_F_FRTO)
#define SPECIAL_OPTIONS (NARU_TCP_SET_CORK | NARU_TCP_SET_PACING)
#define SOONER          (NARU_TCP_F_PTO | NARU_TCP_F_PTO_ALONE)

/* Numbers that wait for special cases are pulled along every 2^28 bytes, and when one comes. */
enum { PULL_SHIFT = 28 };

/* ---- When it is ---- */

static bool usual_state(const struct naru_tcp *c)
{
    return (c->slow & ~(unsigned)NARU_TCP_SLOW_ODD) == 0 && c->state == NARU_TCP_ESTABLISHED &&
           c->ca_state == NARU_CA_OPEN && (c->flags & SPECIAL) == 0 &&
           (c->opt_flags & SPECIAL_OPTIONS) == 0;
}

static bool nothing_rare(const struct naru_tcp *c)
{
    const struct naru_tcp_rare *m = c->more->rare;
    return m == NULL || (!m->mtu_search && !m->uto_due && !m->pacing);
}

/* Of one that is not calm, but may be soon. */
static NARU_NOINLINE bool nothing_amiss(const struct naru_tcp *c)
{
    return naru_tcp_nothing_lost(c) && nothing_rare(c) && c->more->urgent == NARU_TCP_URGENT_NONE &&
           !naru_tcp_up_ahead(c, c->snd.una);
}

void naru_tcp_look_usual(struct naru_tcp *c)
{
    const struct naru_config *config = c->more->env->config;
    bool usual = usual_state(c) && (naru_tcp_is_calm(c) || nothing_amiss(c)) && config->tcp_quick &&
                 config->tcp_quickack && !config->tcp_bsd &&
                 naru_tcp_notsent_lowat(c) == UINT32_MAX;
    naru_tcp_set_slow(c, NARU_TCP_SLOW_ODD, !usual);
    if (usual)
        naru_tcp_more_spare(c);
}

static bool memory_short(const struct naru_tcp *c)
{
    return naru_mem_pressure(c->more->env->mem) != NARU_MEM_NORMAL;
}

/* ---- Segments in: the ACK field ---- */

/* Of a calm connection all that was in flight, one record that was sent once, is acknowledged, and
 * is the next round-trip sample. */
static void lone_acked(struct naru_tcp *c, uint32_t acked, naru_time now)
{
    naru_time sent_at = c->sent_at;
    c->sent_at = now;
    c->busy += naru_tcp_tick_of(now) - naru_tcp_tick_of(sent_at);
    c->timer[NARU_TCP_TIMER_RETRANSMIT] = NARU_NEVER;
    c->flags &= ~(uint32_t)SOONER;
    naru_tcp_rtt_sample(c, naru_tcp_us(now - sent_at));
    c->delivered += naru_tcp_segments(acked, c->snd.mss);
    naru_tcp_cc_acked(c, acked, now);
}

/* Some of it, or several records, or there is more to be done. */
static NARU_NOINLINE void some_acked(struct naru_tcp *c, const struct naru_tcp_news *h,
                                     uint32_t acked, naru_time now)
{
    struct naru_tcp_acked a = { .first_sent = NARU_NEVER,
                                .acked = acked,
                                .now = now,
                                .rack_sent = NARU_TCP_NO_TIME,
                                .echo = h->ts_ecr,
                                .echo_known = h->timestamp && h->ts_ecr != 0 };
    if (NARU_UNLIKELY(((c->bytes_acked - acked) ^ c->bytes_acked) >> PULL_SHIFT != 0))
        naru_tcp_pull_along(c);
    naru_tcp_sent_pop(c, h->ack, &a);
    naru_tcp_measure(c, &a);
    naru_tcp_timer_acked(c, now);
    c->delivered += naru_tcp_segments(a.delivered, c->snd.mss);
    if (c->more->rare != NULL)
        naru_tcp_rate_acked(c, &a);
    naru_tcp_cc_acked(c, a.delivered, now);
    naru_tcp_sent_trim(c);
    if (naru_seq_eq(c->snd.una, c->snd.nxt))
        naru_tcp_more_spare(c);
}

void naru_tcp_quick_acked(struct naru_tcp *c, const struct naru_tcp_news *h, uint32_t acked,
                          naru_time now)
{
    c->bytes_acked += acked;
    c->snd.una = h->ack;
    naru_tcp_sndq_acked(c);
    if (naru_seq_before(c->snd.sml, h->ack))
        c->snd.sml = h->ack;
    c->progress |= NARU_TCP_PROGRESS_ANSWERED;
    if (NARU_LIKELY(naru_tcp_is_calm(c)) && NARU_LIKELY(naru_seq_eq(h->ack, c->snd.nxt)))
        lone_acked(c, acked, now);
    else
        some_acked(c, h, acked, now);
    naru_tcp_sndbuf_grow(c);
    naru_tcp_tell_writer(c, now);
}

/* ---- Segments in: text ---- */

/* Nothing is urgent, and all of it is in the window. */
static void text_quickly(struct naru_tcp *c, const struct naru_tcp_news *h, struct naru_pkt *pkt,
                         naru_time now)
{
    uint32_t len = pkt->len, gso = pkt->offload.gso_size;
    naru_tcp_refill_quick(c, now);
    naru_tcp_learn_mss(c, len, gso);
    c->last_recv = now;
    c->data_in += gso == 0 ? 1 : naru_tcp_segments(len, gso);
    if (!h->timestamp || len >= c->rcv.mss)
        naru_tcp_rcvwnd_rtt(c, h->ts_ecr, len, now);
    c->rcv.nxt = naru_seq_add(c->rcv.nxt, len);
    c->rcv.wnd -= len;
    c->bytes_received += len;
    naru_tcp_rcvq_append(c, pkt);
    naru_tcp_rcvwnd_grow(c, len);
    if (NARU_UNLIKELY(naru_seq_len(c->rcv.ack, c->rcv.nxt) > c->rcv.mss) ||
        naru_tcp_acks_at_once(c))
        c->due |= NARU_TCP_DUE_ACK;
    else
        naru_tcp_timer_ack_wanted(c, now);
    c->events |= NARU_READY_READ;
}

/* The next in order, with an acknowledgement that is not old, of something that was sent. */
bool naru_tcp_quick_fits(const struct naru_tcp *c, const struct naru_tcp_news *h, uint32_t len)
{
    uint32_t acked = naru_seq_len(c->snd.una, h->ack);
    return c->slow == 0 && naru_tcp_timestamp_fits(c, h) && naru_seq_eq(h->seq, c->rcv.nxt) &&
           acked <= naru_tcp_flight(c) && len <= c->rcv.wnd && (len | acked) != 0;
}

void naru_tcp_quick_take(struct naru_tcp *c, const struct naru_tcp_news *h, struct naru_pkt *pkt,
                         naru_time now)
{
    uint32_t acked = naru_seq_len(c->snd.una, h->ack), wnd = (uint32_t)h->wnd << c->snd.wscale;
    c->more->env->counters.segments_in++;
    c->segments_in++;
    if (h->timestamp && NARU_LIKELY(naru_seq_eq(c->rcv.nxt, c->rcv.ack))) /* RFC 7323 4.3 (2) */
        c->ts_recent = h->ts_val;
    c->heard_ms = naru_tcp_ms(now);
    c->snd.wl1 = h->seq;
    c->snd.wl2 = h->ack;
    if ((acked != 0 || wnd != c->snd.wnd) && NARU_UNLIKELY(!naru_seq_eq(c->snd.nxt, c->snd.end)))
        c->due |= NARU_TCP_DUE_DATA;
    if (NARU_UNLIKELY(wnd != c->snd.wnd)) {
        c->snd.wnd = wnd;
        c->snd.wnd_max = NARU_MAX(c->snd.wnd_max, wnd);
    }
    if (NARU_LIKELY(acked != 0))
        naru_tcp_quick_acked(c, h, acked, now);
    if (NARU_LIKELY(pkt != NULL && pkt->len > 0))
        text_quickly(c, h, pkt, now);
    else
        naru_pktpool_put(pkt);
}

bool naru_tcp_quick_input(struct naru_tcp *c, const struct naru_tcp_hdr *h, struct naru_pkt *pkt,
                          naru_time now)
{
    struct naru_tcp_news news = naru_tcp_news_of(h);
    if ((h->flags & ~(unsigned)NARU_TCP_PSH) != NARU_TCP_ACK ||
        (h->opts & ~(unsigned)NARU_TCP_OPT_TS) != 0 || h->ecn == NARU_ECN_CE || memory_short(c) ||
        !naru_tcp_quick_fits(c, &news, pkt == NULL ? 0 : pkt->len))
        return false;
    naru_tcp_quick_take(c, &news, pkt, now);
    return true;
}

/* ---- Segments out ---- */

struct next {
    uint32_t len;
    bool by_cwnd, last;
};

/* New data, if they may go: one segment, full or the last of what there is. */
static bool next_data(struct naru_tcp *c, uint32_t unsent, naru_time now, struct next *n)
{
    uint32_t flight = naru_tcp_flight(c), mss = c->snd.mss;
    uint32_t window = naru_tcp_minus(c->snd.wnd, flight), len = NARU_MIN(unsent, mss);
    bool small = (c->opt_flags & NARU_TCP_SET_NODELAY) ||
                 naru_seq_before_eq(c->snd.sml, c->snd.una) || flight == 0;
    if (len > window || (flight > 0 && len > naru_tcp_minus(c->cwnd, flight)) ||
        (len < mss && !small))
        return false;
    if (flight == 0) /* then it goes, whatever becomes of cwnd */
        naru_tcp_cc_idle(c, now);
    uint32_t cwnd_room = naru_tcp_minus(c->cwnd, flight);
    uint32_t more = NARU_MIN(unsent - len, mss);
    bool last = more == 0 || NARU_MIN(unsent, window) - len < more ||
                naru_tcp_minus(cwnd_room, len) < more ||
                (more < mss && (!small || (c->opt_flags & NARU_TCP_SET_NODELAY)));
    n->len = len;
    n->by_cwnd = naru_tcp_minus(cwnd_room, len) < mss;
    n->last = last;
    return true;
}

/* A header is out. */
static void said(struct naru_tcp *c)
{
    naru_tcp_ack_sent(c);
    c->segments_out++;
    c->more->env->counters.segments_out++;
}

static void header(struct naru_tcp *c, struct naru_tcp_hdr *h, unsigned flags, naru_time now)
{
    h->seq = c->snd.nxt;
    h->ack = c->rcv.nxt;
    h->flags = (uint16_t)flags;
    h->urg = h->checksum = 0;
    h->ecn = h->sack_count = h->cookie_len = 0;
    h->opts = c->flags & NARU_TCP_F_TIMESTAMPS ? NARU_TCP_OPT_TS : 0;
    h->ts_val = naru_tcp_ts_now(c, now);
    h->ts_ecr = c->ts_recent;
    h->wnd = naru_tcp_rcvwnd_select(c, false);
    said(c);
}

/* What went out is in flight. */
static void data_gone(struct naru_tcp *c, const struct next *n, uint32_t unsent, naru_time now)
{
    naru_seq start = c->snd.nxt, end = naru_seq_add(start, n->len);
    naru_tcp_sent_push(c, start, end, NARU_TCP_SENT_EVEN, now);
    if (n->len < c->snd.mss)
        c->snd.sml = end;
    c->snd.nxt = end;
    naru_tcp_rate_sent(c, start, end, now);
    if (unsent == n->len) {
        c->due &= (uint8_t)~NARU_TCP_DUE_DATA;
        c->burst = false;
        if ((c->flags & NARU_TCP_F_NO_SPACE) && !n->by_cwnd)
            naru_tcp_rate_limit(c, NARU_TCP_LIMIT_SNDBUF, now);
    } else {
        c->burst = true;
    }
    naru_tcp_data_sent(c, n->by_cwnd, now);
    c->data_out++;
}

bool naru_tcp_quick_output(struct naru_tcp *c, const struct naru_tcp_room *room,
                           struct naru_tcp_segment *out, naru_time now)
{
    struct next n = { 0 };
    uint32_t unsent = naru_seq_len(c->snd.nxt, c->snd.end);
    if (c->slow != 0 || (c->due & ~(unsigned)(NARU_TCP_DUE_DATA | NARU_TCP_DUE_ACK)) != 0)
        return false;
    bool data = unsent > 0 && (c->due & NARU_TCP_DUE_DATA) != 0;
    if (data && unsent > c->snd.mss && room != NULL && room->payload_max > c->snd.mss)
        return false; /* a super-segment */
    if (data ? !next_data(c, unsent, now, &n) : !(c->due & NARU_TCP_DUE_ACK))
        return false;
    out->slice_count = 0;
    out->len = n.len;
    out->gso_size = 0;
    out->retransmit = false;
    if (data)
        out->slice_count =
            naru_tcp_sndq_slices(c, c->snd.nxt, &out->len, out->slice, NARU_TCP_SLICES);
    n.len = out->len; /* of too many small blocks not all fit */
    bool push = data && (unsent == n.len || (n.last && c->burst));
    header(c, &out->hdr, NARU_TCP_ACK | (push ? NARU_TCP_PSH : 0u), now);
    if (data)
        data_gone(c, &n, unsent, now);
    else
        c->due &= (uint8_t)~NARU_TCP_DUE_DATA;
    return true;
}

/* ---- Segments out: one, and nothing else in flight ---- */

/* The data are all there is, and go whatever cwnd is; they lie in one piece. */
static bool lone_data(const struct naru_tcp *c, uint32_t len)
{
    const struct naru_block *b = c->snd_last->next;
    return naru_seq_eq(c->snd.una, c->snd.nxt) && len <= c->snd.mss && len <= c->snd.wnd &&
           c->more->ring == NULL && c->more->rare == NULL && len <= b->end - b->start;
}

bool naru_tcp_lone_ready(const struct naru_tcp *c, struct naru_tcp_lone *out)
{
    const uint32_t agreed = NARU_TCP_F_TIMESTAMPS, owed = NARU_TCP_F_NO_SPACE;
    uint32_t unsent = naru_seq_len(c->snd.nxt, c->snd.end);
    if (c->slow != 0 || (c->due & ~(unsigned)(NARU_TCP_DUE_DATA | NARU_TCP_DUE_ACK)) != 0 ||
        (c->flags & (agreed | owed)) != agreed)
        return false;
    if (NARU_LIKELY(unsent != 0 && (c->due & NARU_TCP_DUE_DATA) != 0)) {
        out->len = unsent;
        out->payload = naru_block_data(c->snd_last->next) + c->snd_last->next->start;
        return lone_data(c, unsent);
    }
    out->len = 0;
    out->payload = NULL;
    return (c->due & NARU_TCP_DUE_ACK) != 0;
}

void naru_tcp_lone_header(struct naru_tcp *c, uint32_t len, struct naru_tcp_hdr *h, naru_time now)
{
    h->seq = c->snd.nxt;
    h->ack = c->rcv.nxt;
    h->flags = (uint16_t)(NARU_TCP_ACK | (len != 0 ? NARU_TCP_PSH : 0u));
    h->urg = 0;
    h->ts_val = naru_tcp_ts_now(c, now);
    h->ts_ecr = c->ts_recent;
    h->wnd = naru_tcp_rcvwnd_usual(c);
}

static NARU_NOINLINE void after_idleness(struct naru_tcp *c, naru_time now)
{
    naru_tcp_cc_idle(c, now);
}

/* next_data and data_gone for the data. */
static void lone_in_flight(struct naru_tcp *c, uint32_t len, naru_time now)
{
    naru_seq end = naru_seq_add(c->snd.nxt, len);
    if (NARU_UNLIKELY(naru_tcp_since(now, c->sent_tick) > naru_tcp_rto_usual(c)))
        after_idleness(c, now);
    c->sent_at = now;
    c->snd.lone = NARU_TCP_SENT_EVEN;
    if (len < c->snd.mss)
        c->snd.sml = end;
    c->snd.nxt = end;
    c->burst = false;
    naru_tcp_data_answers(c, now);
    c->sent_tick = naru_tcp_tick_of(now);
    naru_tcp_timer_lone(c, now);
    naru_tcp_cc_sent(c, naru_tcp_minus(c->cwnd, len) < c->snd.mss);
    c->data_out++;
}

void naru_tcp_lone_gone(struct naru_tcp *c, uint32_t len, naru_time now)
{
    said(c);
    if (NARU_LIKELY(len != 0))
        lone_in_flight(c, len, now);
    c->due = 0;
}

/*
 * next_data would say of each of them that it is full and not the last: behind it is another full
 * one.  PTO_ALONE: the timer changes with the second segment in flight.
 */
uint32_t naru_tcp_quick_more(const struct naru_tcp *c, const struct naru_tcp_segment *first)
{
    uint32_t flight = naru_tcp_flight(c), mss = c->snd.mss;
    uint32_t room = NARU_MIN(naru_tcp_minus(c->snd.wnd, flight), naru_tcp_minus(c->cwnd, flight));
    room = NARU_MIN(room, naru_seq_len(c->snd.nxt, c->snd.end));
    if (c->slow != 0 || c->due != NARU_TCP_DUE_DATA || (c->flags & NARU_TCP_F_PTO_ALONE) != 0 ||
        first->hdr.flags != NARU_TCP_ACK || first->len != mss || room < 2 * mss)
        return 0;
    return room / mss - 1;
}

unsigned naru_tcp_quick_next(struct naru_tcp *c, struct naru_slice *slice, unsigned max,
                             naru_time now)
{
    struct next n = { .len = c->snd.mss };
    unsigned count = naru_tcp_sndq_slices(c, c->snd.nxt, &n.len, slice, max);
    if (n.len != c->snd.mss)
        return 0;
    said(c);
    data_gone(c, &n, naru_seq_len(c->snd.nxt, c->snd.end), now);
    return count;
}

/* ---- Time ---- */

/* An acknowledgement has waited long enough. */
bool naru_tcp_quick_tick(struct naru_tcp *c, naru_time now)
{
    if (c->slow != 0 || now >= c->timer[NARU_TCP_TIMER_RETRANSMIT] ||
        now >= c->timer[NARU_TCP_TIMER_IDLE])
        return false;
    if (now >= c->timer[NARU_TCP_TIMER_ACK])
        naru_tcp_timer_ack_fired(c);
    return true;
}

/* ---- SEND and RECEIVE ---- */

int64_t naru_tcp_quick_send(struct naru_tcp *c, const struct naru_slice *slice, naru_time now)
{
    struct naru_block *b = c->snd_last;
    uint32_t used = naru_seq_len(c->snd.una, c->snd.end);
    if (c->slow != 0 || slice->len == 0 || used > c->sndbuf || slice->len > c->sndbuf - used ||
        memory_short(c))
        return 0;
    uint32_t len = (uint32_t)slice->len;
    if (b == NULL) {
        b = naru_tcp_sndq_block(c, len);
        if (b == NULL)
            return 0;
        if (b->capacity < len) {
            naru_block_put(c->more->env->blockpool, b);
            return 0;
        }
        b->seq = c->snd.end.v;
        naru_tcp_sndq_add(c, b);
    } else if (b->capacity - b->end < len || b->start == b->end) {
        return 0;
    }
    if (c->more->rare != NULL)
        naru_tcp_rate_written(c, now);
    naru_copy(naru_block_data(b) + b->end, slice->at, len);
    b->end += len;
    c->snd.end = naru_seq_add(c->snd.end, len);
    c->due |= NARU_TCP_DUE_DATA;
    return len;
}

int64_t naru_tcp_quick_recv(struct naru_tcp *c, const struct naru_room *room, naru_time now)
{
    struct naru_pkt *p = c->rcv_last;
    if (c->slow != 0 || p == NULL || p->next != p || room->len < p->len)
        return 0;
    uint32_t len = p->len;
    naru_copy(room->at, p->data, len);
    c->rcv_last = NULL;
    c->rcv.unread = c->rcv_truesize = 0;
    naru_pktpool_put(p);
    naru_tcp_rcvwnd_read(c, now);
    return len;
}
