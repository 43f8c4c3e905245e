/*
 * One TCP connection: the transmission control block of RFC 9293 3.3.1, by the RFC's names.
 *
 * First comes what every usual segment touches, in either direction, then the rest.  What only a
 * busy connection needs, or one about which something is not usual, are pointers to objects that an
 * idle one does not own: blocks of the send buffer, options that differ from the stack's, and
 * struct naru_tcp_more.
 *
 * The stack reads state, due, events and progress, and clears events and progress; everything else
 * belongs to this folder.
 */
#ifndef NARU_PROTO_TCP_CONN_H
#define NARU_PROTO_TCP_CONN_H

#include "base/seq.h"
#include <naru/pkt.h>
#include <naru/sock.h>
#include <naru/stack.h>
#include <naru/trace.h>

struct naru_block;
struct naru_tcp_env;
struct naru_tcp_loss;
struct naru_tcp_ooo;
struct naru_tcp_rare;
struct naru_tcp_ring;

/* What naru_tcp_output has to say, in order of priority. */
enum naru_tcp_due {
    NARU_TCP_DUE_RST = 1,
    NARU_TCP_DUE_RETRANSMIT = 2, /* a range is marked lost */
    NARU_TCP_DUE_SYN = 4,        /* SYN, or SYN and ACK */
    NARU_TCP_DUE_DATA = 8,       /* new data or FIN may be possible now */
    NARU_TCP_DUE_PROBE = 16,     /* zero-window or keep-alive probe */
    NARU_TCP_DUE_ACK = 32,
};

enum naru_tcp_progress {
    NARU_TCP_PROGRESS_ANSWERED = 1, /* the peer did: its neighbour is there */
    NARU_TCP_PROGRESS_MTU = 2,      /* naru_tcp_mtu_found is known to pass */
    NARU_TCP_PROGRESS_OPEN = 4,     /* it is established: naru_tcp_set_metrics would be of use */
};

/* What the user asked for, one bit each: hot enough to be in every connection. */
enum naru_tcp_set_flag {
    NARU_TCP_SET_NODELAY = 1,
    NARU_TCP_SET_CORK = 2,
    NARU_TCP_SET_QUICKACK = 4,
    NARU_TCP_SET_KEEPALIVE = 8,
    NARU_TCP_SET_OOBINLINE = 16,
    NARU_TCP_SET_EVENT_ACKED = 32,
    NARU_TCP_SET_SNDBUF_FIXED = 64, /* no autotuning */
    NARU_TCP_SET_RCVBUF_FIXED = 128,
    NARU_TCP_SET_NO_OPTIONS = 256,
    NARU_TCP_SET_PACING = 512, /* by the user, the stack, or because there is pacing_max */
};

#define NARU_TCP_FOR_EVER UINT32_MAX

/* Options of a socket before, and of a connection while, they differ from the stack's defaults. */
struct naru_tcp_opts {
    uint64_t pacing_max;     /* bytes a second; UINT64_MAX: no limit */
    uint32_t sndbuf, rcvbuf; /* bytes of payload */
    uint32_t keepidle_ms, keepintvl_ms;
    uint32_t user_timeout_ms; /* 0: by retransmissions; NARU_TCP_FOR_EVER */
    uint32_t uto_ms;          /* RFC 5482 ADV_UTO; 0: the option is off */
    int32_t linger_ms;        /* -1: off */
    int32_t linger2_ms;       /* -1: no FIN-WAIT-2 without a holder */
    uint32_t rcvlowat;
    uint32_t window_clamp;    /* 0: none */
    uint32_t notsent_lowat;   /* 0: the stack's */
    uint32_t defer_accept_ms; /* 0: connections come when the handshake is done */
    uint16_t maxseg;          /* 0: by the path */
    uint16_t flags;           /* enum naru_tcp_set_flag */
    uint8_t keepcnt, syncnt;  /* syncnt 0: the stack's */
    uint8_t congestion;       /* enum naru_congestion */
    uint8_t ecn;              /* enum naru_ecn_mode */
};

/* Instants at which something must happen; the earliest wins. */
enum naru_tcp_timer {
    NARU_TCP_TIMER_RETRANSMIT, /* RTO, PTO, reordering, zero-window probes: timer.c */
    NARU_TCP_TIMER_ACK,        /* delayed acknowledgement, window update */
    NARU_TCP_TIMER_IDLE,       /* keep-alive; FIN-WAIT-2 without a holder; 2 MSL */
    NARU_TCP_TIMERS_OFTEN, /* these every connection has, the others are in struct naru_tcp_more */
    NARU_TCP_TIMER_GIVE_UP = NARU_TCP_TIMERS_OFTEN, /* user timeout (RFC 5482) */
    NARU_TCP_TIMER_PACE,                            /* the next segment may go: cork, pacing */
    NARU_TCP_TIMERS,
};

