/*
 * TCP: the machine of RFC 9293, one connection at a time.
 *
 * It never learns that IP exists, never calls up, never reads a clock and never builds bytes.
 * Segments go in as host-order headers and payload packets; what is due is recorded; the next
 * segment comes out, when somebody has room for it, as a host-order header and slices of the send
 * buffer.  The stack finds connections, checks checksums, fills in ports and addresses.
 *
 * A turn of the stack around one connection c:
 *
 *     verdict = naru_tcp_input(c, &hdr, pkt, now);          each segment for it
 *     naru_tcp_tick(c, now);                                when naru_tcp_deadline(c) has come
 *     if (c->events) ...tell its holder; c->events = 0      readiness edges
 *     if (c->progress) ...tell neighbours; c->progress = 0  forward progress (RFC 4861 7.3.1)
 *     while (c->due && naru_tcp_output(c, &room, &segment, now)) ...transmit
 *     if (c->state == NARU_TCP_TIME_WAIT && !c->due) ...naru_tcp_tw_init, free c when unheld
 *     if (naru_tcp_done(c)) ...free c when nobody holds it
 *
 * Reading list: RFC 9293 (3.3.2 states, 3.10.7 arriving segments: read in.c beside it), 5961
 * (blind attacks), 7323 (scaling, timestamps, PAWS), 2018 and 2883 (SACK, DSACK), 8985, 6675 and
 * 6582 (what is lost), 9937 (recovery), 5682, 3522 and 4015 (what was not), 6298 (RTO), 5681, 6928,
 * 9438, 9406 (congestion control), 1122 4.2 (the reasons), 6093 (urgent data), 6191 and 1337
 * (TIME-WAIT), 3168 and 9768 (ECN), 7413 (Fast Open), 6528 (sequence numbers), 4987 (SYN floods),
 * 5482 (user timeout), 4821 and 8899 (path MTU), 9040 (what is known of a path), 5927 (ICMP). Where
 * they leave room: what Linux does.
 */
#ifndef NARU_PROTO_TCP_TCP_H
#define NARU_PROTO_TCP_TCP_H

#include "base/pool.h"
#include "base/siphash.h"
#include "proto/tcp/conn.h"
#include "wire/tcp.h"

struct naru_mem;
struct naru_pktpool;
struct naru_blockpool;
struct naru_rand;

/* ---- The stack's side: one of these for all of its connections ---- */

struct naru_tcp_counters {
    uint64_t segments_in, segments_out; /* to and from connections */
    uint64_t retransmits, rto_fires;
    uint64_t cookies_sent, cookies_accepted;
    uint64_t challenge_acks;
};

/*
 * Filled by naru_tcp_env_init; config, mem and the pools must outlive it.  state_changed may be
 * NULL; it is told for tracing only and must not call into the connection.
 */
struct naru_tcp_env {
    const struct naru_config *config;
    struct naru_mem *mem;
    struct naru_pktpool *pktpool;
    struct naru_blockpool *blockpool;
    struct naru_rand *rand;
    struct naru_siphash_key name_key;
    struct naru_siphash_key cookie_key[2]; /* of this minute, and of the one before */
    uint32_t cookie_minute;
    uint64_t ooo_bytes, ooo_max; /* memory of out-of-order data, all connections */
    uint8_t wscale;              /* the shift we offer: from config.tcp_rcvbuf_max */
    struct naru_tcp_opts opts;   /* defaults of this stack */
    struct naru_pool more_pool;  /* struct naru_tcp_more of the connections that need one ... */
    struct naru_tcp_more calm;   /* ... and of all the others; nobody writes to it */
    struct naru_tcp_counters counters;
    void (*state_changed)(void *user, struct naru_tcp *c, enum naru_tcp_state from,
                          enum naru_tcp_state to);
    void *user;
};

void naru_tcp_env_init(struct naru_tcp_env *env, const struct naru_config *config,
                       struct naru_mem *mem, struct naru_pktpool *pktpool,
                       struct naru_blockpool *blockpool, struct naru_rand *rand);
/* After all connections. */
void naru_tcp_env_deinit(struct naru_tcp_env *env);

/* A keyed hash of a connection's name: the same for every incarnation, unknown to everyone else. */
struct naru_tcp_secret {
    uint32_t isn; /* RFC 6528: F(), in initial sequence numbers */
    uint32_t ts;  /* RFC 7323 5.4: the offset of timestamps */
};

