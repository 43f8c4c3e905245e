/*
 * What the files of this folder tell each other.  Nobody else includes it.
 *
 *   in.c in_syn.c ack.c data.c     segments in, RFC 9293 3.10.7
 *   out.c header.c                 segments out
 *   sent.c sack.c recover.c        what is in flight, what of it the peer has, what is lost
 *   rack.c tlp.c prr.c undo.c      by when it was sent, at the tail, how fast again, if at all
 *   quick.c quick_life.c           all of these at once, where nothing is special
 *   sndq.c rcvq.c ooo.c            bytes to send, bytes to read, bytes too early
 *   rcvwnd.c rtt.c timer.c cc*.c   window, RTT, timers, congestion control
 *   ecn.c accecn.c                 marks instead of drops
 *   fastopen.c                     data with SYN
 *   state.c user.c opt.c info.c    life, user calls
 *   more.c rare.c                  what connections need that are not calm, and what few do
 *   rate.c pace.c                  how fast, and when
 *   mtu.c uto.c                    how much at once, for how long
 *   tw.c cookie.c reset.c          answers without a connection
 */
#ifndef NARU_PROTO_TCP_INTERNAL_H
#define NARU_PROTO_TCP_INTERNAL_H

#include "base/block.h"
#include "base/mem.h"
#include "proto/tcp/parts.h"
#include "proto/tcp/tcp.h"

/* Linux's constants where RFC 6298 gives a choice. */
#define NARU_TCP_RTO_INITIAL    1000000u   /* us: RFC 6298 2.1 */
#define NARU_TCP_RTO_MAX        120000000u /* us */
#define NARU_TCP_ATO_MIN        NARU_MS(40)
#define NARU_TCP_CORK_MIN       NARU_MS(200)
#define NARU_TCP_DUPTHRESH      3u
#define NARU_TCP_REORDERING_MAX 300u    /* segments */
#define NARU_TCP_REO_PERSIST    16u     /* RFC 8985 6.2 step 4 */
#define NARU_TCP_PTO_SLACK      2000u   /* us: RFC 8985 7.2 asks for none, Linux has it */
#define NARU_TCP_DELACK_MAX     200000u /* us: how long a lone segment may be acknowledged later */
#define NARU_TCP_IW             10u     /* RFC 6928, segments */
#define NARU_TCP_HYSTART_LOW    16u     /* segments; HyStart++ looks away below */
#define NARU_TCP_QUICK_MAX      16u
#define NARU_TCP_PAWS_IDLE      NARU_SEC(24 * 24 * 3600) /* RFC 7323 5.5 */
#define NARU_TCP_ANSWER_MS      500u /* between answers to unacceptable segments */
#define NARU_TCP_ORPHAN_RETRIES 8u
#define NARU_TCP_SSTHRESH_INF   0x7fffffffu
#define NARU_TCP_MSS_MIN        48u
#define NARU_TCP_RETRY          NARU_MS(100) /* a timer without memory to act */

#define NARU_TCP_NO_TIME INT64_MIN

#define NARU_TCP_TICK_SHIFT 20

/* ---- Small words ---- */

NARU_INLINE uint32_t naru_tcp_ms(naru_time now)
{
    return (uint32_t)((uint64_t)now /
                      (uint64_t)NARU_MS(1)); /* dividing costs less without a sign */
}

/* Microseconds, cut off: they come again after 71 minutes. */
NARU_INLINE uint32_t naru_tcp_us_of(naru_time now)
{
    return (uint32_t)(uint64_t)(now / NARU_US(1));
}

/* About a millisecond, without dividing. */
NARU_INLINE uint32_t naru_tcp_tick_of(naru_time at)
{
    return (uint32_t)((uint64_t)at >> NARU_TCP_TICK_SHIFT);
}

/* How long ago that was, up to 49 days. */
NARU_INLINE naru_time naru_tcp_since_ms(naru_time now, uint32_t ms)
{
    return NARU_MS((naru_time)(naru_tcp_ms(now) - ms));
}

/* The same in ticks. */
NARU_INLINE naru_time naru_tcp_since(naru_time now, uint32_t tick)
{
    return (naru_time)((uint64_t)(naru_tcp_tick_of(now) - tick) << NARU_TCP_TICK_SHIFT);
}

NARU_INLINE uint32_t naru_tcp_us(naru_time span)
{
    if (NARU_LIKELY((uint64_t)span < (uint64_t)NARU_SEC(4)))
        return (uint32_t)span / 1000;
    return span <= 0 ? 0 : span >= NARU_SEC(4000) ? 4000000000u : (uint32_t)(span / 1000);
}

NARU_INLINE uint32_t naru_tcp_ts_now(const struct naru_tcp *c, naru_time now)
{
    return naru_tcp_ms(now) + c->ts_offset;
}

