/*
 * Sockets: BSD-shaped, never blocking.
 *
 * A socket is used with the stack that made it and by that stack's thread.  Calls that can make
 * frames only note what is due; naru_stack_output builds them.  After any call, ask the stack for
 * events, output and deadline as always.
 *
 * A call that cannot go on now returns NARU_ERR_AGAIN; naru_stack_event says when to try again.
 */
#ifndef NARU_SOCK_H
#define NARU_SOCK_H

#include <naru/pkt.h>
#include <naru/trace.h>
#include <naru/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct naru_sock;

enum naru_sock_type {
    NARU_SOCK_STREAM, /* TCP */
    NARU_SOCK_DGRAM,  /* UDP */
    NARU_SOCK_PING, /* ICMP and ICMPv6 echo, as Linux's SOCK_DGRAM of IPPROTO_ICMP: the port is the
                       identifier */
};

/*
 * An IPV6 socket takes IPv4 peers as ::ffff:a.b.c.d unless NARU_OPT_V6ONLY is set (RFC 3493 3.7).
 * NOBUFS: sockets_max; NOMEM.
 */
enum naru_err naru_sock_new(struct naru_stack *stack, enum naru_family family,
                            enum naru_sock_type type, struct naru_sock **out);

/*
 * close: the application is done with the socket; the pointer is void from here on.  A connection
 * goes on by itself until its data and FIN are acknowledged; unread data in it, or LINGER with 0
 * seconds, makes it a reset (RFC 9293 3.10.4, RFC 2525 2.17).  abort: always a reset.
 */
void naru_sock_close(struct naru_sock *sock, naru_time now);
void naru_sock_abort(struct naru_sock *sock, naru_time now);

/* A value of the embedder's that comes back with every event.  NULL at first. */
void naru_sock_set_user(struct naru_sock *sock, void *user);
void *naru_sock_user(const struct naru_sock *sock);
struct naru_stack *naru_sock_stack(const struct naru_sock *sock);

/* ---- Names and connections ---- */

/* Address "::" or 0.0.0.0 is any, port 0 picks one.  ADDRINUSE, ADDRNOTAVAIL, AFNOSUPPORT, INVAL
 * (bound). */
enum naru_err naru_sock_bind(struct naru_sock *sock, const struct naru_endpoint *local);

/* backlog: connections that may wait for accept (0 counts as 1).  Again on a listener: changes it.
 */
enum naru_err naru_sock_listen(struct naru_sock *sock, unsigned backlog, naru_time now);

/* The oldest waiting connection.  AGAIN; INVAL (not listening); NOMEM, NOBUFS. */
enum naru_err naru_sock_accept(struct naru_sock *sock, struct naru_sock **out, naru_time now);

/*
 * STREAM: INPROGRESS at first, then ALREADY, and ISCONN when it is; failure is told by READY_ERROR
 * and NARU_OPT_ERROR.  DGRAM: sets the peer and the source address, at once; NULL takes it back.
 */
enum naru_err naru_sock_connect(struct naru_sock *sock, const struct naru_endpoint *remote,
                                naru_time now);

/* How a connection that waits for its answer (NARU_OPT_DEFER_ANSWER) is answered. */
enum naru_answer {
    NARU_ANSWER_ACCEPT,          /* SYN, ACK */
    NARU_ANSWER_REFUSE,          /* RST */
    NARU_ANSWER_NET_UNREACHABLE, /* ICMP, then forgotten */
    NARU_ANSWER_HOST_UNREACHABLE,
    NARU_ANSWER_PROHIBITED,
    NARU_ANSWER_IGNORE, /* silence */
};

/*
 * Answers the SYN of an accepted socket whose listener defers answers.  ACCEPT: READY_WRITE tells
 * when the handshake is done (READY_ERROR if it fails).  Any other answer ends the connection; the
 * socket must still be closed.  INVAL: answered already, or not such a socket.
 */
enum naru_err naru_sock_answer(struct naru_sock *sock, enum naru_answer answer, naru_time now);

void naru_sock_local(const struct naru_sock *sock, struct naru_endpoint *local);
/* NOTCONN where there is no peer. */
enum naru_err naru_sock_remote(const struct naru_sock *sock, struct naru_endpoint *remote);

/* ---- Data ---- */