struct naru_tcp_secret naru_tcp_secret(const struct naru_tcp_env *env,
                                       const struct naru_hash_tuple *tuple);

/* RFC 6528: F() and a clock of 4 us. */
naru_seq naru_tcp_isn(const struct naru_tcp_secret *secret, naru_time now);

/* ---- Life of a connection ---- */

struct naru_tcp_setup {
    uint16_t mss; /* payload a segment without options may carry on the path: MTU less IP and TCP */
    uint16_t mss_default; /* what a peer without MSS option takes: 536 (IPv4), 1220 (IPv6) */
    struct naru_tcp_secret secret; /* of its name */
    const struct naru_tcp *like;   /* whose options it has; NULL: the stack's defaults */
};

/* CLOSED.  The caller's memory. */
void naru_tcp_init(struct naru_tcp *c, struct naru_tcp_env *env, const struct naru_tcp_setup *setup,
                   naru_time now);

/* Gives back everything c owns, from any state, silently. */
void naru_tcp_deinit(struct naru_tcp *c);

/* Active open: SYN-SENT.  setup: the path as known now that the peer is. */
void naru_tcp_open(struct naru_tcp *c, naru_seq iss, naru_time now);

/* The path of a connection that was made before its peer was known; only in CLOSED. */
void naru_tcp_set_path(struct naru_tcp *c, const struct naru_tcp_setup *setup);

/*
 * A SYN for a listener, which the caller has checked to be one (SYN, no ACK, no RST): SYN-RECEIVED.
 * defer_answer: nothing is sent until naru_tcp_answer; naru_tcp_abort refuses with a RST.
 */
void naru_tcp_open_passive(struct naru_tcp *c, const struct naru_tcp_hdr *syn, naru_seq iss,
                           bool defer_answer, naru_time now);
void naru_tcp_answer(struct naru_tcp *c, naru_time now);

/*
 * The listener wants data with its connections (NARU_OPT_DEFER_ACCEPT_MS), and h, the last step of
 * a handshake with payload_len bytes, has none: true, and h counts as not received.  The SYN, ACK
 * is said once more when the time is over.
 */
bool naru_tcp_defer_accept(struct naru_tcp *c, const struct naru_tcp_hdr *h, size_t payload_len,
                           naru_time now);

/* ---- Fast Open (RFC 7413): cookies are the caller's business ---- */

struct naru_tcp_fastopen {
    uint8_t cookie_len; /* 0 in a SYN: asks for one */
    bool option;        /* there is one: else data alone */
    bool experimental;  /* in option 254 */
    bool data;          /* SYN: may carry data */
    uint16_t mss;       /* the peer's when it was last heard of; 0: the path's */
    uint8_t cookie[NARU_TCP_COOKIE_MAX];
};

/* naru_tcp_open, with how's option and data that fit into SYN: how many were taken, 0 if none. */
int64_t naru_tcp_open_fast(struct naru_tcp *c, naru_seq iss, const struct naru_tcp_fastopen *how,
                           const struct naru_slice *slice, unsigned slice_count, naru_time now);

/* After naru_tcp_open_passive: SYN,ACK gives a cookie.  False: no memory, it does not. */
bool naru_tcp_offer_cookie(struct naru_tcp *c, const struct naru_tcp_fastopen *how);

/*
 * After naru_tcp_open_passive: the SYN had a good cookie, pkt (NULL: none) are its data.  True: the
 * connection has pkt, and is open to the user before the handshake is complete.  False: no memory;
 * pkt is still the caller's, and the handshake an ordinary one.
 */
bool naru_tcp_accept_fast(struct naru_tcp *c, struct naru_pkt *pkt, naru_time now);

/* Nothing more will happen by itself: CLOSED and nothing due.  Unread data may still be read. */
static inline bool naru_tcp_done(const struct naru_tcp *c)
{
    return c->state == NARU_TCP_CLOSED && c->due == 0;
}

/* ---- Segments in ---- */

struct naru_tcp_verdict {
    enum naru_drop drop; /* NONE: something of the segment was of use */
    bool reset;          /* answer it with naru_tcp_reset_reply, as if there were no connection */
};

/*
 * pkt (its data and len are the payload, offload.gso_size tells when it stands for several
 * segments) is consumed in every case; NULL is a segment without payload.
 */