/* opt.c: c begins with the options of like (NULL: with the stack's); it has none any more. */
void naru_tcp_opts_take(struct naru_tcp *c, const struct naru_tcp *like);
void naru_tcp_opts_drop(struct naru_tcp *c);

/* The options in force. */
NARU_INLINE const struct naru_tcp_opts *naru_tcp_opts(const struct naru_tcp *c)
{
    return c->own_opts != NULL ? c->own_opts : &c->more->env->opts;
}

/* The user is told that he may write while less than this is unsent; UINT32_MAX: room is enough. */
NARU_INLINE uint32_t naru_tcp_notsent_lowat(const struct naru_tcp *c)
{
    uint32_t own = naru_tcp_opts(c)->notsent_lowat;
    return own != 0 ? own : c->more->env->config->tcp_notsent_lowat;
}

/* a - b, and never less than nothing. */
NARU_INLINE uint32_t naru_tcp_minus(uint32_t a, uint32_t b) { return a > b ? a - b : 0; }

/* len % mss and len / mss rounded up, mostly without dividing. */
NARU_INLINE uint32_t naru_tcp_rest(uint32_t len, uint32_t mss)
{
    return len < mss ? len : len == mss ? 0 : len % mss;
}

NARU_INLINE uint32_t naru_tcp_segments(uint32_t len, uint32_t mss)
{
    return len <= mss ? len > 0 : (len + mss - 1) / mss;
}

/* more.c: c->more is the one that all share, and never written to. */
NARU_INLINE bool naru_tcp_is_calm(const struct naru_tcp *c) { return c->more->calm; }

void naru_tcp_more_init(struct naru_tcp_env *env);
void naru_tcp_more_deinit(struct naru_tcp_env *env);
bool naru_tcp_more_make(struct naru_tcp *c);
void naru_tcp_more_tell(struct naru_tcp *c);
void naru_tcp_more_free(struct naru_tcp *c);
void naru_tcp_more_check(struct naru_tcp_env *env);
void naru_tcp_more_spare(struct naru_tcp *c); /* all is usual: if it is of no use any more */

/* False: c->more is to be written to, and there is no memory for one of its own. */
NARU_MUST_USE NARU_INLINE bool naru_tcp_more_need(struct naru_tcp *c)
{
    return NARU_LIKELY(!naru_tcp_is_calm(c)) || naru_tcp_more_make(c);
}

/* The user has urgent data to send (RFC 9293 3.8.5). */
NARU_INLINE bool naru_tcp_up_ahead(const struct naru_tcp *c, naru_seq of)
{
    return !naru_tcp_is_calm(c) && naru_seq_after(c->more->snd_up, of);
}

/* FlightSize. */
NARU_INLINE uint32_t naru_tcp_flight(const struct naru_tcp *c)
{
    return naru_seq_len(c->snd.una, c->snd.nxt);
}

/* RFC 6675 pipe: what is thought to be in the network. */
NARU_INLINE uint32_t naru_tcp_pipe(const struct naru_tcp *c)
{
    uint32_t in_flight = naru_tcp_flight(c) - c->more->sacked - c->more->lost + c->more->retrans;
    return in_flight > c->more->reno ? in_flight - c->more->reno : 0;
}

/* Bytes of the user's that were never sent. */
NARU_INLINE uint32_t naru_tcp_unsent_new(const struct naru_tcp *c)
{
    return c->flags & NARU_TCP_F_FIN_SENT ? 0 : naru_seq_len(c->snd.nxt, c->snd.end);
}

NARU_INLINE bool naru_tcp_fin_unsent(const struct naru_tcp *c)
{
    return (c->flags & (NARU_TCP_F_FIN_WANTED | NARU_TCP_F_FIN_SENT)) == NARU_TCP_F_FIN_WANTED;
}

/* Bytes in the send buffer, sent or not. */
NARU_INLINE uint32_t naru_tcp_buffered(const struct naru_tcp *c)
{
    return naru_seq_before(c->snd.una, c->snd.end) ? naru_seq_len(c->snd.una, c->snd.end) : 0;
}

/* The next byte the user reads. */
NARU_INLINE naru_seq naru_tcp_copied(const struct naru_tcp *c)
{
    uint32_t fin = c->flags & NARU_TCP_F_FIN_RECEIVED ? 1 : 0;
    return naru_seq_sub(c->rcv.nxt, c->rcv.unread + fin);
}

NARU_INLINE bool naru_tcp_synchronized(const struct naru_tcp *c)
{
    return c->state >= NARU_TCP_ESTABLISHED;
}

/* PRR says what cwnd is. */
NARU_INLINE bool naru_tcp_reduces(const struct naru_tcp *c)
{
    return c->ca_state == NARU_CA_RECOVERY || c->ca_state == NARU_CA_CWR;
}