enum naru_msg {
    NARU_MSG_PEEK = 1,      /* recv: leaves the data */
    NARU_MSG_OOB = 2,       /* send, recv: urgent data (RFC 9293 3.8.5) */
    NARU_MSG_MORE = 4,      /* send: more follows at once, do not push a short segment */
    NARU_MSG_TRUNC = 8,     /* recv, out: the datagram was longer than the room */
    NARU_MSG_EOR = 16,      /* send: no later byte joins this one's segment */
    NARU_MSG_FASTOPEN = 32, /* send: connects to info->to, with the data in SYN (RFC 7413) */
    NARU_MSG_ERRQUEUE = 64, /* recv: not a datagram, but the oldest error (NARU_OPT_RECVERR); also
                               out */
};

/*
 * What comes with a datagram, or goes with it.  With NARU_MSG_ERRQUEUE: what comes with an error.
 * Then the data is what the error quotes of the datagram (of an echo request: with its header), to
 * is where that was sent, tos and hop_limit are those of the ICMP message, and from is who
 * complains; all zero: this stack itself, because the path is narrower (mtu) than the datagram is
 * long.
 */
struct naru_msg_info {
    struct naru_endpoint from; /* recv: the sender.  send: the source to use; all zero: chosen */
    struct naru_endpoint
        to;            /* recv: where it was sent to.  send: the destination; port 0: the peer */
    uint32_t len;      /* recv: length of the datagram, however much fitted */
    uint16_t gso_size; /* send: cut into datagrams of this size; recv: it was merged from such; 0 */
    uint8_t flags;     /* recv: NARU_MSG_TRUNC */
    uint8_t tos;
    uint8_t hop_limit;
    /* recv with NARU_MSG_ERRQUEUE, else 0: */
    int8_t error; /* enum naru_err */
    uint8_t icmp_type, icmp_code;
    uint32_t mtu; /* that is said to fit; 0 */
};

/*
 * As naru_sock_answer, for a datagram that a TRANSPARENT DGRAM socket took on behalf of another:
 * info is as recv filled it (from, to, len).  REFUSE is port unreachable; ACCEPT and IGNORE say
 * nothing. Rate-limited as all ICMP errors are.  INVAL: not such a socket.
 */
enum naru_err naru_sock_answer_datagram(struct naru_sock *sock, const struct naru_msg_info *info,
                                        enum naru_answer answer, naru_time now);

/*
 * A hint that sock will soon be called: the memory that this takes is asked for now.  A program
 * that has many sockets ready, and says so of the one after the next, does not wait for each of
 * them.
 */
void naru_sock_prefetch(const struct naru_sock *sock);

/*
 * STREAM: copies as much as fits into the send buffer and returns that count (> 0), AGAIN when none
 * fits, PIPE after shutdown, NOTCONN, or the error that ended the connection (once, then PIPE).
 * DGRAM: all or nothing; info may be NULL on a connected socket.  MSGSIZE, DESTADDRREQ, NETUNREACH,
 * ACCES (broadcast), AGAIN (the interface's queue is full; READY_WRITE follows), CONNREFUSED (an
 * earlier datagram's ICMP error, once).
 * STREAM, MSG_FASTOPEN, not connected: connects to info->to (errors as naru_sock_connect).  > 0: so
 * much goes with SYN; INPROGRESS: none does, the server's cookie is not known and is asked for.
 * OPNOTSUPP: config.tcp_fastopen is without CLIENT.
 * Both: AGAIN also when memory is short; READY_WRITE follows when it is worth another try.
 */
int64_t naru_sock_send(struct naru_sock *sock, const struct naru_slice *slice, unsigned slice_count,
                       unsigned flags, const struct naru_msg_info *info, naru_time now);

/*
 * STREAM: the count copied, 0 at the end of the peer's data, AGAIN, or the connection's error
 * (once, then 0).  DGRAM: one datagram; info, if not NULL, is filled.  A zero-length datagram gives
 * 0.  NARU_MSG_ERRQUEUE: one error of a DGRAM or PING; AGAIN where there is none.
 */
int64_t naru_sock_recv(struct naru_sock *sock, const struct naru_room *room, unsigned room_count,
                       unsigned flags, struct naru_msg_info *info, naru_time now);

/*
 * STREAM without copies.  recv_view: up to max slices of the data that could be read, good until
 * the next call into the stack; returns the slice count, 0 at the peer's end, or an error as recv.
 * recv_consume: the first len bytes are read.
 * send_reserve: rooms of the send buffer to be filled, at least 1 byte in all unless AGAIN; good
 * until the next call into the stack.  send_commit: the first len bytes of them are filled and
 * belong to the stream; 0 gives them back.  Without memory for it an end of record or an urgent
 * mark of send_commit is lost, the bytes are not: send says NOMEM instead.
 */
