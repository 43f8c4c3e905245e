/*
 * Segments out: the next one, decided at the moment somebody has room for it.
 *
 * In this order: RST, what is lost, SYN, new data with FIN, probe, bare ACK.  Whatever goes out
 * carries the newest acknowledgement, so a bare ACK is only built when nothing else was.
 *
 * New data go out when the peer's window, the congestion window and the rules against silly windows
 * (RFC 9293 3.8.6.2.1, Nagle in Minshall's form) agree; each due bit stays until its rule says no.
 */
#include "proto/tcp/internal.h"

/* What may go now, and what stops more. */
struct plan {
    uint32_t len;   /* payload bytes */
    uint32_t mss;   /* of one segment, with the options it will carry */
    bool fin;       /* FIN behind them */
    bool go;        /* there is a segment to send */
    bool by_window; /* the peer's window is the limit */
    bool by_cwnd;   /* the congestion window is */
    bool last;      /* nothing more can follow */
};

/* Never negative, however the window shrank (MUST-34, SHLD-15). */
static uint32_t wnd_room(const struct naru_tcp *c)
{
    return naru_tcp_minus(c->snd.wnd, naru_tcp_flight(c));
}

/* May a segment that is not full go?  Nagle as Minshall refined it: not while one is in flight
 * (MUST-17, SHLD-7, MAY-16). */
static bool small_ok(struct naru_tcp *c, bool fin, naru_time now)
{
    if (fin || naru_tcp_up_ahead(c, c->snd.nxt) ||
        (c->flags & (NARU_TCP_F_PUSHED | NARU_TCP_F_TLP_DUE)))
        return true;
    if ((c->opt_flags & NARU_TCP_SET_CORK) || (c->flags & NARU_TCP_F_MORE))
        return !naru_tcp_timer_corked(c, now);
    if (c->opt_flags & NARU_TCP_SET_NODELAY)
        return true;
    return naru_seq_before_eq(c->snd.sml, c->snd.una) || naru_tcp_flight(c) == 0;
}

/* New data, but none beyond the end of a record (MSG_EOR). */
static uint32_t to_record_end(struct naru_tcp *c)
{
    uint32_t unsent = naru_tcp_unsent_new(c);
    if (!(c->flags & NARU_TCP_F_EOR))
        return unsent;
    if (naru_seq_before(c->snd.nxt, c->more->snd_eor))
        return naru_seq_len(c->snd.nxt, c->more->snd_eor);
    c->flags &= ~(uint32_t)NARU_TCP_F_EOR;
    return unsent;
}

/* Nothing that is written later can join a segment that ends with these: FIN, or the next record,
 * is behind them. */
static bool ends_here(const struct naru_tcp *c, uint32_t unsent)
{
    return unsent < naru_tcp_unsent_new(c) || naru_tcp_fin_unsent(c);
}

/* Full segments: as many as windows and room allow, and the rest of the data if it may join. */
static void plan_full(struct naru_tcp *c, struct plan *p, uint32_t len, uint32_t unsent,
                      uint32_t cwnd_room, const struct naru_tcp_room *room, naru_time now)
{
    uint32_t max = room == NULL || room->payload_max < p->mss ? p->mss : room->payload_max;
    if (room != NULL && room->segment_max != 0)
        max = NARU_MIN(max, room->segment_max * p->mss);
    if (naru_tcp_ecn_alone(c))
        max = p->mss;
    uint32_t n = NARU_MIN(NARU_MIN(len, max), NARU_MAX(cwnd_room, p->mss));
    uint32_t rest = naru_tcp_rest(n, p->mss);
    if (rest != 0 && !(n == unsent && small_ok(c, ends_here(c, unsent), now)))
        n -= rest;
    p->len = n;
    p->go = true;
    bool fin = naru_tcp_fin_unsent(c); /* else, without Nagle, a short rest is a burst of its own */
    uint32_t next = NARU_MIN(unsent - n, p->mss);
    p->last = n > p->mss || naru_tcp_minus(len, n) < next || naru_tcp_minus(cwnd_room, n) < next ||
              (next > 0 && next < p->mss &&
               (!small_ok(c, fin, now) || (!fin && (c->opt_flags & NARU_TCP_SET_NODELAY))));
}