/* The user may use it: the handshake is complete, or need not be (RFC 7413 4.2.2). */
NARU_INLINE bool naru_tcp_is_open(const struct naru_tcp *c)
{
    return naru_tcp_synchronized(c) ||
           (c->state == NARU_TCP_SYN_RECEIVED && (c->more->fastopen & NARU_TCP_FASTOPEN_EARLY));
}

/* States in which data and FIN of ours may still be on their way. */
NARU_INLINE bool naru_tcp_may_send(const struct naru_tcp *c)
{
    return naru_tcp_is_open(c) && c->state != NARU_TCP_TIME_WAIT && c->state != NARU_TCP_FIN_WAIT_2;
}

/* ---- state.c ---- */

/* The only place where state changes; asserts that the edge is one of RFC 9293 figure 5. */
void naru_tcp_enter(struct naru_tcp *c, enum naru_tcp_state to, naru_time now);

/* CLOSED at once: everything that was to be sent is forgotten, the user is told err (0: nothing).
 */
void naru_tcp_die(struct naru_tcp *c, enum naru_err err, naru_time now);

/* CLOSED and a RST due. */
void naru_tcp_die_reset(struct naru_tcp *c, enum naru_err err, naru_time now);

void naru_tcp_event(struct naru_tcp *c, unsigned ready);
void naru_tcp_sync_options(struct naru_tcp *c, const struct naru_tcp_hdr *syn, naru_time now);
void naru_tcp_update_mss(struct naru_tcp *c);
void naru_tcp_set_slow(struct naru_tcp *c, unsigned why, bool on);

/* ---- One arriving segment on its way through the eight steps ---- */

struct naru_tcp_acked;

struct naru_tcp_seg {
    const struct naru_tcp_hdr *h;
    struct naru_pkt *pkt; /* NULL once somebody took it */
    naru_time now;
    naru_seq seq, ack; /* of the first byte still there */
    uint32_t len;      /* payload bytes still there */
    uint32_t wnd;      /* unscaled to bytes */
    bool syn, fin, rst, has_ack, urg;
    bool reset;          /* verdict */
    enum naru_drop drop; /* verdict */
};

/* Each says whether the segment goes on. */
bool naru_tcp_step_ack(struct naru_tcp *c, struct naru_tcp_seg *s);
bool naru_tcp_step_urg(struct naru_tcp *c, struct naru_tcp_seg *s);
bool naru_tcp_step_text(struct naru_tcp *c, struct naru_tcp_seg *s);
void naru_tcp_step_fin(struct naru_tcp *c, struct naru_tcp_seg *s);
void naru_tcp_in_syn_sent(struct naru_tcp *c, struct naru_tcp_seg *s);
void naru_tcp_challenge(struct naru_tcp *c, struct naru_tcp_seg *s, enum naru_drop why);
void naru_tcp_answer_old(struct naru_tcp *c, struct naru_tcp_seg *s);

/* Round trips; the user who may write again; a young connection's quick acknowledgements. */
void naru_tcp_measure(struct naru_tcp *c, const struct naru_tcp_acked *a);
void naru_tcp_tell_writer(struct naru_tcp *c, naru_time now);
void naru_tcp_refill_quick(struct naru_tcp *c, naru_time now);
bool naru_tcp_acks_at_once(const struct naru_tcp *c);
void naru_tcp_learn_mss(struct naru_tcp *c, uint32_t len, uint32_t gso_size);
void naru_tcp_data_sent(struct naru_tcp *c, bool by_cwnd, naru_time now);

/* Data go out: are they the user's answer to what came? */
NARU_INLINE void naru_tcp_data_answers(struct naru_tcp *c, naru_time now)
{
    if (now - c->last_recv < NARU_TCP_ATO_MIN && c->last_recv != 0)
        c->pingpong = true;
}

/* The ACK field of a segment that passed all checks. */
void naru_tcp_ack_process(struct naru_tcp *c, struct naru_tcp_seg *s);
void naru_tcp_established(struct naru_tcp *c, struct naru_tcp_seg *s);
/* The next bytes of the stream: RCV.NXT moves, pkt goes to the receive queue. */
void naru_tcp_in_order(struct naru_tcp *c, struct naru_pkt *pkt);

/* ---- What one acknowledgement told ---- */

struct naru_tcp_acked {
    uint32_t acked;        /* sequence space newly behind SND.UNA */
    uint32_t delivered;    /* bytes newly known to have arrived, SACKed ones included */
    uint32_t sacked;       /* of them by SACK */
    uint32_t prior_flight; /* FlightSize before */
    naru_time now;
    naru_time first_sent; /* of what was acknowledged and sent only once; NARU_NEVER: none */
    naru_time rack_sent;  /* of what was delivered the last to be sent (RFC 8985); NO_TIME: none */
    naru_seq rack_end;
    bool retransmitted; /* something acknowledged had been sent twice */
    bool once;          /* something delivered had been sent only once, the lowest at once_start */
    naru_seq once_start;
    naru_seq fack; /* highest that had arrived before, where sacked_before */
    bool sacked_before;
    uint32_t echo; /* of our timestamp */
    bool echo_known;
    bool dup;   /* a duplicate acknowledgement (RFC 5681 2) */
    bool plain; /* and nothing else in it: no data, no window, no SACK */
    bool dsack;
    bool ece;                   /* what we sent was marked CE on its way */
    uint32_t payload_len;       /* of the segment it came with */
    struct naru_tcp_sack twice; /* what came twice */
};