int naru_sock_recv_view(struct naru_sock *sock, struct naru_slice *slice, unsigned max,
                        naru_time now);
void naru_sock_recv_consume(struct naru_sock *sock, size_t len, naru_time now);
int naru_sock_send_reserve(struct naru_sock *sock, struct naru_room *room, unsigned max,
                           naru_time now);
void naru_sock_send_commit(struct naru_sock *sock, size_t len, unsigned flags, naru_time now);

enum naru_shutdown {
    NARU_SHUTDOWN_READ = 1,
    NARU_SHUTDOWN_WRITE = 2, /* FIN after the data that is still to go */
};

/* A listener: READ ends listening, and what waited there is reset; it may listen again.
 * NOTCONN, INVAL. */
enum naru_err naru_sock_shutdown(struct naru_sock *sock, unsigned how, naru_time now);

/* ---- Readiness ---- */

enum naru_ready {
    NARU_READY_READ = 1,     /* data, a connection to accept, the end, or an error can be read */
    NARU_READY_WRITE = 2,    /* a third of the send buffer is free, or connect is done */
    NARU_READY_URGENT = 4,   /* urgent data */
    NARU_READY_READ_END = 8, /* the peer has sent FIN (POLLRDHUP) */
    NARU_READY_HANGUP = 16,  /* both directions are closed (POLLHUP) */
    NARU_READY_ERROR = 32,   /* NARU_OPT_ERROR is not zero (POLLERR) */
    NARU_READY_ACKED =
        64, /* event only: sent data was acknowledged while NARU_OPT_EVENT_ACKED is on */
};

/* As poll would see it at this moment. */
unsigned naru_sock_ready(const struct naru_sock *sock);

/*
 * A socket on which something happened since it was last told: new data counts as READ even if old
 * data was still unread (edges, as EPOLLET has them).  ready is the present level.
 */
struct naru_event {
    struct naru_sock *sock;
    void *user;
    unsigned ready;   /* enum naru_ready: how it is */
    unsigned changed; /* enum naru_ready: what happened */
};

/* The next one; false when all are told.  Closed sockets never appear. */
bool naru_stack_event(struct naru_stack *stack, struct naru_event *event);
/* True if naru_stack_event has something to tell. */
bool naru_stack_event_pending(const struct naru_stack *stack);

/* ---- Options ---- */