/* Sender-side silly-window avoidance (MUST-38). */
static struct plan make_plan(struct naru_tcp *c, const struct naru_tcp_room *room, naru_time now)
{
    struct plan p = { .mss = c->snd.mss - naru_tcp_options_len(c) };
    uint32_t unsent = to_record_end(c), window = wnd_room(c), pipe = naru_tcp_pipe(c);
    uint32_t len = NARU_MIN(unsent, window), cwnd_room = naru_tcp_minus(c->cwnd, pipe);
    bool fin = naru_tcp_fin_unsent(c) && unsent == naru_tcp_unsent_new(c) && naru_tcp_is_open(c);

    if (unsent > 0 && pipe > 0 && cwnd_room < NARU_MIN(unsent, p.mss) &&
        !(c->flags & NARU_TCP_F_TLP_DUE)) {
        p.by_cwnd = true;
        return p;
    }
    if (len >= p.mss) {
        plan_full(c, &p, len, unsent, cwnd_room, room, now);
    } else if (len == unsent) {
        p.len = len;
        p.go = len > 0 && small_ok(c, ends_here(c, unsent), now);
        p.last = true;
    } else if (len > 0 && ((c->flags & NARU_TCP_F_OVERRIDE) ||
                           (len >= c->snd.wnd_max / 2 && small_ok(c, false, now)))) {
        p.len = len;
        p.go = p.last = true;
    } else {
        p.by_window = true;
    }
    if (fin && p.len == unsent && (p.go || unsent == 0)) {
        p.fin = window > p.len;
        p.go = p.go || p.fin;
        p.by_window = p.by_window || !p.fin;
    }
    if (p.go)
        p.by_cwnd = naru_tcp_minus(cwnd_room, p.len) < p.mss;
    return p;
}

static NARU_NOINLINE void cut_payload(struct naru_tcp_segment *out, uint32_t len)
{
    for (unsigned i = 0; i < out->slice_count; i++) {
        out->slice[i].len = NARU_MIN(out->slice[i].len, (size_t)len);
        len -= (uint32_t)out->slice[i].len;
    }
    while (out->slice[out->slice_count - 1].len == 0)
        out->slice_count--;
}

/* Slices of the payload; cuts the length to whole segments if they are too many. */
static uint32_t put_payload(struct naru_tcp *c, struct naru_tcp_segment *out, naru_seq seq,
                            uint32_t len, uint32_t mss)
{
    uint32_t got = len;
    out->slice_count = naru_tcp_sndq_slices(c, seq, &got, out->slice, NARU_TCP_SLICES);
    if (NARU_UNLIKELY(got < len && got > mss)) {
        got -= got % mss;
        cut_payload(out, got);
    }
    out->len = got;
    out->gso_size = (uint16_t)(got > mss ? mss : 0);
    return got;
}

static unsigned segments(const struct naru_tcp_segment *out)
{
    return out->gso_size == 0 ? 1 : naru_tcp_segments(out->len, out->gso_size);
}

static void count_out(struct naru_tcp *c, const struct naru_tcp_segment *out)
{
    unsigned n = segments(out);
    c->segments_out += n - 1;
    c->data_out += out->len > 0 ? n : 0;
    if (!out->retransmit)
        return;
    c->more->env->counters.retransmits += n;
    if (naru_tcp_more_need(c)) {
        c->more->segments_retrans += n;
        c->more->retransmitted += out->len;
    }
}

/* New data are in flight, recorded; by_cwnd: the congestion window stops more. */
void naru_tcp_data_sent(struct naru_tcp *c, bool by_cwnd, naru_time now)
{
    naru_tcp_data_answers(c, now);
    c->sent_tick = naru_tcp_tick_of(now);
    naru_tcp_timer_sent(c, now);
    naru_tcp_cc_sent(c, by_cwnd);
}

/* New data went out while something is amiss. */
static NARU_NOINLINE void told_loss(struct naru_tcp *c, uint32_t len, naru_time now)
{
    if (naru_tcp_reduces(c))
        c->more->loss->prr_out += len;
    if (c->flags & NARU_TCP_F_TLP_DUE) {
        naru_tcp_tlp_sent(c, false);
        naru_tcp_timer_retransmitted(c, now);
    }
}

/* If the API has no PUSH, PSH is set on the last queued segment (MUST-61, SHLD-27, SHLD-28,
 * MAY-15). */