/* Something that was sent at sent_at has arrived. */
NARU_INLINE void naru_tcp_acked_newest(struct naru_tcp_acked *a, naru_time sent_at, naru_seq end)
{
    if (sent_at > a->rack_sent || (sent_at == a->rack_sent && naru_seq_after(end, a->rack_end))) {
        a->rack_sent = sent_at;
        a->rack_end = end;
    }
}

/* ---- quick.c: the usual, at once ---- */

/* At the end of a call that could take anything: is the next one as usual? */
void naru_tcp_look_usual(struct naru_tcp *c);

/* Each false, or 0, having changed nothing: it is not as usual.  And naru_tcp_quick_input
 * and naru_tcp_quick_recv. */
bool naru_tcp_quick_output(struct naru_tcp *c, const struct naru_tcp_room *room,
                           struct naru_tcp_segment *out, naru_time now);
bool naru_tcp_quick_tick(struct naru_tcp *c, naru_time now);

/* quick_life.c: the same as naru_tcp_quick_input for what opens and closes; and FIN alone. */
bool naru_tcp_quick_life(struct naru_tcp *c, const struct naru_tcp_hdr *h, struct naru_pkt *pkt,
                         naru_time now);
bool naru_tcp_quick_fin(struct naru_tcp *c, struct naru_tcp_segment *out, naru_time now);

/* Lest these fall behind SND.UNA by half the circle. */
NARU_INLINE void naru_tcp_pull_along(struct naru_tcp *c)
{
    if (naru_tcp_is_calm(c))
        return;
    if (naru_seq_before(c->more->recover, c->snd.una))
        c->more->recover = c->snd.una;
    if (naru_seq_before(c->more->snd_up, c->snd.una))
        c->more->snd_up = c->snd.una;
}

/* It may be special from here on. */
NARU_INLINE void naru_tcp_odd(struct naru_tcp *c)
{
    if (c->slow != 0)
        return;
    c->slow = NARU_TCP_SLOW_ODD;
    naru_tcp_pull_along(c);
}

/* ---- rate.c: how fast data arrive, and what holds them back ---- */

void naru_tcp_rate_limit(struct naru_tcp *c, enum naru_tcp_limit to, naru_time now);
void naru_tcp_rate_mark(struct naru_tcp *c, naru_seq start, naru_seq end, naru_time now);
void naru_tcp_rate_written(struct naru_tcp *c, naru_time now); /* before there is more to send */
void naru_tcp_rate_acked(struct naru_tcp *c, const struct naru_tcp_acked *a);
void naru_tcp_rate_info(const struct naru_tcp *c, struct naru_tcp_info *info, naru_time now);
uint64_t naru_tcp_pacing_rate(const struct naru_tcp *c); /* bytes a second; 0: not known */

/* New data have gone; [start, end) is in flight now.  A lone segment needs no more than its record.
 */
NARU_INLINE void naru_tcp_rate_sent(struct naru_tcp *c, naru_seq start, naru_seq end, naru_time now)
{
    bool alone = naru_seq_eq(start, c->snd.una);
    if (c->more->rare == NULL
            ? alone && naru_seq_len(start, end) <= c->snd.mss
            : c->more->rare->marked && !alone && c->more->rare->limit == NARU_TCP_LIMIT_NONE)
        return;
    naru_tcp_rate_mark(c, start, end, now);
}

/* ---- pace.c: segments spread over time, where NARU_TCP_SET_PACING is on ---- */

/* Data may not go now; the PACE timer is set. */
bool naru_tcp_pace_wait(struct naru_tcp *c, naru_time now);
void naru_tcp_pace_sent(struct naru_tcp *c, uint32_t len, naru_time now);
/* What may go as one super-segment, at most what room says. */
uint32_t naru_tcp_pace_quantum(const struct naru_tcp *c);
void naru_tcp_pace_changed(struct naru_tcp *c, naru_time now); /* the options */

/* ---- mtu.c: the largest segment that passes, when nobody tells (RFC 4821) ---- */

