/*
 * What a stack consists of: flows and their tables' heads, paths, sockets of each kind, records of
 * TIME-WAIT, interfaces.  core.h puts them together.
 */
#ifndef NARU_STACK_OBJECTS_H
#define NARU_STACK_OBJECTS_H

#include "base/alarm.h"
#include "base/block.h"
#include "base/csum.h"
#include "base/defs.h"
#include "base/list.h"
#include "base/mem.h"
#include "base/pktpool.h"
#include "base/pool.h"
#include "base/rand.h"
#include "base/siphash.h"
#include "base/table.h"
#include "base/wheel.h"
#include "proto/autoconf.h"
#include "proto/fastopen.h"
#include "proto/frag.h"
#include "proto/group.h"
#include "proto/icmplimit.h"
#include "proto/metrics.h"
#include "proto/neigh.h"
#include "proto/pmtu.h"
#include "proto/ports.h"
#include "proto/route.h"
#include "proto/tcp/tcp.h"
#include "wire/plain.h"
#include "wire/plain_udp.h"

#include <naru/naru.h>

#include <string.h>

enum {
    IFACES_MAX = 64,
    REDIRECTS_MAX = 16,    /* hosts that a router has sent elsewhere */
    IFADDRS_MAX = 40,      /* proto/autoconf's and some of IPv4 */
    TXQ_MAX = 512,         /* packets waiting on an interface */
    TXQ_LOW = TXQ_MAX / 2, /* datagram senders that were told AGAIN go on below this */
    HERE_BITS = 9,         /* of stack->here: a line of cache */
    LOOPBACK = 1,          /* its ifindex */
    LOOPBACK_MTU = 65535,
    LOOPBACK_BUDGET = 64, /* frames turned around in one tick */
    JOINS_MAX = 64,       /* groups of one socket */
};

NARU_QUEUE_DEFINE(naru_pktq, struct naru_pkt);

/* ---- Flows: everything that a packet may be for by its four names ---- */

struct naru_tuple {
    struct naru_addr local, remote;
    uint16_t local_port, remote_port;
    uint16_t zone; /* ifindex where remote is link-local, else 0 */
    uint8_t proto;
    uint8_t zero;
};

enum flow_kind {
    FLOW_SOCK,      /* struct naru_sock */
    FLOW_TIME_WAIT, /* struct naru_time_wait */
};

/* The head of everything in stack->flows. */
struct naru_flow {
    struct naru_tuple tuple;
    uint32_t hash;
    uint8_t kind; /* enum flow_kind */
    bool in_table;
    uint16_t ends; /* naru_plain_ends of both addresses, once it was in the table */
};

/*
 * A flow that was used lately.  256 of them: more than a busy program has requests under way at a
 * time, in 4 KB, an eighth of a small first cache, most of which connections need.
 */
enum { LATELY_BITS = 8 };

struct naru_lately {
    struct naru_flow *flow; /* in stack->flows; NULL: none */
    uint32_t tag;
};

enum naru_path_link {
    PATH_LINK_NONE, /* the interface has no link layer */
    PATH_LINK_NEIGH,
    PATH_LINK_MULTICAST,
    PATH_LINK_BROADCAST,
};

/* How packets to somewhere leave: looked up once, good while the generations match.  Zero: nothing
 * yet. */
struct naru_path {
    struct naru_addr next_hop;
    uint32_t fib_gen, pmtu_gen;
    struct naru_neigh_ref neigh;
    uint32_t mtu;
    uint16_t ifindex; /* 0: nothing yet */
    uint8_t link;     /* enum naru_path_link */
};

/* One of those that connections have in common, where they leave in the same way. */
struct naru_shared_path {
    struct naru_path path;
    uint32_t hash;
    uint32_t refs; /* connections, and stack->last_shared */
};

enum naru_path_state {
    PATH_READY,
    PATH_WAIT,        /* for the neighbour; naru_neigh_settle wakes who is parked */
    PATH_UNREACHABLE, /* the neighbour does not answer */
    PATH_NO_ROOM,     /* the neighbour table is full */
};

enum naru_tx_list {
    TX_NONE,
    TX_READY,      /* a connection that has something to say */
    TX_PARKED,     /* ... but waits for a neighbour */
    TX_WANT_WRITE, /* a datagram socket that met a full queue */
};

/* What a socket is tied to by the one pointer that it has for such: never to two at a time. */
enum naru_sock_tie {
    TIE_NONE,
    TIE_MEMORY,   /* memory_next: its holder's last send found none */
    TIE_LISTENER, /* listener: it has no holder, and waits to be accepted, or will */
    TIE_LISTEN,   /* listen: it is a listener, and never connected */
    TIE_CONNECT,  /* iss: connected, says its holder, but SYN waits for the first data */
};