static bool build_new(struct naru_tcp *c, struct naru_tcp_segment *out, struct plan *p,
                      naru_time now)
{
    naru_seq seq = c->snd.nxt;
    uint32_t len = put_payload(c, out, seq, p->len, p->mss);
    bool fin = p->fin && len == p->len;
    naru_seq end = naru_seq_add(seq, len);
    uint16_t flags = NARU_TCP_ACK;
    if (fin)
        flags |= NARU_TCP_FIN;
    bool record = (c->flags & NARU_TCP_F_EOR) && naru_seq_eq(end, c->more->snd_eor);
    bool burst_end = len > p->mss || (p->last && c->burst) || naru_seq_eq(end, c->snd.end);
    if (len > 0 && (record || (burst_end && !(c->flags & NARU_TCP_F_MORE))))
        flags |= NARU_TCP_PSH;
    out->retransmit = false;
    naru_tcp_header(c, &out->hdr, seq, flags, now);
    naru_tcp_ecn_mark(c, out, true);
    naru_seq data_end = end;
    if (fin)
        c->flags |= NARU_TCP_F_FIN_SENT;
    end = naru_seq_add(end, fin ? 1 : 0);
    naru_tcp_sent_push(c, seq, end, p->mss == c->snd.mss ? NARU_TCP_SENT_EVEN : 0, now);
    if (naru_tcp_rest(len, p->mss) != 0)
        c->snd.sml = data_end;
    c->snd.nxt = end;
    naru_tcp_rate_sent(c, seq, end, now);
    c->flags &= ~(uint32_t)NARU_TCP_F_OVERRIDE;
    if (naru_seq_eq(end, c->snd.end)) {
        c->flags &= ~(uint32_t)NARU_TCP_F_PUSHED;
        naru_tcp_timer_uncorked(c);
    }
    if (naru_tcp_unsent_new(c) == 0 && !naru_tcp_fin_unsent(c)) {
        c->due &= (uint8_t)~NARU_TCP_DUE_DATA;
        c->burst = false;
        if ((c->flags & NARU_TCP_F_NO_SPACE) && !p->by_cwnd && !fin)
            naru_tcp_rate_limit(c, NARU_TCP_LIMIT_SNDBUF, now);
    } else {
        c->burst = true;
    }
    naru_tcp_data_sent(c, p->by_cwnd, now);
    if (NARU_UNLIKELY(c->more->loss != NULL))
        told_loss(c, naru_seq_len(seq, end), now);
    count_out(c, out);
    return true;
}

/* New data in a segment that is larger than those that are known to pass (RFC 4821 7.3). */
static NARU_COLD bool mtu_probe(struct naru_tcp *c, struct naru_tcp_segment *out, naru_time now)
{
    naru_seq start = c->snd.nxt;
    struct plan p = { .len = naru_tcp_mtu_probe_len(c, now), .go = true };
    p.mss = p.len;
    if (p.len == 0 || p.len > wnd_room(c) || naru_tcp_pipe(c) + p.len > c->cwnd ||
        p.len > to_record_end(c) || !build_new(c, out, &p, now))
        return false;
    naru_tcp_mtu_probe_sent(c, start, out->len);
    return true;
}

/* What holds new data back. */
static void nothing_goes(struct naru_tcp *c, const struct plan *p, naru_time now)
{
    c->flags &= ~(uint32_t)NARU_TCP_F_TLP_DUE;
    naru_tcp_cc_sent(c, p->by_cwnd);
    if (!p->by_window)
        return;
    naru_tcp_rate_limit(c, NARU_TCP_LIMIT_RWND, now);
    if (naru_tcp_flight(c) == 0)
        naru_tcp_timer_blocked(c, now);
}

/* The same where segments are spread over time; a probe of the tail waits for nothing. */
static NARU_NOINLINE bool paced_data(struct naru_tcp *c, const struct naru_tcp_room *room,
                                     struct naru_tcp_segment *out, naru_time now)
{
    struct naru_tcp_room some = { 0 };
    if (room != NULL && room->payload_max != 0) {
        some = *room;
        some.payload_max = NARU_MIN(some.payload_max, naru_tcp_pace_quantum(c));
    }
    struct plan p = make_plan(c, &some, now);
    if (!p.go) {
        nothing_goes(c, &p, now);
        return false;
    }
    if (p.len > 0 && !(c->flags & NARU_TCP_F_TLP_DUE) && naru_tcp_pace_wait(c, now))
        return false;
    if (!build_new(c, out, &p, now))
        return false;
    naru_tcp_pace_sent(c, out->len, now);
    return true;
}