void naru_tcp_mtu_established(struct naru_tcp *c, naru_time now);
void naru_tcp_mtu_timeout(struct naru_tcp *c, naru_time now); /* RTO, again */
void naru_tcp_mtu_false_alarm(struct naru_tcp *c);
void naru_tcp_mtu_told(struct naru_tcp *c, uint16_t mss, naru_time now); /* by the stack */
/* A segment of so many bytes may be tried now; 0: none. */
uint32_t naru_tcp_mtu_probe_len(struct naru_tcp *c, naru_time now);
void naru_tcp_mtu_probe_sent(struct naru_tcp *c, naru_seq start, uint32_t len);
void naru_tcp_mtu_acked(struct naru_tcp *c, const struct naru_tcp_acked *a);
/* Something is lost; true: it is the probe, and nobody is to blame. */
bool naru_tcp_mtu_probe_lost(struct naru_tcp *c);

/* ---- uto.c: the user timeout, and its option (RFC 5482) ---- */

/* How long the peer may be silent: 0: retransmissions are counted; NARU_NEVER: for ever. */
naru_time naru_tcp_user_timeout(const struct naru_tcp *c);
bool naru_tcp_counts_retries(const struct naru_tcp *c);       /* R2 is a number of them */
void naru_tcp_uto_changed(struct naru_tcp *c, naru_time now); /* by the user */
void naru_tcp_uto_established(struct naru_tcp *c);
void naru_tcp_uto_input(struct naru_tcp *c, const struct naru_tcp_hdr *h, naru_time now);
void naru_tcp_uto_put(const struct naru_tcp *c, struct naru_tcp_hdr *h);

/* ---- sent.c: records of what is in flight, in sequence order ---- */

unsigned naru_tcp_sent_count(const struct naru_tcp *c);
/* Of a connection that is not calm, and good until the next call; changed by the calls below. */
struct naru_tcp_sent *naru_tcp_sent_at(struct naru_tcp *c, unsigned i);
naru_time naru_tcp_sent_since(const struct naru_tcp *c); /* the first in flight was sent, and ... */
naru_time naru_tcp_sent_newest(const struct naru_tcp *c); /* ... the last; since when nothing is */
/* even: NARU_TCP_SENT_EVEN or 0; SND.NXT and SND.SML are still those of what was sent before. */
void naru_tcp_sent_push(struct naru_tcp *c, naru_seq start, naru_seq end, uint8_t even,
                        naru_time now);
void naru_tcp_sent_pop(struct naru_tcp *c, naru_seq una, struct naru_tcp_acked *a);
unsigned naru_tcp_sent_find(struct naru_tcp *c,
                            naru_seq seq); /* the one that holds seq, or count */
bool naru_tcp_sent_split(struct naru_tcp *c, unsigned i, naru_seq at);
void naru_tcp_sent_merge(struct naru_tcp *c, unsigned i); /* with its neighbours, if they agree */
unsigned naru_tcp_sent_merge_before(struct naru_tcp *c, unsigned i); /* 1: it was joined to i - 1 */
void naru_tcp_sent_flag(struct naru_tcp *c, struct naru_tcp_sent *r, uint8_t flags);
void naru_tcp_sent_stamp(struct naru_tcp *c, struct naru_tcp_sent *r, naru_time now);
void naru_tcp_sent_trim(struct naru_tcp *c); /* gives the ring back when nothing is in flight */
void naru_tcp_sent_free(struct naru_tcp *c);
void naru_tcp_sent_check(struct naru_tcp *c);

/* ---- sack.c, recover.c ---- */

void naru_tcp_sack_input(struct naru_tcp *c, const struct naru_tcp_hdr *h, naru_seq ack,
                         struct naru_tcp_acked *a);
/* Corrects a->delivered by what duplicate acknowledgements told before. */
void naru_tcp_recover_acked(struct naru_tcp *c, struct naru_tcp_acked *a, naru_time now);
void naru_tcp_recover_reo(struct naru_tcp *c, naru_time now); /* RACK's timer has fired */
void naru_tcp_recover_mark(struct naru_tcp *c, struct naru_tcp_sent *r); /* is lost */
void naru_tcp_recover_phase(struct naru_tcp *c, enum naru_ca_state to);
void naru_tcp_recover_done(struct naru_tcp *c);
void naru_tcp_recover_rto(struct naru_tcp *c, naru_time now);
void naru_tcp_recover_pmtu(struct naru_tcp *c);
void naru_tcp_recover_probe(struct naru_tcp *c); /* the first in flight was too big */
/* The next range to send again, at most max bytes of it; 0: none (now). */
uint32_t naru_tcp_recover_next(struct naru_tcp *c, uint32_t max, naru_seq *start);
void naru_tcp_recover_sent(struct naru_tcp *c, naru_seq start, uint32_t len, naru_time now);

/* ---- rack.c: losses by time (RFC 8985 6) ---- */

/* c->more->loss, made if need be; NULL without memory. */
struct naru_tcp_loss *naru_tcp_loss_need(struct naru_tcp *c);
void naru_tcp_loss_free(struct naru_tcp *c);
void naru_tcp_loss_trim(struct naru_tcp *c); /* all is acknowledged: is it still of use? */
void naru_tcp_rack_update(struct naru_tcp *c, const struct naru_tcp_acked *a);
/* May an acknowledgement of r, sent more than once, be of its last copy? */
bool naru_tcp_rack_believes(const struct naru_tcp *c, const struct naru_tcp_sent *r,
                            const struct naru_tcp_acked *a);
