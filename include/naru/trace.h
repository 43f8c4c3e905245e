/*
 * One hook, typed events: what went in and out, why it was dropped, how connections changed.
 *
 * Free when config.trace is NULL.  Events of one frame come together: FRAME_IN, then whatever the
 * frame caused (DROP, STATE, SEGMENT), then the next FRAME_IN or FRAME_OUT.  All pointers are good
 * only during the call.
 */
#ifndef NARU_TRACE_H
#define NARU_TRACE_H

#include <naru/drop.h>
#include <naru/pkt.h>
#include <naru/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* RFC 9293 3.3.2. */
enum naru_tcp_state {
    NARU_TCP_CLOSED,
    NARU_TCP_LISTEN,
    NARU_TCP_SYN_SENT,
    NARU_TCP_SYN_RECEIVED,
    NARU_TCP_ESTABLISHED,
    NARU_TCP_FIN_WAIT_1,
    NARU_TCP_FIN_WAIT_2,
    NARU_TCP_CLOSE_WAIT,
    NARU_TCP_CLOSING,
    NARU_TCP_LAST_ACK,
    NARU_TCP_TIME_WAIT,
};

/* As the RFC prints it: "SYN-SENT". */
const char *naru_tcp_state_text(enum naru_tcp_state state);

enum naru_trace_kind {
    NARU_TRACE_FRAME_IN,  /* frame: before anything is parsed */
    NARU_TRACE_FRAME_OUT, /* frame: as handed to the driver */
    NARU_TRACE_DROP,      /* reason */
    NARU_TRACE_STATE,     /* local, remote, tcp.from and tcp.state */
    NARU_TRACE_SEGMENT,   /* local, remote, tcp: the connection after this segment (either way) */
};

struct naru_trace_tcp {
    enum naru_tcp_state from, state;
    uint32_t cwnd, ssthresh; /* bytes */
    uint32_t in_flight;      /* bytes sent and not yet acknowledged */
    uint32_t snd_wnd;        /* bytes the peer allows beyond SND.UNA */
    uint32_t rcv_wnd;        /* bytes we allow beyond RCV.NXT */
    uint32_t iss, irs;
    naru_time srtt, rto;
    bool retransmit; /* SEGMENT, outward: bytes that were sent before */
};

struct naru_trace_event {
    enum naru_trace_kind kind;
    naru_time time;
    unsigned ifindex;
    bool ethernet; /* frame begins with an Ethernet header, else with IP */
    const struct naru_slice *slice;
    unsigned slice_count;
    size_t len;
    struct naru_offload offload;
    enum naru_drop reason;
    struct naru_endpoint local, remote;
    struct naru_trace_tcp tcp;
};

#ifdef __cplusplus
}
#endif

#endif