/*
 * A range of sequence space that went out, in one record where its bytes share their fate: sent at
 * the same instant, with the same flags.
 */
struct naru_tcp_sent {
    naru_seq start, end;
    uint8_t flags; /* enum naru_tcp_sent_flag */
    naru_time sent_at;
};

enum naru_tcp_sent_flag {
    NARU_TCP_SENT_SACKED = 1,  /* the peer has it (RFC 2018) */
    NARU_TCP_SENT_LOST = 2,    /* presumed lost (RFC 6675 IsLost, or RTO) */
    NARU_TCP_SENT_RETRANS = 4, /* and sent again since */
    NARU_TCP_SENT_EVER = 8,    /* sent more than once: no RTT sample (Karn) */
    NARU_TCP_SENT_EVEN = 16,   /* its segments have the size snd.mss, but the last */
};

/*
 * What a connection has of its own while something about it is not usual, or was: around losses,
 * holes and urgent data, while its window grows, with the pieces that few connections need.  All
 * the others share the one object of their stack in which nothing is amiss, and which nobody writes
 * to: more.c.
 */
struct naru_tcp_more {
    struct naru_tcp_env *env;
    bool calm;                  /* the one that all share */
    struct naru_tcp_ring *ring; /* of ranges in flight; NULL: there is one at most */
    struct naru_tcp_rare *rare; /* what few connections need; NULL: not this one */
    struct naru_tcp_ooo *ooo;   /* NULL: nothing is out of order */
    struct naru_tcp_loss *loss; /* NULL: nothing was lost lately */
    naru_time timer[NARU_TCP_TIMERS - NARU_TCP_TIMERS_OFTEN];
    /* Places kept in the send buffer: at nxt, and at the next retransmission. */
    struct naru_block *snd_nxt_block, *snd_rtx_block;
    uint32_t sacked, lost, retrans; /* bytes of [una, nxt) with that flag */
    uint32_t reno;       /* without SACK: bytes that duplicate acknowledgements stand for */
    uint8_t retransmits; /* of the same data, unanswered */
    uint8_t backoff;
    uint8_t probes;
    int8_t soft_error; /* what ICMP said, told if the connection times out */
    uint8_t fastopen;  /* enum naru_tcp_fastopen_fact */
    uint8_t dupacks;
    uint8_t ecn;    /* enum naru_tcp_ecn_fact; 0: no ECN */
    uint8_t urgent; /* enum naru_tcp_urgent */
    uint8_t urgent_byte;
    uint8_t reo_wnd_mult;    /* RFC 8985 6.2 step 4: quarters of min_rtt, beyond the first */
    uint8_t reo_wnd_persist; /* recoveries for which it stays */
    uint8_t reserved;
    uint16_t reordering;         /* segments by which the path is known to reorder; 0: DupThresh */
    uint16_t reord_seen;         /* how often it was seen; stays at its largest value */
    uint16_t ooo_in, dsack_dups; /* stay at their largest value */
    uint32_t retransmitted;      /* bytes */
    uint32_t segments_retrans;
    uint32_t cc[9]; /* the congestion control's own */

    /* Numbers of sequence; those of the shared object mean nothing. */
    naru_seq iss, irs;
    naru_seq snd_eor; /* with F_EOR: no segment reaches across it */
    naru_seq snd_up;  /* one beyond the last urgent byte sent (RFC 6093) */
    naru_seq rcv_up;  /* the last urgent byte announced by the peer */
    naru_seq recover; /* end of the loss episode (RFC 6582, RFC 6675) */
    naru_seq high_sacked, lost_upto, rtx_next;
    naru_seq dsack_start, dsack_end; /* to be told with the next ACK (RFC 2883) */
    struct naru_tcp_sent lone;       /* without ring: what naru_tcp_sent_at gave last */
};

struct naru_tcp {
    struct naru_tcp_more *more; /* its own, or the one that all share */
    uint8_t state;              /* enum naru_tcp_state; changed by enter() alone */
    uint8_t due;                /* enum naru_tcp_due */
    uint8_t events;             /* enum naru_ready: edges since the stack last looked */
    uint8_t progress;           /* enum naru_tcp_progress: what other machines want to know */
    uint16_t opt_flags;         /* enum naru_tcp_set_flag */
    uint8_t slow;               /* 0: all is as usual (quick.c); else why not: enum naru_tcp_slow */
    uint8_t ca_state;           /* enum naru_ca_state */