/* Marks what is lost, sets RACK's timer if something may be soon. */
void naru_tcp_rack_detect(struct naru_tcp *c, naru_time now);
bool naru_tcp_rack_expired(struct naru_tcp *c, const struct naru_tcp_sent *r, naru_time now);
void naru_tcp_rack_resent(struct naru_tcp *c, naru_time now);
void naru_tcp_rack_episode_over(struct naru_tcp *c);

/* ---- tlp.c: tail loss probes (RFC 8985 7) ---- */

/* PTO from now, or NARU_NEVER: no probe would be sent. */
naru_time naru_tcp_tlp_pto(const struct naru_tcp *c, bool *alone);
/* There are such probes, where nothing is amiss. */
NARU_INLINE bool naru_tcp_tlp_agreed(const struct naru_tcp *c)
{
    return c->more->env->config->tcp_tlp && (c->flags & NARU_TCP_F_SACK) && c->srtt != 0;
}
/* PTO has come. */
void naru_tcp_tlp_fired(struct naru_tcp *c);
uint32_t naru_tcp_tlp_next(struct naru_tcp *c, uint32_t max, naru_seq *start);
void naru_tcp_tlp_sent(struct naru_tcp *c, bool again);
void naru_tcp_tlp_acked(struct naru_tcp *c, const struct naru_tcp_acked *a, naru_time now);

/* ---- prr.c: how much may go during recovery (RFC 9937) ---- */

void naru_tcp_prr_begin(struct naru_tcp *c, uint32_t prior_cwnd);
void naru_tcp_prr_acked(struct naru_tcp *c, uint32_t delivered, bool safe);

/* ---- ecn.c (RFC 3168) ---- */

uint16_t naru_tcp_ecn_syn_flags(struct naru_tcp *c, bool answer);
void naru_tcp_ecn_syn_in(struct naru_tcp *c, const struct naru_tcp_hdr *h);
void naru_tcp_ecn_synack_in(struct naru_tcp *c, const struct naru_tcp_hdr *h);
void naru_tcp_ecn_data(struct naru_tcp *c, const struct naru_tcp_hdr *h);
bool naru_tcp_ecn_acked(struct naru_tcp *c, const struct naru_tcp_hdr *h,
                        const struct naru_tcp_acked *a);
void naru_tcp_ecn_reduced(struct naru_tcp *c); /* cwnd was */
void naru_tcp_ecn_mark_segment(struct naru_tcp *c, struct naru_tcp_segment *out, bool fresh);
bool naru_tcp_ecn_stands_alone(const struct naru_tcp *c);

/* The flags of a segment that is built, and its codepoint; fresh: its data were never sent. */
NARU_INLINE void naru_tcp_ecn_mark(struct naru_tcp *c, struct naru_tcp_segment *out, bool fresh)
{
    if (NARU_UNLIKELY(c->more->ecn != 0))
        naru_tcp_ecn_mark_segment(c, out, fresh);
}

/* The next segment must not be a super-segment. */
NARU_INLINE bool naru_tcp_ecn_alone(const struct naru_tcp *c)
{
    return NARU_UNLIKELY(c->more->ecn != 0) && naru_tcp_ecn_stands_alone(c);
}

/* ---- accecn.c (RFC 9768) ---- */

/* c->more->rare, made if need be; NULL without memory. */
struct naru_tcp_rare *naru_tcp_rare_need(struct naru_tcp *c);
void naru_tcp_rare_free(struct naru_tcp *c);
void naru_tcp_rare_spare(struct naru_tcp *c); /* before anything was sent: is it of use? */
uint16_t naru_tcp_accecn_ace(uint32_t cep);   /* as flags */
uint16_t naru_tcp_accecn_reflected(uint8_t ecn);
void naru_tcp_accecn_begin(struct naru_tcp *c, uint8_t ecn);
void naru_tcp_accecn_answered(struct naru_tcp *c, unsigned flags);
bool naru_tcp_accecn_first(struct naru_tcp *c, const struct naru_tcp_hdr *h, uint32_t len);
void naru_tcp_accecn_in(struct naru_tcp *c, const struct naru_tcp_hdr *h, uint32_t len,
                        uint32_t gso_size);
bool naru_tcp_accecn_acked(struct naru_tcp *c, const struct naru_tcp_hdr *h,
                           const struct naru_tcp_acked *a);
uint32_t naru_tcp_accecn_len(const struct naru_tcp *c, uint32_t used);
void naru_tcp_accecn_put(struct naru_tcp *c, struct naru_tcp_segment *out);

/* ---- fastopen.c (RFC 7413) ---- */