enum naru_opt {
    NARU_OPT_ERROR,        /* get: the pending enum naru_err, and clears it */
    NARU_OPT_TYPE,         /* get: enum naru_sock_type */
    NARU_OPT_STATE,        /* get: enum naru_tcp_state */
    NARU_OPT_LISTENING,    /* get: 0 or 1 */
    NARU_OPT_REUSEADDR,    /* 0 or 1 */
    NARU_OPT_REUSEPORT,    /* 0 or 1: flows are spread by hash over the sockets of a port */
    NARU_OPT_BROADCAST,    /* 0 or 1 */
    NARU_OPT_KEEPALIVE,    /* 0 or 1 */
    NARU_OPT_KEEPIDLE_MS,  /* 1..32767 s; 7 200 000 */
    NARU_OPT_KEEPINTVL_MS, /* 75 000 */
    NARU_OPT_KEEPCNT,      /* 1..127; 9 */
    NARU_OPT_LINGER_MS,    /* -1: off (the default); 0: close resets; > 0: as off, this stack never
                              blocks */
    NARU_OPT_OOBINLINE,    /* 0 or 1 */
    NARU_OPT_SNDBUF,       /* bytes of payload; set turns autotuning off */
    NARU_OPT_RCVBUF,
    NARU_OPT_RCVLOWAT, /* bytes before READ is told; 1 */
    NARU_OPT_V6ONLY,   /* before bind */
    NARU_OPT_TTL,      /* 1..255; -1: the default */
    NARU_OPT_TOS,      /* 0..255: TOS or traffic class; of STREAM without the two bits of ECN */
    NARU_OPT_MULTICAST_TTL,  /* 0..255; 1 */
    NARU_OPT_MULTICAST_LOOP, /* 0 or 1; 1 */
    NARU_OPT_MULTICAST_IF,   /* ifindex; 0: by the routing table */
    NARU_OPT_BIND_IFACE,     /* ifindex; 0: any */
    NARU_OPT_MTU_DISCOVER,   /* 0: never DF, fragments; 1: by the path (default); 2: always DF,
                                MSGSIZE */
    NARU_OPT_MTU,            /* get: the path MTU of a connected socket */
    NARU_OPT_TRANSPARENT,    /* 0 or 1, before bind: any address and, with port 0, any port of
                                interfaces that accept any; PING, port 0: gets the echo requests to
                                addresses not of this stack, may send replies to them (the port in
                                info->from is the identifier) */
    NARU_OPT_DEFER_ANSWER, /* 0 or 1, listener: naru_sock_accept gives connections whose SYN is not
                              answered yet */
    NARU_OPT_NODELAY,      /* TCP: 0 or 1 */
    NARU_OPT_CORK,         /* TCP: 0 or 1 */
    NARU_OPT_QUICKACK,     /* TCP: 0 or 1 */
    NARU_OPT_MAXSEG,       /* TCP: 88..32767; get: the present one */
    NARU_OPT_USER_TIMEOUT_MS, /* TCP: how long data may stay unacknowledged before the connection
                                 ends (RFC 9293 3.8.3), shorter or longer than retransmissions
                                 would last; 0: as long as they do (the default); -1: for ever */
    NARU_OPT_UTO_MS,          /* TCP: 0: off (the default); else the User Timeout Option (RFC 5482)
                                 is sent with this value, and the peer's, within the limits of the
                                 stack's configuration, is adopted unless USER_TIMEOUT_MS is set */
    NARU_OPT_PACING, /* TCP: 0 or 1: segments are spread over the round-trip time instead of
                        going at once; the stack's tcp_pacing */
    NARU_OPT_MAX_PACING_RATE,  /* TCP: bytes a second, no faster; -1: no limit (the default).  A
                                  limit turns PACING on */
    NARU_OPT_SYNCNT,           /* TCP: 1..127 */
    NARU_OPT_LINGER2_MS,       /* TCP: FIN-WAIT-2 without a holder; -1: none at all */
    NARU_OPT_WINDOW_CLAMP,     /* TCP: bytes */
    NARU_OPT_NOTSENT_LOWAT,    /* TCP: WRITE is ready while less is unsent; 0: config's */
    NARU_OPT_CONGESTION,       /* TCP: enum naru_congestion */
    NARU_OPT_DEFER_ACCEPT_MS,  /* TCP: a listener's connections come with their first data, or when
                                  their peer acknowledges again after this time; 0 */
    NARU_OPT_ECN,              /* TCP: enum naru_ecn_mode, before connect and listen */
    NARU_OPT_FASTOPEN,         /* TCP: a listener takes data with SYN from so many connections whose
                                  handshake is not complete (RFC 7413 4.2.2, 5.1); 0 */
    NARU_OPT_FASTOPEN_CONNECT, /* TCP: 0 or 1: where the server's cookie is known, connect is done
                                  at once and SYN leaves with the first data */
    NARU_OPT_FASTOPEN_NO_COOKIE, /* TCP: 0 or 1: data with SYN without cookies, both ways */
    NARU_OPT_NO_OPTIONS,         /* TCP: 0 or 1, before connect and listen: no TCP options at all */
    NARU_OPT_EVENT_ACKED,        /* 0 or 1 */
    NARU_OPT_UNREAD,  /* get: bytes that could be read (FIONREAD); DGRAM: of the first datagram */
    NARU_OPT_UNSENT,  /* get: bytes not yet acknowledged (SIOCOUTQ) */
    NARU_OPT_AT_MARK, /* get: 1 if the next byte is the urgent one (SIOCATMARK) */
    NARU_OPT_UDP_GSO, /* DGRAM: cut sends into datagrams of this size; 0 */
    NARU_OPT_UDP_GRO, /* DGRAM: 0 or 1: merged datagrams may be delivered with gso_size */
    NARU_OPT_RECVERR, /* DGRAM, PING: 0 or 1: what ICMP says about sent datagrams, also what may go
                         away by itself (time exceeded), makes READY_ERROR and is queued for recv
                         with NARU_MSG_ERRQUEUE; set to 0 throws the queue away */
};

/* NOPROTOOPT: not for this kind of socket, or not settable; INVAL: out of range, or too late. */
enum naru_err naru_sock_set(struct naru_sock *sock, enum naru_opt opt, int64_t value,
                            naru_time now);
enum naru_err naru_sock_get(struct naru_sock *sock, enum naru_opt opt, int64_t *value);

/*
 * The keys of a listener's Fast Open cookies, set before or after listen: 16 bytes, or 32 where the
 * second key is believed, too, but makes no cookies.  INVAL, NOMEM, OPNOTSUPP (not a STREAM).
 * get: the length, 0 when the stack's key is used.
 */