    struct {
        naru_seq una; /* oldest unacknowledged */
        naru_seq nxt; /* next new one to be sent */
        uint32_t wnd; /* bytes the peer allows beyond una */
        naru_seq wl1; /* segment's sequence and acknowledgement of the last window update */
        naru_seq wl2;
        naru_seq end;     /* one beyond the last byte of the send buffer; then FIN's own number */
        uint32_t wnd_max; /* the largest window the peer ever gave: Max(SND.WND) */
        uint16_t mss;     /* payload bytes of a full segment: Eff.snd.MSS */
        uint8_t wscale;
        uint8_t lone; /* what is in flight, if it is one range: enum naru_tcp_sent_flag */
        naru_seq sml; /* end of the last segment sent that was not full (Minshall's Nagle) */
    } snd;
    struct {
        naru_seq nxt; /* next expected */
        uint32_t wnd; /* bytes allowed beyond nxt, as the peer knows it */
        naru_seq ack; /* Last.ACK.sent (RFC 7323 4.3) */
        uint16_t mss; /* largest payload seen lately: what "every second full segment" means */
        uint8_t wscale;
        uint8_t quick;   /* segments that are still acknowledged at once */
        uint32_t unread; /* bytes of the receive queue */
        uint32_t buf;    /* its size in bytes of payload */
    } rcv;
    uint32_t flags; /* enum naru_tcp_fact */

    uint32_t cwnd, ssthresh; /* bytes */
    union {
        struct {                /* with timestamps, and until that is known */
            uint32_t ts_recent; /* RFC 7323 */
            uint32_t ts_offset; /* RFC 7323 5.4: added to our clock */
        };
        struct { /* without: the receiver's own idea of a round trip */
            naru_seq space_rtt_seq;
            uint32_t space_rtt_at; /* microseconds, cut off; 0: not yet */
        };
    };

    /* Receive queue and send buffer, in order: each a ring, whose last leads to its first. */
    struct naru_pkt *rcv_last;
    struct naru_block *snd_last;
    uint32_t sndbuf; /* bytes of payload */

    uint32_t srtt, rttvar, rto; /* microseconds (RFC 6298) */

    naru_time sent_at; /* what is in flight, if it is one range; or since when nothing is */
    naru_time timer[NARU_TCP_TIMERS_OFTEN];
    uint64_t bytes_received, bytes_acked;
    naru_time last_recv;   /* data came */
    uint32_t sent_tick;    /* data went: naru_tcp_tick_of */
    uint32_t heard_ms;     /* any acceptable segment came: naru_tcp_ms */
    uint32_t rcv_ssthresh; /* the window grows up to this, and this with what arrives */
    uint32_t rcv_truesize; /* memory of the receive queue */
    uint32_t busy;         /* how long a lone range was in flight: ticks */
    uint32_t cwnd_used;    /* most bytes in flight of the round that ends at cwnd_used_seq */
    naru_seq cwnd_used_seq;
    uint32_t min_rtt; /* microseconds */
    uint32_t delivered, segments_in, segments_out, data_in, data_out;

    /* Receive autotuning. */
    uint32_t space_rtt; /* microseconds; 0: not known */
    uint32_t space_us;  /* the round trip began; microseconds, cut off */
    uint32_t space;     /* bytes copied per round trip, since space_seq */
    naru_seq space_seq;

    uint32_t challenge_ms; /* last challenge ACK, and last answer to an old segment */
    uint16_t mss_path;     /* payload the path carries, options not counted */
    uint16_t mss_peer;     /* the peer's MSS option, or the default */
    uint16_t mss_advertised;
    int8_t error;      /* enum naru_err for the user, told once; only in CLOSED */
    bool reno : 1;     /* NARU_CONGESTION_RENO, not CUBIC */
    bool pingpong : 1; /* the user answers: acknowledgements ride on data */
    bool burst : 1;    /* segments were built since output last said no */
    const struct naru_tcp_opts *own_opts; /* perhaps in common with others; NULL: the stack's */
};

_Static_assert(sizeof(struct naru_tcp) <= 272, "with its socket, seven lines of cache");