struct naru_tcp_verdict naru_tcp_input(struct naru_tcp *c, const struct naru_tcp_hdr *h,
                                       struct naru_pkt *pkt, naru_time now);

/*
 * The same for a segment about which nothing is special; false, and nothing has happened, where
 * something is.
 */
bool naru_tcp_quick_input(struct naru_tcp *c, const struct naru_tcp_hdr *h, struct naru_pkt *pkt,
                          naru_time now);

/*
 * Its two halves, for a caller who knows that h is of the usual kind, not marked CE, and memory not
 * short: the question (len: of the payload), and what is done where the answer was yes.
 */
bool naru_tcp_quick_fits(const struct naru_tcp *c, const struct naru_tcp_news *h, uint32_t len);
void naru_tcp_quick_take(struct naru_tcp *c, const struct naru_tcp_news *h, struct naru_pkt *pkt,
                         naru_time now);

/* Length in sequence space: payload, SYN and FIN. */
uint32_t naru_tcp_seg_len(const struct naru_tcp_hdr *h, size_t payload_len);

/*
 * The RST for a segment without a connection (RFC 9293 3.10.7.1), ports swapped; false if there is
 * none because it is a RST itself.
 */
bool naru_tcp_reset_reply(const struct naru_tcp_hdr *h, uint32_t seg_len, struct naru_tcp_hdr *out);

/* ---- Segments out ---- */

#define NARU_TCP_SLICES 16

struct naru_tcp_room {
    uint32_t payload_max; /* bytes of one super-segment; 0: one MSS */
    uint16_t segment_max; /* segments it may stand for; 0: no limit */
};

struct naru_tcp_segment {
    struct naru_tcp_hdr hdr; /* ports are the caller's */
    struct naru_slice slice[NARU_TCP_SLICES];
    unsigned slice_count;
    uint32_t len;      /* payload bytes */
    uint16_t gso_size; /* payload bytes of each segment if it stands for several, else 0 */
    bool retransmit;
};

/*
 * The next segment, decided now; false when nothing more is due at this moment.  Slices are good
 * until the next call with this connection.  What was built counts as sent.
 */
bool naru_tcp_output(struct naru_tcp *c, const struct naru_tcp_room *room,
                     struct naru_tcp_segment *out, naru_time now);

/*
 * The same in three steps for a connection about which nothing is special, where all there is to
 * say goes in one segment with a timestamp and no other option: what the user has written, nothing
 * else being in flight, or the acknowledgement alone.
 */
struct naru_tcp_lone {
    const uint8_t *payload;
    uint32_t len;
};

/* False: it is not so, and naru_tcp_output knows.  Nothing has happened in either case. */
bool naru_tcp_lone_ready(const struct naru_tcp *c, struct naru_tcp_lone *out);
/* Its header, but for ports, checksum and lengths; and then that it was built. */
void naru_tcp_lone_header(struct naru_tcp *c, uint32_t len, struct naru_tcp_hdr *h, naru_time now);
void naru_tcp_lone_gone(struct naru_tcp *c, uint32_t len, naru_time now);

/*
 * After first was built: so many segments may follow at this instant, if nothing else happens,
 * that differ from it in nothing but their number and bytes, and none of which is the last; 0:
 * perhaps there are more, but somebody has to look.
 */
uint32_t naru_tcp_quick_more(const struct naru_tcp *c, const struct naru_tcp_segment *first);

/* One of those: the slices of its payload, at most max of them.  0, and nothing has happened, where
 * they are too many. */
unsigned naru_tcp_quick_next(struct naru_tcp *c, struct naru_slice *slice, unsigned max,
                             naru_time now);

/* ---- Time ---- */

/* The earliest of the timers that a calm connection has not set. */
static inline naru_time naru_tcp_seldom_deadline(const struct naru_tcp *c)
{
    return NARU_MIN(c->more->timer[0], c->more->timer[1]);
}

/*
 * When naru_tcp_tick must be called at the latest; NARU_NEVER.  It moves with nearly every segment,
 * mostly later: a caller that keeps the earlier one and ticks too soon does no harm.
 */
static inline naru_time naru_tcp_deadline(const struct naru_tcp *c)
{
    naru_time t = naru_tcp_seldom_deadline(c);
    for (unsigned i = 0; i < NARU_TCP_TIMERS_OFTEN; i++)
        t = NARU_MIN(t, c->timer[i]);
    return t;
}