enum naru_err naru_sock_set_fastopen_key(struct naru_sock *sock, const uint8_t *key, size_t len);
size_t naru_sock_get_fastopen_key(const struct naru_sock *sock, uint8_t key[32]);

/* Joins or leaves a group on an interface (0: by the routing table).  EXIST, NOENT, NOBUFS. */
enum naru_err naru_sock_join(struct naru_sock *sock, const struct naru_addr *group,
                             unsigned ifindex, naru_time now);
enum naru_err naru_sock_leave(struct naru_sock *sock, const struct naru_addr *group,
                              unsigned ifindex, naru_time now);

/*
 * The same for what one source sends to a group; what others send is not received.  To leave the
 * group leaves all its sources.  The routers are told of the group, not of its sources.  EXIST,
 * NOENT, NOBUFS; INVAL: the group was joined as a whole.
 */
enum naru_err naru_sock_join_source(struct naru_sock *sock, const struct naru_addr *group,
                                    const struct naru_addr *source, unsigned ifindex,
                                    naru_time now);
enum naru_err naru_sock_leave_source(struct naru_sock *sock, const struct naru_addr *group,
                                     const struct naru_addr *source, unsigned ifindex,
                                     naru_time now);

/* The congestion phases as Linux numbers them (tcpi_ca_state). */
enum naru_ca_state {
    NARU_CA_OPEN,
    NARU_CA_DISORDER,
    NARU_CA_CWR,
    NARU_CA_RECOVERY,
    NARU_CA_LOSS,
};

/* What a connection knows of itself.  Counts are of segments where the name says so, else bytes. */
struct naru_tcp_info {
    enum naru_tcp_state state;
    enum naru_ca_state ca_state;
    bool timestamps, sack, window_scale, ecn, ecn_seen, syn_data;
    uint8_t snd_wscale, rcv_wscale;
    uint8_t retransmits; /* of the same data, unanswered */
    uint8_t probes, backoff;
    naru_time rto, ato, rtt, rttvar, min_rtt, rcv_rtt;
    uint32_t snd_mss, rcv_mss, advmss, pmtu;
    uint32_t unacked_segments, sacked_segments, lost_segments, retrans_segments;
    uint32_t reordering_segments;
    uint32_t snd_cwnd_segments, snd_ssthresh_segments; /* ssthresh INT32_MAX: not yet known */
    uint32_t rcv_ssthresh, rcv_space, snd_wnd, rcv_wnd;
    uint32_t total_retrans_segments, segments_in, segments_out, data_segments_in, data_segments_out;
    uint32_t delivered_segments, delivered_ce_segments; /* CE: marked on their way (ECN) */
    uint32_t rcv_ooo_segments, dsack_dups, reord_seen;
    uint64_t bytes_acked, bytes_received, bytes_sent, bytes_retrans;
    uint32_t notsent_bytes;
    naru_time last_data_sent, last_data_recv, last_ack_recv; /* instants; 0: never */
    /* How long there was something to send or to be acknowledged; of it, how long the peer's window
     * or the send buffer were in the way. */
    naru_time busy_time, rwnd_limited, sndbuf_limited;
    /* Bytes a second, 0: not known.  delivery_rate: at which data arrived lately, no more than that
     * where the application gave no more to send (app_limited).  pacing_rate: the window over the
     * round-trip time, and a little more (NARU_OPT_MAX_PACING_RATE). */
    uint64_t delivery_rate, pacing_rate, max_pacing_rate; /* the last UINT64_MAX: no limit */
    bool delivery_rate_app_limited;
};

/* OPNOTSUPP for other kinds of sockets. */
enum naru_err naru_sock_tcp_info(const struct naru_sock *sock, struct naru_tcp_info *info,
                                 naru_time now);

/* ---- All sockets of a stack, as ss lists them ---- */

struct naru_sock_entry {
    enum naru_sock_type type;
    enum naru_tcp_state state;
    struct naru_endpoint local, remote;
    uint32_t recv_queue, send_queue; /* bytes; LISTEN: waiting connections and backlog */
    void *user;
    struct naru_sock *sock; /* NULL for TIME-WAIT and for connections nobody holds */
};

/*
 * Walks all that have a port, each in a few steps: *cursor is 0 at first.  False at the end.  The
 * walk stays valid when sockets come and go, but may then miss or repeat some.
 */
bool naru_stack_walk(const struct naru_stack *stack, uint64_t *cursor,
                     struct naru_sock_entry *entry);

#ifdef __cplusplus
}
#endif

#endif