enum naru_tcp_fact {
    NARU_TCP_F_PASSIVE = 1 << 0,            /* came from LISTEN */
    NARU_TCP_F_DEFERRED = 1 << 1,           /* the SYN waits for naru_tcp_answer */
    NARU_TCP_F_TIMESTAMPS = 1 << 2,         /* agreed */
    NARU_TCP_F_SACK = 1 << 3,               /* agreed */
    NARU_TCP_F_WSCALE = 1 << 4,             /* agreed */
    NARU_TCP_F_FIN_WANTED = 1 << 5,         /* the user sends no more: FIN after snd.end */
    NARU_TCP_F_FIN_SENT = 1 << 6,           /* snd.nxt is beyond FIN */
    NARU_TCP_F_FIN_RECEIVED = 1 << 7,       /* rcv.nxt is beyond the peer's FIN */
    NARU_TCP_F_READ_SHUT = 1 << 8,          /* the user reads no more */
    NARU_TCP_F_ORPHAN = 1 << 9,             /* no holder */
    NARU_TCP_F_MORE = 1 << 10,              /* the last write said that more follows */
    NARU_TCP_F_EOR = 1 << 11,               /* the user ended a record at snd_eor */
    NARU_TCP_F_PROBING = 1 << 12,           /* the retransmission timer is the persist timer */
    NARU_TCP_F_NO_SPACE = 1 << 13,          /* a send found the buffer full: WRITE is owed */
    NARU_TCP_F_CWND_LIMITED = 1 << 14,      /* cwnd, and nothing else, held data back */
    NARU_TCP_F_OVERRIDE = 1 << 15,          /* silly-window override: send what the window takes */
    NARU_TCP_F_PUSHED = 1 << 16,            /* CORK or MORE overridden: what is there may go */
    NARU_TCP_F_FORCE = 1 << 17,             /* one retransmission whatever cwnd says */
    NARU_TCP_F_SYN_SENT = 1 << 23,          /* our SYN was sent at least once */
    NARU_TCP_F_SYN_RETRANSMITTED = 1 << 18, /* more than once: cwnd begins at one segment */
    NARU_TCP_F_UNDO = 1 << 19,              /* loss->undo_cwnd is what a loss episode took */
    NARU_TCP_F_RETRANS_TS = 1 << 20, /* retrans_ts is of the first retransmission of this episode */
    NARU_TCP_F_DSACK_DUE = 1 << 21,  /* dsack_start.. was received twice */
    NARU_TCP_F_ANSWERED = 1 << 22,   /* challenge_ms has a meaning */
    NARU_TCP_F_FIN_AGAIN = 1 << 24,  /* the next ACK repeats our FIN (BSD) */
    NARU_TCP_F_PTO = 1 << 25,        /* the retransmission timer is for a tail loss probe */
    NARU_TCP_F_PTO_ALONE = 1 << 26,  /* and waits for a delayed acknowledgement, too */
    NARU_TCP_F_REO = 1 << 27,        /* the retransmission timer is RACK's */
    NARU_TCP_F_TLP_DUE = 1 << 28,    /* a tail loss probe is to be sent */
    NARU_TCP_F_TLP = 1 << 29,        /* one is unanswered: loss->tlp_end */
    NARU_TCP_F_FRTO = 1 << 30,       /* it may be that RTO was wrong (RFC 5682) */
};

/* What was agreed about ECN, and what is to be said. */
enum naru_tcp_ecn_fact {
    NARU_TCP_ECN_ASKED = 1,          /* our SYN offers it */
    NARU_TCP_ECN_ASKED_ACCURATE = 2, /* ... as RFC 9768 does */
    NARU_TCP_ECN_CLASSIC = 4,        /* agreed: RFC 3168 */
    NARU_TCP_ECN_ACCURATE = 8,       /* agreed: RFC 9768; rare is there */
    NARU_TCP_ECN_ECHO = 16,          /* ECE until CWR comes */
    NARU_TCP_ECN_CWR = 32,           /* CWR with the next new data */
    NARU_TCP_ECN_SEEN = 64,          /* the peer's data were marked ECT or CE */
    NARU_TCP_ECN_UNMARKED = 128,     /* the path spoils marks: ours is Not-ECT */
};

/* Fast Open (RFC 7413). */
enum naru_tcp_fastopen_fact {
    NARU_TCP_FASTOPEN_OPTION = 1, /* the first SYN, or SYN,ACK, carries rare->fastopen */
    NARU_TCP_FASTOPEN_DATA = 2,   /* our SYN has data */
    NARU_TCP_FASTOPEN_EARLY = 4,  /* open for the user while still in SYN-RECEIVED */
    NARU_TCP_FASTOPEN_TAKEN = 8,  /* data of a SYN were, by us or by the peer */
};

/* Why a connection is none of the usual kind. */
enum naru_tcp_slow {
    NARU_TCP_SLOW_STATE = 1, /* not ESTABLISHED */
    NARU_TCP_SLOW_OOO = 2,   /* out-of-order data wait */
    NARU_TCP_SLOW_LOSS = 4,  /* the peer reported holes, or we retransmitted, or reduced cwnd */
    NARU_TCP_SLOW_ECN = 8,   /* RFC 9768: every segment counts */
    NARU_TCP_SLOW_ODD = 16,  /* something else, or nobody has looked since something happened */
};

enum naru_tcp_urgent {
    NARU_TCP_URGENT_NONE,
    NARU_TCP_URGENT_ANNOUNCED, /* its byte has not come */
    NARU_TCP_URGENT_HERE,      /* urgent_byte is it */
    NARU_TCP_URGENT_READ,      /* read by the user, the mark still ahead or just here */
};

#endif