uint32_t naru_tcp_syn_data(const struct naru_tcp *c);
void naru_tcp_fastopen_put_data(struct naru_tcp *c, struct naru_tcp_segment *out);
void naru_tcp_fastopen_answered(struct naru_tcp *c, naru_seq ack);
void naru_tcp_fastopen_sent(struct naru_tcp *c, bool again, naru_time now);
void naru_tcp_fastopen_complete(struct naru_tcp *c, naru_time now);

/* ---- undo.c: what looked like a loss was none ---- */

/* Told of each episode that begins, of each retransmission. */
void naru_tcp_undo_begin(struct naru_tcp *c);
void naru_tcp_undo_resent(struct naru_tcp *c, uint32_t len, naru_time now);
void naru_tcp_undo_dsack(struct naru_tcp *c, const struct naru_tcp_acked *a);
/* True: it is over, without blame. */
bool naru_tcp_undo_try(struct naru_tcp *c, const struct naru_tcp_acked *a);
void naru_tcp_undo(struct naru_tcp *c);

/* ---- sndq.c ---- */

uint32_t naru_tcp_sndq_room(const struct naru_tcp *c);
/* An empty block that is nobody's yet; it may be smaller than want.  NULL without memory. */
struct naru_block *naru_tcp_sndq_block(const struct naru_tcp *c, uint32_t want);
/* b is the last from here on. */
NARU_INLINE void naru_tcp_sndq_add(struct naru_tcp *c, struct naru_block *b)
{
    if (NARU_LIKELY(c->snd_last == NULL)) {
        b->next = b;
    } else {
        b->next = c->snd_last->next;
        c->snd_last->next = b;
    }
    c->snd_last = b;
}
/* Copies what fits; the count.  NOMEM if not a byte could be stored for want of memory. */
int64_t naru_tcp_sndq_write(struct naru_tcp *c, const struct naru_slice *slice, unsigned count,
                            uint32_t max);
/* Slices of [seq, seq + len): returns the count, *len is cut to what fits in max slices. */
unsigned naru_tcp_sndq_slices(struct naru_tcp *c, naru_seq seq, uint32_t *len,
                              struct naru_slice *slice, unsigned max);
void naru_tcp_sndq_acked(struct naru_tcp *c); /* drops what is before SND.UNA */
void naru_tcp_sndq_free(struct naru_tcp *c);
int naru_tcp_sndq_reserve(struct naru_tcp *c, struct naru_room *room, unsigned max, uint32_t len);
void naru_tcp_sndq_commit(struct naru_tcp *c, uint32_t len);
void naru_tcp_sndq_check(const struct naru_tcp *c);

/* ---- rcvq.c ---- */

/* A ring, of which c keeps the last; its next is the first. */
NARU_INLINE struct naru_pkt *naru_tcp_rcvq_first(const struct naru_tcp *c)
{
    return c->rcv_last == NULL ? NULL : c->rcv_last->next;
}

NARU_INLINE struct naru_pkt *naru_tcp_rcvq_next(const struct naru_tcp *c, const struct naru_pkt *p)
{
    return p == c->rcv_last ? NULL : p->next;
}

void naru_tcp_rcvq_append(struct naru_tcp *c, struct naru_pkt *pkt);
/* Is there memory for data that wait for the user? */
static inline bool naru_tcp_may_keep(const struct naru_tcp *c)
{
    return naru_mem_may_hold(c->more->env->mem, c->rcv.unread == 0) ||
           (c->flags & NARU_TCP_F_READ_SHUT) != 0;
}
uint32_t naru_tcp_rcvq_copy(const struct naru_tcp *c, uint32_t skip, void *at, uint32_t len);
void naru_tcp_rcvq_consume(struct naru_tcp *c, uint32_t len);
void naru_tcp_rcvq_free(struct naru_tcp *c);
void naru_tcp_rcvq_check(const struct naru_tcp *c);

/* ---- ooo.c: data beyond a hole ---- */

/* Takes pkt, whose bytes begin at seq, beyond RCV.NXT. */
enum naru_drop naru_tcp_ooo_add(struct naru_tcp *c, naru_seq seq, struct naru_pkt *pkt);
/* A FIN with that number came before what is in front of it. */
void naru_tcp_ooo_fin(struct naru_tcp *c, naru_seq fin);
/* Everything that RCV.NXT has reached goes to the receive queue.  True: and FIN is next. */
bool naru_tcp_ooo_drain(struct naru_tcp *c);
/* SACK blocks, the most recent first (RFC 2018 4); returns the count. */
unsigned naru_tcp_ooo_blocks(const struct naru_tcp *c, struct naru_tcp_sack *block, unsigned max);
void naru_tcp_ooo_free(struct naru_tcp *c);
void naru_tcp_ooo_check(const struct naru_tcp *c);
unsigned naru_tcp_ooo_ranges(const struct naru_tcp *c);

/* ---- rcvwnd.c ---- */