/* The same of one about which nothing is special: of its timers only these may be set. */
static inline naru_time naru_tcp_quick_deadline(const struct naru_tcp *c)
{
    naru_time t = c->timer[NARU_TCP_TIMER_RETRANSMIT];
    t = NARU_MIN(t, c->timer[NARU_TCP_TIMER_ACK]);
    return NARU_MIN(t, c->timer[NARU_TCP_TIMER_IDLE]);
}

void naru_tcp_tick(struct naru_tcp *c, naru_time now);

/* ---- What users call: results are those of <naru/sock.h> ---- */

int64_t naru_tcp_send(struct naru_tcp *c, const struct naru_slice *slice, unsigned slice_count,
                      unsigned flags, naru_time now);
/* The same of one slice where nothing is special, all of it; 0, and nothing has happened, where
 * something is. */
int64_t naru_tcp_quick_send(struct naru_tcp *c, const struct naru_slice *slice, naru_time now);
int64_t naru_tcp_recv(struct naru_tcp *c, const struct naru_room *room, unsigned room_count,
                      unsigned flags, naru_time now);
/* The same into one room, where all that can be read is one packet that fits, and nothing is
 * special; else 0, and nothing has happened. */
int64_t naru_tcp_quick_recv(struct naru_tcp *c, const struct naru_room *room, naru_time now);
int naru_tcp_recv_view(struct naru_tcp *c, struct naru_slice *slice, unsigned max, naru_time now);
void naru_tcp_recv_consume(struct naru_tcp *c, size_t len, naru_time now);
int naru_tcp_send_reserve(struct naru_tcp *c, struct naru_room *room, unsigned max, naru_time now);
void naru_tcp_send_commit(struct naru_tcp *c, size_t len, unsigned flags, naru_time now);

enum naru_err naru_tcp_shutdown(struct naru_tcp *c, unsigned how, naru_time now);

/*
 * The holder is gone.  The connection ends by itself: FIN after what is to be sent, or RST if there
 * are unread data or LINGER is 0.
 */
void naru_tcp_close(struct naru_tcp *c, naru_time now);
/* RST if the peer knows of us (RFC 9293 3.10.5), then CLOSED. */
void naru_tcp_abort(struct naru_tcp *c, naru_time now);

unsigned naru_tcp_ready(const struct naru_tcp *c); /* enum naru_ready, the level now */

/* The pending error, and clears it; NARU_OK. */
enum naru_err naru_tcp_take_error(struct naru_tcp *c);

void naru_tcp_get_info(const struct naru_tcp *c, struct naru_tcp_info *info, naru_time now);
void naru_tcp_get_trace(const struct naru_tcp *c, struct naru_trace_tcp *out);
naru_seq naru_tcp_iss(const struct naru_tcp *c); /* the numbers of both SYN, while it is open */
naru_seq naru_tcp_irs(const struct naru_tcp *c);
uint32_t naru_tcp_unread(const struct naru_tcp *c);
uint32_t naru_tcp_unsent(const struct naru_tcp *c); /* not yet acknowledged, FIN not counted */

/*
 * The enum naru_opt of TCP (KEEPALIVE.. RCVLOWAT, NODELAY.. EVENT_ACKED; get: also ERROR, STATE,
 * UNREAD, UNSENT, AT_MARK).  NOPROTOOPT: not one of them; INVAL; NOMEM.
 */
enum naru_err naru_tcp_set(struct naru_tcp *c, enum naru_opt opt, int64_t value, naru_time now);
enum naru_err naru_tcp_get(struct naru_tcp *c, enum naru_opt opt, int64_t *value);

/* All of them at once, for the setup of a connection that inherits them. */
struct naru_tcp_opts naru_tcp_get_opts(const struct naru_tcp *c);

/* The same for a socket that has no connection. */
enum naru_err naru_tcp_opts_set(struct naru_tcp_opts *o, enum naru_opt opt, int64_t value);
enum naru_err naru_tcp_opts_get(const struct naru_tcp_opts *o, enum naru_opt opt, int64_t *value);

/* ---- Facts from outside ---- */

/* The path carries payloads of mss bytes (options not counted) from now on. */
void naru_tcp_set_pmtu(struct naru_tcp *c, uint16_t mss, naru_time now);

/* With NARU_TCP_PROGRESS_MTU: payloads of so many bytes (options not counted) pass. */
uint16_t naru_tcp_mtu_found(const struct naru_tcp *c);