/*
 * What an application holds, and what a connection is; the first member of each kind.  What is for
 * streams alone, and small, is here too, where it needs no room of its own.
 */
struct naru_sock {
    struct naru_flow flow;
    struct naru_stack *stack;
    void *user;
    struct naru_list_node event_node;   /* stack->events, or the accept queue of its listener */
    struct naru_list_node tx_node;      /* iface: ready, parked, or wants to write */
    union {                             /* by tie */
        struct naru_sock *memory_next;  /* stack->memory_waiters */
        struct naru_sock_tcp *listener; /* whose accept queue, or half-open list, it is for */
        struct naru_listen *listen;     /* its own */
        naru_seq iss;                   /* that SYN will have */
    };
    uint8_t type;        /* enum naru_sock_type */
    uint8_t changed;     /* enum naru_ready, not yet told */
    uint8_t tx_list;     /* enum naru_tx_list: where tx_node is */
    uint8_t tie;         /* enum naru_sock_tie */
    bool held : 1;       /* the application has the pointer */
    bool connected : 1;  /* its tuple names a peer */
    bool bound : 1;      /* in a port bucket */
    bool addr_given : 1; /* the application asked for this address */
    bool v6 : 1;         /* made as IPV6 */
    bool v6only : 1;
    bool reuseaddr : 1;
    bool reuseport : 1;
    bool broadcast : 1;
    bool transparent : 1;
    bool multicast_loop : 1;
    bool defer_answer : 1;   /* a listener's, as are the keys */
    bool half_open : 1;      /* a stream in its listener's half_queue ... */
    bool queued : 1;         /* ... or in its accept_queue */
    bool deferred : 1;       /* its SYN is not answered yet */
    bool ended : 1;          /* out of the tables; only the application's view is left */
    bool early : 1;          /* Fast Open: it is open, its handshake not complete */
    bool fast_asked : 1;     /* SYN,ACK may bring a cookie */
    bool fast_connect : 1;   /* NARU_OPT_FASTOPEN_CONNECT */
    bool fast_no_cookie : 1; /* NARU_OPT_FASTOPEN_NO_COOKIE */
    bool fast_keyed : 1;     /* it has keys of its own in stack->fast_own */
    uint8_t tos;
    uint8_t ttl; /* 0: the stack's */
    uint8_t mtu_discover;
    uint8_t multicast_ttl;
    uint8_t multicast_if;
    uint16_t bind_iface;
    uint16_t fast_max;          /* NARU_OPT_FASTOPEN */
    struct naru_list_node node; /* bound: that of its port; else stack->unbound */
};

/* A listener's own. */
struct naru_listen {
    struct naru_list accept_queue; /* struct naru_sock, by event_node */
    struct naru_list half_queue;   /* the same, in SYN-RECEIVED */
    uint32_t accept_count, half_open;
    uint32_t backlog;
};

struct naru_sock_tcp {
    struct naru_sock s;
    struct naru_path *path; /* of a naru_shared_path, whose MTU tcp knows; or stack->no_path */
    struct naru_timer timer;
    struct naru_tcp tcp;
};

_Static_assert(IFACES_MAX <= UINT8_MAX, "multicast_if has room");
_Static_assert(sizeof(struct naru_sock) == 136 && offsetof(struct naru_sock_tcp, tcp) == 176 &&
                   sizeof(struct naru_sock_tcp) == 7 * NARU_CACHE_LINE,
               "a segment touches seven lines of a connection");

struct naru_join {
    struct naru_addr group, source; /* source all zero: any */
    uint16_t ifindex;
};

/* An IP packet to be made. */
struct naru_ip_out {
    struct naru_addr src; /* all zero: chosen */
    struct naru_addr dst;
    uint16_t ifindex; /* 0: by the routing table */
    uint8_t proto;
    uint8_t hop_limit; /* 0: the stack's */
    uint8_t tos;
    uint32_t flow_label; /* IPv6 */
    bool dont_fragment;  /* MSGSIZE instead */
    bool ignore_pmtu;    /* fragments at the interface's MTU */
    bool router_alert;
    bool no_multicast_loop;
    bool from_unspecified; /* src is all zero and stays so */
    bool host_only;        /* to a group with a hop limit of 0: only members on this host hear it */
    uint8_t csum_offset;   /* the transport checksum's place, made for whatever source is chosen;
                              0xff: none */
    const struct naru_frag_ident_place *ident; /* of src and dst; NULL: to be found out */
};