void naru_tcp_rcvwnd_init(struct naru_tcp *c, naru_time now);
void naru_tcp_take_queued(struct naru_tcp *c, naru_time now);
void naru_tcp_timer_hold_syn(struct naru_tcp *c, naru_time until);
void naru_tcp_rcvwnd_whole(struct naru_tcp *c);
/* Moves RCV.WND for the segment that is being built; the window field. */
uint16_t naru_tcp_rcvwnd_select(struct naru_tcp *c, bool syn);
uint16_t naru_tcp_rcvwnd_usual(struct naru_tcp *c); /* of any but SYN, with Linux's habits */
void naru_tcp_rcvwnd_grow(struct naru_tcp *c, uint32_t len);
void naru_tcp_rcvwnd_read(struct naru_tcp *c, naru_time now); /* the user has read */
void naru_tcp_rcvwnd_rtt(struct naru_tcp *c, uint32_t ts_ecr, uint32_t len, naru_time now);
void naru_tcp_sndbuf_grow(struct naru_tcp *c);

/* ---- rtt.c ---- */

void naru_tcp_rtt_sample(struct naru_tcp *c, uint32_t us);
naru_time naru_tcp_rto(const struct naru_tcp *c); /* with backoff */
/* There has been no timeout. */
NARU_INLINE naru_time naru_tcp_rto_usual(const struct naru_tcp *c)
{
    return NARU_US((naru_time)c->rto);
}
uint64_t naru_tcp_rto_max(const struct naru_tcp *c); /* microseconds, of the configuration */

/* ---- timer.c: told facts ---- */

void naru_tcp_timer_reset(struct naru_tcp *c);
void naru_tcp_timer_sent(struct naru_tcp *c, naru_time now);
void naru_tcp_timer_lone(struct naru_tcp *c,
                         naru_time now); /* the same, of the only one in flight */
void naru_tcp_timer_acked(struct naru_tcp *c, naru_time now);
void naru_tcp_timer_retransmitted(struct naru_tcp *c, naru_time now);
/* RACK's timer; and RTO again, counted from when the first segment in flight was sent. */
void naru_tcp_timer_reordering(struct naru_tcp *c, naru_time at);
void naru_tcp_timer_rearm(struct naru_tcp *c, naru_time now);
void naru_tcp_timer_blocked(struct naru_tcp *c, naru_time now); /* the window holds data back */
void naru_tcp_timer_unblocked(struct naru_tcp *c);
void naru_tcp_timer_probe_answered(struct naru_tcp *c, naru_time now);
void naru_tcp_timer_ack_wanted(struct naru_tcp *c, naru_time now);
void naru_tcp_timer_ack_fired(struct naru_tcp *c);
void naru_tcp_timer_ack_sent(struct naru_tcp *c);
bool naru_tcp_timer_corked(struct naru_tcp *c, naru_time now);
void naru_tcp_timer_uncorked(struct naru_tcp *c); /* nothing is held back any more */
void naru_tcp_timer_paced(struct naru_tcp *c);    /* data wait for more->pace_at */
void naru_tcp_timer_keepalive(struct naru_tcp *c, naru_time now); /* options changed */
void naru_tcp_timer_entered(struct naru_tcp *c, naru_time now);   /* a new state */
void naru_tcp_timer_user_timeout(struct naru_tcp *c, naru_time now);

/* ---- header.c ---- */

void naru_tcp_header(struct naru_tcp *c, struct naru_tcp_hdr *h, naru_seq seq, uint16_t flags,
                     naru_time now);
void naru_tcp_ack_sent(struct naru_tcp *c);
/* Bytes of option that a data segment carries beyond those in snd.mss. */
uint32_t naru_tcp_options_len(const struct naru_tcp *c);

/* ---- cc.c: congestion control, one interface of facts ---- */

void naru_tcp_cc_init(struct naru_tcp *c, naru_time now);
void naru_tcp_cc_begin(struct naru_tcp *c); /* its own state, as of one established just now */
bool naru_tcp_cc_is_new(const struct naru_tcp *c); /* and still so */
void naru_tcp_cc_acked(struct naru_tcp *c, uint32_t bytes, naru_time now);
void naru_tcp_cc_loss(struct naru_tcp *c, naru_time now); /* ssthresh for recovery */
void naru_tcp_cc_ece(struct naru_tcp *c, naru_time now);  /* the same, for good */
void naru_tcp_cc_rto(struct naru_tcp *c, bool first, naru_time now);
void naru_tcp_hystart_rtt(struct naru_tcp *c, uint32_t us); /* first slow start of CUBIC only */
void naru_tcp_cc_undo(struct naru_tcp *c);
void naru_tcp_cc_idle(struct naru_tcp *c, naru_time now); /* before the first data after idleness */
void naru_tcp_cc_sent(struct naru_tcp *c, bool cwnd_limited);

#endif
