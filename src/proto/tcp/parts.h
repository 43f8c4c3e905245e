/*
 * What struct naru_tcp_more points to, for the files of this folder: what is remembered around a
 * loss, and what few connections need.
 */
#ifndef NARU_PROTO_TCP_PARTS_H
#define NARU_PROTO_TCP_PARTS_H

#include "proto/tcp/tcp.h"

/*
 * What is remembered from the first sign of a loss until all that was in flight then is through and
 * undoing it is no longer possible.  Memory for it may be refused: then losses are found by RFC
 * 6675, cwnd is ssthresh at once, and nothing is undone.
 */
struct naru_tcp_loss {
    /* RFC 8985 5.3: RACK.xmit_ts, RACK.end_seq, RACK.rtt (us) */
    naru_time xmit_ts;
    naru_seq end_seq;
    uint32_t rtt;
    naru_time rtx_oldest;  /* nothing that was sent again, and is out, is older; NEVER: none is */
    naru_time rtx_look_at; /* before that those are not looked at again */
    naru_seq dsack_round;  /* the reordering window grows once a round trip */
    bool dsack_seen;
    bool tlp_retrans; /* RFC 8985 7.3: TLP.is_retrans, TLP.end_seq */
    naru_seq tlp_end;
    uint32_t prr_delivered, prr_out, recover_fs; /* RFC 9937, bytes */
    uint32_t undo_cwnd, undo_ssthresh;
    uint32_t retrans_ts;   /* our timestamp in the first retransmission of the episode */
    uint32_t undo_retrans; /* bytes sent again and not reported as duplicates */
    bool undo_counts;      /* undo_retrans has a meaning */
    naru_seq undo_from;    /* SND.UNA when the episode began */
    naru_seq undo_until;   /* when that is acknowledged, nothing can be undone any more */
};

/* What keeps data from being sent (TCP_INFO), the weightiest last. */
enum naru_tcp_limit {
    NARU_TCP_LIMIT_IDLE, /* there is nothing to send or to be acknowledged */
    NARU_TCP_LIMIT_NONE, /* busy */
    NARU_TCP_LIMIT_RWND, /* the peer's window */
    NARU_TCP_LIMIT_SNDBUF,
    NARU_TCP_LIMITS,
};

/* What accurate ECN counts (RFC 9768 3.2.1): packets, and bytes of payload. */
struct naru_tcp_marks {
    uint32_t cep;
    uint32_t bytes[NARU_TCP_ACCECN_COUNTERS];
};

/*
 * What few connections need, made when the first of it is, and kept.  Memory for it may be refused:
 * then each does without.
 */
struct naru_tcp_rare {
    /* Of the delivery rate: C.delivered_time, C.first_sent_time; C.app_limited: it is until
     * so many segments are delivered; 0: it is not. */
    naru_time delivered_at, first_sent;
    uint32_t app_limited;
    bool marked; /* one range in flight is watched: P. of the draft, and where it ends */
    bool mark_app_limited;
    naru_seq mark_end;
    uint32_t mark_delivered;
    naru_time mark_sent, mark_delivered_at, mark_first_sent;
    bool rate_app_limited; /* the sample that is told: segments in microseconds; 0: none */
    uint32_t rate_delivered, rate_us;

    uint8_t limit; /* enum naru_tcp_limit: what the time is spent on, since limit_at */
    naru_time limit_at, spent[NARU_TCP_LIMITS];

    bool late;           /* the timer has fired for pace_at, and that is past */
    bool pacing;         /* data wait for pace_at; the PACE timer is for that, too ... */
    naru_time cork_at;   /* ... and then this is what it was for; NARU_NEVER */
    naru_time pace_at;   /* the next burst may begin */
    naru_time burst_end; /* what would begin before goes with the present one */

    uint32_t busy; /* of struct naru_tcp, before there was this */

    /* RFC 4821: payloads without options.  low is known to pass, high perhaps, limit is the link.
     */
    bool mtu_search;
    bool mtu_alarm; /* it began with timeouts that may have meant something else */
    uint16_t mtu_low, mtu_high, mtu_limit;
    uint16_t mtu_told;  /* low, as the stack knows it */
    uint16_t mtu_probe; /* in flight at [mtu_start, mtu_end); 0: none is */
    naru_seq mtu_start, mtu_end;
    naru_seq mtu_proof; /* what is sent from here on and arrives, proves low */
    naru_time mtu_at;   /* the search began */

    uint32_t remote_uto_ms; /* RFC 5482 REMOTE_UTO; 0: none came */
    bool uto_due;           /* our own is to be told */

    /* Accurate ECN, or marks reported the old way. */
    struct naru_tcp_marks r, s; /* what came to us; what came of ours, as the peer told */
    uint32_t told_cep;          /* r.cep when it was last told */
    uint32_t delivered_ce;      /* segments of ours */
    uint32_t ace_ts;            /* latest timestamp of a segment whose field was looked at */
    uint32_t packets_avg;       /* newly acknowledged by each, in eighths */
    uint8_t syn_ecn;            /* how the peer's SYN, or SYN,ACK, came: enum naru_ecn */
    bool reflect;               /* the next bare acknowledgement tells that */
    bool first_seen;            /* a segment without SYN has come */
    bool ace_ts_known;
    bool option_due; /* counters have moved */
    bool option_seen, option_zeroed;
    bool synack_again;
    struct naru_tcp_fastopen fastopen;
    uint32_t syn_data; /* bytes that our SYN carried */
    naru_seq syn_end;  /* and the number behind them */
    naru_time synack_at;
};

#endif