/*
 * What connections to the same destination knew of the path (RFC 9040; what is 0 is not known),
 * told to one that has just been established; and what this one would tell others, when it ends.
 */
struct naru_tcp_metrics {
    uint32_t rtt, rttvar; /* microseconds */
    uint32_t ssthresh;    /* bytes */
    uint32_t reordering;  /* segments */
};

void naru_tcp_set_metrics(struct naru_tcp *c, const struct naru_tcp_metrics *m);
struct naru_tcp_metrics naru_tcp_get_metrics(const struct naru_tcp *c);

/*
 * ICMP said err about a segment of ours with that sequence number.  False: not in flight, ignored
 * (RFC 5927).  Ends connections that are not yet synchronized (hard, or soft in SYN-SENT too);
 * others only remember it.
 */
bool naru_tcp_icmp(struct naru_tcp *c, enum naru_err err, bool hard, naru_seq quoted,
                   naru_time now);

/* ---- TIME-WAIT without its connection ---- */

struct naru_tcp_tw {
    naru_seq snd_nxt, rcv_nxt;
    uint32_t rcv_wnd; /* bytes */
    uint32_t ts_recent, ts_recent_ms, ts_offset;
    uint32_t answered_ms; /* answers to bad segments are rate-limited */
    uint8_t wscale;
    bool timestamps;
    naru_time expires; /* now + 2 MSL; the caller keeps the time */
};

enum naru_tcp_tw_act {
    NARU_TCP_TW_DROP,    /* nothing */
    NARU_TCP_TW_REPLY,   /* send out */
    NARU_TCP_TW_RESTART, /* send out; expires was moved (RFC 9293 3.10.7.4, eighth) */
    NARU_TCP_TW_ENDED,   /* forget the record; the segment was a RST */
    NARU_TCP_TW_NEW_SYN, /* forget the record and give the SYN to the listener; iss_min holds */
};

/* c is in TIME-WAIT. */
void naru_tcp_tw_init(struct naru_tcp_tw *tw, const struct naru_tcp *c, naru_time now);

/* NEW_SYN: the new connection's ISS must be after tw->snd_nxt (RFC 6191): naru_tcp_tw_iss. */
enum naru_tcp_tw_act naru_tcp_tw_input(const struct naru_tcp_env *env, struct naru_tcp_tw *tw,
                                       const struct naru_tcp_hdr *h, uint32_t seg_len,
                                       naru_time now, struct naru_tcp_hdr *out);
naru_seq naru_tcp_tw_iss(const struct naru_tcp_tw *tw, naru_seq iss);

/*
 * May our own active open take over the name of this record (RFC 6191)?  True: at least a second
 * has passed and timestamps tell the incarnations apart.
 */
bool naru_tcp_tw_reusable(const struct naru_tcp_tw *tw, naru_time now);

/* ---- SYN cookies (RFC 4987 3.6) ---- */

void naru_tcp_cookie_init(struct naru_tcp_env *env);

/*
 * out: the SYN, ACK for this SYN, ports swapped, without remembering anything.  setup as for a
 * connection; its secret is looked at only where the SYN has a timestamp.  What the options said
 * travels in the sequence number (MSS) and in the timestamp (window scale, SACK).
 */
void naru_tcp_cookie_make(struct naru_tcp_env *env, const struct naru_hash_tuple *tuple,
                          const struct naru_tcp_setup *setup, const struct naru_tcp_hdr *syn,
                          naru_time now, struct naru_tcp_hdr *out);

struct naru_tcp_cookie {
    naru_seq iss, irs;
    uint16_t mss; /* the peer's */
    uint8_t wscale;
    bool timestamps, sack, window_scale, ecn;
    uint32_t ts_val;
};

/* False: this ACK answers no cookie of the last two minutes. */
bool naru_tcp_cookie_check(struct naru_tcp_env *env, const struct naru_hash_tuple *tuple,
                           const struct naru_tcp_hdr *ack, naru_time now,
                           struct naru_tcp_cookie *out);

/* SYN-RECEIVED as if the SYN were remembered; the ACK then goes through naru_tcp_input. */
void naru_tcp_open_cookie(struct naru_tcp *c, const struct naru_tcp_cookie *cookie, naru_time now);

/* ---- For tests ---- */

/* Asserts everything that must hold between two calls. */
void naru_tcp_check(struct naru_tcp *c);

#endif