struct naru_sock_udp {
    struct naru_sock s;
    struct naru_pktq rx;
    uint32_t rx_bytes, rx_max; /* truesize */
    struct naru_pktq errors;   /* dgram_error.c */
    int8_t error;              /* enum naru_err, pending */
    bool shut_read, shut_write;
    uint16_t gso_size;
    bool gro;
    bool recverr;
    bool described;         /* out is good while described_gen is that of the routes ... */
    bool usual;             /* ... and a datagram may take the short way */
    struct naru_path path;  /* to the peer it is connected to ... */
    struct naru_ip_out out; /* ... and what goes into the IP header there */
    struct naru_frag_ident_place ident;
    uint32_t described_gen;
    uint8_t head_hops;          /* the interface's hop limit when ... */
    struct naru_plain_udp head; /* ... the headers that usual datagrams share were made */
    struct naru_join *joins;    /* JOINS_MAX of them once one is made */
    uint8_t join_count;
};

struct naru_time_wait {
    struct naru_flow flow;
    struct naru_list_node node; /* stack->time_waits, the oldest first */
    struct naru_tcp_tw tw;
};

/* All sockets bound to one port of one protocol. */
struct port_bucket {
    struct naru_list socks;
    uint32_t hash;
    uint16_t port;
    uint8_t proto;
};

/* ---- Interfaces ---- */

struct naru_ifaddr {
    struct naru_addr addr;
    uint32_t broadcast; /* of its network, in host order; 255.255.255.255: it has none of its own */
    uint8_t prefix_len; /* of its own family */
    bool tentative, duplicate, deprecated, automatic, temporary;
};

/* Segments of one connection that are all alike; train.c. */
struct naru_train {
    struct naru_sock_tcp *st;
    uint32_t left; /* so many may still go */
    uint32_t len;  /* of each frame */
    uint64_t sum;  /* under the checksum, but for the number and the payload */
    struct naru_offload offload;
    uint16_t header_len;
    uint8_t head[NARU_ETH_LEN + NARU_PLAIN_LEN6];
};

struct naru_iface {
    struct naru_stack *stack;
    char name[16];
    uint16_t index;
    uint16_t parent, vlan;
    uint8_t kind; /* enum naru_iface_kind */
    uint8_t mac[6];
    bool up, accept_any;
    bool usual;      /* up, and nothing about it is special; iface.c */
    bool link_layer; /* Ethernet headers, neighbours */
    bool autoconf;   /* IPv6 addresses go through proto/autoconf */
    uint32_t mtu, offload, gso_max;
    uint8_t hop_limit;
    uint8_t addr_count;
    uint8_t child_count; /* VLAN interfaces upon it */
    struct naru_ifaddr addrs[IFADDRS_MAX];

    /* Out: packets that were made already, then connections that have something to say. */
    struct naru_pktq txq;
    uint32_t txq_count;
    struct naru_list ready;      /* struct naru_sock by tx_node */
    struct naru_list parked;     /* TCP that waits for a neighbour */
    struct naru_list want_write; /* UDP that met a full queue */
    struct naru_pkt *sending;    /* lent to the driver until it calls again */
    struct naru_frag_cut cut;    /* sending leaves in pieces ... */
    struct naru_frag_piece piece;
    uint32_t cut_ident;
    uint16_t cut_header_len; /* ... behind this many bytes of its own header; 0: whole */

    bool turn; /* whose: the queue's, or the ready list's */
    struct naru_train train;

    /* In: the ends of the last packet that was found to be for us alone, while nothing changed. */
    struct {
        uint32_t fib_gen;
        struct naru_addr src, dst;
    } seen;
    /* ... and what the next segment may be like, since two in a row were: of one flow, or of one
     * length. */
    struct {
        struct naru_flow *flow; /* good while flows_gone has not changed; NULL: nothing is known */
        uint32_t fib_gen;       /* all is good while this has not */
        uint32_t len;           /* of the last frame that was like none before ... */
        const void *whose;      /* ... and the flow that it was for, maybe gone: only compared */
        uint64_t flows_gone;
        struct naru_tuple ends; /* but for the ports */
        struct naru_plain_like like;
    } last;

    /* Out: the neighbour that the last path led to; others that lead there need not look it up. */
    struct naru_addr hop;
    struct naru_neigh_ref hop_neigh;

    /* Apart, or else gcc adds to two of them at once, which takes it longer. */
    uint64_t rx_packets, tx_packets, rx_drops, rx_bytes, tx_bytes;
};

#endif