static bool new_data(struct naru_tcp *c, const struct naru_tcp_room *room,
                     struct naru_tcp_segment *out, naru_time now)
{
    if (!naru_tcp_may_send(c) || (naru_tcp_unsent_new(c) == 0 && !naru_tcp_fin_unsent(c)))
        return false;
    if (naru_tcp_flight(c) == 0)
        naru_tcp_cc_idle(c, now);
    if (c->more->rare != NULL && NARU_UNLIKELY(c->more->rare->mtu_search) && mtu_probe(c, out, now))
        return true;
    if (NARU_UNLIKELY(c->opt_flags & NARU_TCP_SET_PACING))
        return paced_data(c, room, out, now);
    struct plan p = make_plan(c, room, now);
    if (p.go)
        return build_new(c, out, &p, now);
    nothing_goes(c, &p, now);
    return false;
}

/* RFC 9293 3.8.1; what and when is recover.c's decision (SHLD-16, MAY-7). */
static NARU_NOINLINE bool retransmit(struct naru_tcp *c, const struct naru_tcp_room *room,
                                     struct naru_tcp_segment *out, naru_time now)
{
    uint32_t mss = c->snd.mss - naru_tcp_options_len(c), max = mss;
    uint32_t cwnd_room = naru_tcp_minus(c->cwnd, naru_tcp_pipe(c));
    bool probe = (c->flags & NARU_TCP_F_TLP_DUE) && c->more->lost <= c->more->retrans;
    bool force = probe || (c->flags & NARU_TCP_F_FORCE);
    if (!naru_tcp_synchronized(c) || (!force && cwnd_room < mss && naru_tcp_pipe(c) > 0))
        return false;
    bool paced = (c->opt_flags & NARU_TCP_SET_PACING) != 0;
    if (!force && paced && naru_tcp_pace_wait(c, now))
        return false;
    if (!force && !paced && room != NULL && room->payload_max > mss && !naru_tcp_ecn_alone(c)) {
        max = NARU_MIN(room->payload_max, NARU_MAX(cwnd_room, mss));
        if (room->segment_max != 0)
            max = NARU_MIN(max, room->segment_max * mss);
        max -= max % mss;
    }
    naru_seq start;
    uint32_t len =
        probe ? naru_tcp_tlp_next(c, max, &start) : naru_tcp_recover_next(c, max, &start);
    c->flags &= ~(uint32_t)NARU_TCP_F_TLP_DUE;
    if (len == 0)
        return false;
    /* Beyond a window that has shrunk only the head is tried, and only by the timer (SHLD-16). */
    bool timer = force && (probe ? naru_seq_eq(start, c->snd.una) : c->ca_state == NARU_CA_LOSS);
    if (!timer && naru_seq_len(c->snd.una, start) + len > c->snd.wnd)
        return false;

    bool fin =
        (c->flags & NARU_TCP_F_FIN_SENT) && naru_seq_after(naru_seq_add(start, len), c->snd.end);
    uint32_t payload = put_payload(c, out, start, len - (fin ? 1 : 0), mss);
    fin = fin && payload + 1 == len;
    naru_seq end = naru_seq_add(start, payload);
    uint16_t flags = NARU_TCP_ACK;
    if (fin)
        flags |= NARU_TCP_FIN;
    if (payload > 0 && (naru_seq_eq(end, c->snd.end) || payload > mss))
        flags |= NARU_TCP_PSH;
    out->retransmit = true;
    naru_tcp_header(c, &out->hdr, start, flags, now);
    naru_tcp_ecn_mark(c, out, false);
    naru_tcp_recover_sent(c, start, payload + (fin ? 1 : 0), now);
    c->flags &= ~(uint32_t)NARU_TCP_F_FORCE;
    if (probe)
        naru_tcp_tlp_sent(c, true);
    naru_tcp_timer_retransmitted(c, now);
    count_out(c, out);
    if (paced)
        naru_tcp_pace_sent(c, out->len, now);
    return true;
}

static void bare(struct naru_tcp *c, struct naru_tcp_segment *out, naru_seq seq, uint16_t flags,
                 naru_time now)
{
    out->slice_count = 0;
    out->len = 0;
    out->gso_size = 0;
    out->retransmit = false;
    naru_tcp_header(c, &out->hdr, seq, flags, now);
}

static NARU_COLD bool reset(struct naru_tcp *c, struct naru_tcp_segment *out, naru_time now)
{
    bool refused = (c->flags & NARU_TCP_F_DEFERRED) != 0; /* as if nobody had listened */
    c->due = 0;
    bare(c, out, refused ? naru_seq_of(0) : c->snd.nxt, NARU_TCP_RST | NARU_TCP_ACK, now);
    naru_tcp_timer_ack_sent(c);
    return true;
}

static NARU_NOINLINE bool syn(struct naru_tcp *c, struct naru_tcp_segment *out, naru_time now)
{
    bool answer = c->state == NARU_TCP_SYN_RECEIVED;
    c->due &= (uint8_t)~NARU_TCP_DUE_SYN;
    if (c->state != NARU_TCP_SYN_SENT && !answer)
        return false;
    unsigned flags = NARU_TCP_SYN | (answer ? NARU_TCP_ACK : 0u);
    bare(c, out, naru_tcp_iss(c), (uint16_t)(flags | naru_tcp_ecn_syn_flags(c, answer)), now);
    c->segments_out -= (c->flags & NARU_TCP_F_PASSIVE) != 0;
    out->retransmit = (c->flags & NARU_TCP_F_SYN_SENT) != 0;
    naru_tcp_ecn_mark(c, out, false);
    if (!answer && !out->retransmit && (c->more->fastopen & NARU_TCP_FASTOPEN_DATA))
        naru_tcp_fastopen_put_data(c, out);
    c->flags |= NARU_TCP_F_SYN_SENT;
    if (answer && (c->more->fastopen & NARU_TCP_FASTOPEN_EARLY))
        naru_tcp_fastopen_sent(c, out->retransmit, now);
    else if (out->retransmit)
        c->snd.lone = NARU_TCP_SENT_EVER;
    else
        c->sent_at = now;
    count_out(c, out);
    naru_tcp_timer_sent(c, now);
    return true;
}

/* A number before SND.UNA and no data: the peer must answer (RFC 9293 3.8.4, 3.8.6.1; Linux;
 * MUST-36, SHLD-12). */
static NARU_COLD bool probe(struct naru_tcp *c, struct naru_tcp_segment *out, naru_time now)
{
    c->due &= (uint8_t)~NARU_TCP_DUE_PROBE;
    if (!naru_tcp_synchronized(c))
        return false;
    bare(c, out, naru_seq_sub(c->snd.una, 1), NARU_TCP_ACK, now);
    naru_tcp_ecn_mark(c, out, false);
    return true;
}

static NARU_NOINLINE bool any_output(struct naru_tcp *c, const struct naru_tcp_room *room,
                                     struct naru_tcp_segment *out, naru_time now)
{
    if (c->due & NARU_TCP_DUE_RST)
        return reset(c, out, now);
    if (c->due & NARU_TCP_DUE_RETRANSMIT) {
        if (retransmit(c, room, out, now))
            return true;
        c->due &= (uint8_t)~NARU_TCP_DUE_RETRANSMIT;
    }
    if ((c->due & NARU_TCP_DUE_SYN) && syn(c, out, now))
        return true;
    if (c->due & NARU_TCP_DUE_DATA) {
        if (new_data(c, room, out, now))
            return true;
        c->due &= (uint8_t)~NARU_TCP_DUE_DATA;
    }
    if ((c->due & NARU_TCP_DUE_PROBE) && probe(c, out, now))
        return true;
    if (c->due & NARU_TCP_DUE_ACK) {
        c->due &= (uint8_t)~NARU_TCP_DUE_ACK;
        if (naru_tcp_synchronized(c) || c->state == NARU_TCP_SYN_RECEIVED) {
            bool fin = (c->flags & NARU_TCP_F_FIN_AGAIN) != 0 && c->state == NARU_TCP_CLOSING;
            c->flags &= ~(uint32_t)NARU_TCP_F_FIN_AGAIN;
            bare(c, out, naru_seq_sub(c->snd.nxt, fin ? 1 : 0),
                 (uint16_t)(NARU_TCP_ACK | (fin ? NARU_TCP_FIN : 0)), now);
            naru_tcp_ecn_mark(c, out, false);
            return true;
        }
    }
    c->burst = false;
    return false;
}

/* An ACK is built when the batch before it has been processed (MUST-59). */
bool naru_tcp_output(struct naru_tcp *c, const struct naru_tcp_room *room,
                     struct naru_tcp_segment *out, naru_time now)
{
    if (NARU_LIKELY(naru_tcp_quick_output(c, room, out, now)) ||
        (naru_tcp_fin_unsent(c) && naru_tcp_quick_fin(c, out, now)))
        return true;
    naru_tcp_odd(c);
    bool built = any_output(c, room, out, now);
    naru_tcp_look_usual(c);
    return built;
}
