/*
 * A stack: frames and time go in, frames, events and the next deadline come out.
 *
 * As many stacks as memory allows; each belongs to one thread at a time, and none knows of another.
 * No call blocks, calls back (but for the allocator and the trace hook) or reads a clock.  The life
 * of an embedder's loop:
 *
 *     naru_stack_input(stack, ifindex, pkt, now);         for each frame the device received
 *     naru_stack_tick(stack, now);                        when naru_stack_deadline has come
 *     while (naru_stack_event(stack, &event)) ...         sockets that changed
 *     while (room && naru_stack_output(stack, ifindex, &frame, now)) ...transmit
 *     sleep until a device is ready, or naru_stack_deadline(stack)
 *
 * Every call may make events, frames and a new deadline; the loop asks for all three each turn.
 */
#ifndef NARU_STACK_H
#define NARU_STACK_H

#include <naru/drop.h>
#include <naru/pkt.h>
#include <naru/types.h>

#ifdef __cplusplus
extern "C" {
#endif

struct naru_trace_event;

/*
 * Where the stack's memory comes from.  alloc returns memory for any object (aligned to 16 bytes),
 * not cleared, or NULL; free gets the size that was asked for.  Both are called only from inside
 * calls into that stack.
 */
struct naru_alloc {
    void *(*alloc)(void *user, size_t size);
    void (*free)(void *user, void *ptr, size_t size);
    void *user;
};

enum naru_congestion {
    NARU_CONGESTION_CUBIC,
    NARU_CONGESTION_RENO,
};

/* Explicit congestion notification of TCP, with the numbers of Linux's tcp_ecn. */
enum naru_ecn_mode {
    NARU_ECN_MODE_OFF,
    NARU_ECN_MODE_ON,                  /* asked for, and accepted: RFC 3168 */
    NARU_ECN_MODE_ACCEPT,              /* accepted */
    NARU_ECN_MODE_ACCURATE,            /* both, accurate (RFC 9768), or else as RFC 3168 */
    NARU_ECN_MODE_ACCEPT_ACCURATE_ASK, /* accepted also accurate, asked for as RFC 3168 */
    NARU_ECN_MODE_ACCEPT_ACCURATE,     /* accepted, also accurate */
};

/* Fast Open (RFC 7413), with the numbers of Linux's tcp_fastopen. */
enum naru_fastopen {
    NARU_FASTOPEN_CLIENT = 1,
    NARU_FASTOPEN_SERVER = 2,             /* for listeners with NARU_OPT_FASTOPEN */
    NARU_FASTOPEN_CLIENT_NO_COOKIE = 4,   /* data with any SYN */
    NARU_FASTOPEN_SERVER_NO_COOKIE = 512, /* data of any SYN are taken: anybody can send them */
    NARU_FASTOPEN_SERVER_ALL = 1024,      /* for all listeners, as much as their backlog */
};

/* Set up by naru_config_init, then changed by the embedder, then lent to naru_stack_new. */
struct naru_config {
    struct naru_alloc alloc; /* required */
    uint8_t seed[32]; /* all that is random in the stack comes from here: secret on real networks */
    uint64_t memory_max; /* bytes, everything counted; 256 MiB */

    uint32_t sockets_max;     /* sockets and connections, open or half open; 1 048 576 */
    uint32_t time_wait_max;   /* TIME-WAIT records, the oldest goes first; 262 144 */
    uint32_t syn_queue_max;   /* half-open connections before SYN cookies; 4096 */
    uint32_t neigh_max;       /* neighbours of all interfaces; 1024 */
    uint32_t frag_memory_max; /* bytes held for reassembly; 1 MiB */
    uint32_t ooo_memory_max;  /* bytes of out-of-order TCP data in the whole stack; 32 MiB */

    uint32_t metrics_max; /* destinations whose round-trip time and reordering are remembered for
                             the next connection (RFC 9040); 0: none; 1024 */

    uint32_t neigh_reachable_ms; /* how long an answer is believed, give or take a half; 30000 */

    uint32_t tcp_rcvbuf_default; /* bytes; 131 072, grows by itself to tcp_rcvbuf_max */
    uint32_t tcp_rcvbuf_max;     /* 6 MiB; decides the window scale that is offered */
    uint32_t tcp_sndbuf_default; /* 65 536, grows by itself to tcp_sndbuf_max */
    uint32_t tcp_sndbuf_max;     /* 4 MiB */
    uint32_t udp_rcvbuf_default; /* 212 992 */

    uint8_t tcp_congestion;       /* enum naru_congestion; CUBIC */
    uint8_t tcp_ecn;              /* enum naru_ecn_mode; ACCEPT */
    uint8_t tcp_ecn_retries;      /* retransmissions of a SYN that still ask for it; 0 */
    uint16_t tcp_fastopen;        /* enum naru_fastopen, or-ed; CLIENT */
    bool tcp_fastopen_key_given;  /* else a key is drawn */
    uint8_t tcp_fastopen_key[16]; /* of cookies, for hosts that answer as one */
    bool ipv6_flow_label;         /* a label for each connection and connected socket, from a
                                     keyed hash of its name (RFC 6437 3); true; false: 0 */
    bool tcp_timestamps;          /* RFC 7323; true */
    bool tcp_sack;                /* RFC 2018; true */
    bool tcp_window_scale;        /* RFC 7323; true */
    bool tcp_quickack;            /* quick acknowledgements while a connection is young; true */
    bool tcp_tlp;                 /* tails of flights are probed (RFC 8985 7); true */
    bool tcp_idle_restart; /* cwnd begins anew after RTO without sending (RFC 5681 4.1); true */
    bool tcp_syn_cookies;  /* when the SYN queue is full (RFC 4987 3.6); true */
    bool tcp_rfc793_syn;   /* a SYN in the window resets; false, it is challenged (RFC 5961 4) */
    /* In ESTABLISHED an ACK of what was never sent is answered with an ACK (RFC 9293 3.10.7.4);
       false, dropped without a word, as Linux long did.  In later states it is always answered;
       true. */
    bool tcp_answer_unsent;
    /*
     * BSD's habits where the RFCs leave room; false, Linux's.  Receive buffers of whole segments,
     * offered whole; every second segment acknowledged, also small ones; a FIN again with the ACK
     * of the peer's in CLOSING; SYN with FIN opens; a listener does not reset a SYN, ACK; any SYN
     * for a half-open connection asks for its SYN, ACK again (with an ACK it is nothing), and a RST
     * with more flags than that is ignored; a reset is an error (CONNRESET) in every state before
     * TIME-WAIT; closing with unread data is no reset; soft ICMP errors end a SYN only after
     * several, hard ones are CONNREFUSED; in TIME-WAIT no answer to what has no ACK, and a RST does
     * not end it.
     */
    bool tcp_bsd;
    bool tcp_quick; /* what is usual, segments and datagrams, takes a shorter way to the same
                       effect; false is for tests that compare the two; true */
    /* All connections spread their segments over the round trip (see NARU_OPT_PACING); false. */
    bool tcp_pacing;
    /*
     * A path that loses large packets and says nothing (RFC 4821).  0: is not looked for; 1: after
     * four timeouts in a row segments shrink to tcp_base_mss, and larger ones are tried again; 2:
     * each connection begins so.  1.
     */
    uint8_t tcp_mtu_probing;
    bool tcp_metrics_ssthresh;  /* and their ssthresh, too; false */
    uint8_t tcp_syn_retries;    /* 7: retransmissions of a SYN before ETIMEDOUT */
    uint8_t tcp_synack_retries; /* 5 */
    uint8_t tcp_retries;        /* 15: retransmissions of data before ETIMEDOUT */
    uint8_t tcp_syn_plain;      /* retransmissions of a SYN from which on it offers MSS and nothing
                                   else, for paths that lose what they do not know; 0: never; 0 */
    uint32_t tcp_rto_min_ms;    /* 200 */
    uint32_t tcp_rto_max_ms;    /* 120 000; 1000 to that */
    uint32_t tcp_notsent_lowat; /* where NARU_OPT_NOTSENT_LOWAT is 0; UINT32_MAX */
    uint32_t tcp_base_mss;      /* 1024: see tcp_mtu_probing */
    uint32_t tcp_mtu_probe_ms;  /* 600 000: when larger segments than passed are tried again */
    uint32_t tcp_uto_min_ms;    /* a peer's User Timeout Option (RFC 5482) counts as this at least;
                                   100 000 */
    uint32_t tcp_uto_max_ms;    /* and as this at most; 3 600 000 */
    uint32_t tcp_time_wait_ms;  /* 60 000 */
    uint32_t tcp_fin_wait_2_ms; /* 60 000: FIN-WAIT-2 of a connection nobody holds any more */

    /*
     * What automatic IPv6 addresses are made of instead of the MAC (RFC 7217): the same in the same
     * network, as long as the secret is the same, so it is to be drawn once and kept for longer
     * than the process lives.  Not given: from the MAC, because a secret of one run would make
     * other addresses in the next.
     */
    bool ipv6_secret_given;
    uint8_t ipv6_secret[16];

    uint16_t port_min, port_max; /* ephemeral ports; 32768..60999 */
    uint8_t hop_limit;           /* 64 */
    bool forward;                /* reserved, must be false */

    /* Called for every event, if not NULL; see <naru/trace.h>.  It must not call into the stack. */
    void (*trace)(void *user, const struct naru_trace_event *event);
    void *trace_user;
};

void naru_config_init(struct naru_config *config);

/*
 * Makes the limits of a config that was set up fit into so many bytes, 256 KiB at least (less: the
 * stack is refused): memory_max is memory, and sockets, queues, tables and buffers shrink with it
 * so that none of them can take what all the others need; none grows.  docs/memory.md says what
 * becomes of 256 KiB, 4 MiB and 64 MiB.  Single limits may be changed afterwards.
 */
void naru_config_fit(struct naru_config *config, uint64_t memory);

/*
 * A stack with one interface, the loopback (ifindex 1, 127.0.0.1/8 and ::1/128; MTU 65535, and 1500
 * where memory_max is less than 4 MiB).  *out is set on success.  NARU_ERR_INVAL: a value of config
 * is out of its range.  NARU_ERR_NOMEM.
 * free ends everything at once and silently (no FIN, no RST); sockets and packets of it are gone.
 */
enum naru_err naru_stack_new(const struct naru_config *config, naru_time now,
                             struct naru_stack **out);
void naru_stack_free(struct naru_stack *stack);

/* ---- Frames and time ---- */

/* Takes pkt in every case.  What became of it is counted (naru_stack_drops) and traced. */
void naru_stack_input(struct naru_stack *stack, unsigned ifindex, struct naru_pkt *pkt,
                      naru_time now);

/*
 * The same for count frames in the order in which they came.  What a device has several of is
 * better handed over so: their connections' memory is fetched at one time.
 */
void naru_stack_input_burst(struct naru_stack *stack, unsigned ifindex, struct naru_pkt *const *pkt,
                            unsigned count, naru_time now);

/*
 * The next frame of that interface, built now; false when there is none.  Frames of the loopback
 * interface never appear: the stack turns them around itself, in tick and output.
 */
bool naru_stack_output(struct naru_stack *stack, unsigned ifindex, struct naru_frame *frame,
                       naru_time now);

/* True if output would have something to say (a hint; output is the truth). */
bool naru_stack_output_pending(const struct naru_stack *stack, unsigned ifindex);

/* Fires what is due.  Early, late and repeated calls are harmless. */
void naru_stack_tick(struct naru_stack *stack, naru_time now);

/*
 * When tick must be called at the latest; at most now if at once; NARU_NEVER.  It may be earlier
 * than anything happens, where a timer was set later since; then tick does nothing and the next
 * answer is later.
 */
naru_time naru_stack_deadline(const struct naru_stack *stack);

/* ---- Interfaces ---- */

enum naru_iface_kind {
    NARU_IFACE_ETHERNET, /* Ethernet II frames */
    NARU_IFACE_IP,       /* bare IP packets, no link layer, no neighbours */
    NARU_IFACE_VLAN,     /* 802.1Q: tagged frames of the interface parent */
};

/* What the device does itself. */
enum naru_iface_offload {
    NARU_OFFLOAD_TX_CSUM = 1, /* completes TCP and UDP checksums (csum_partial) */
    NARU_OFFLOAD_TX_TSO = 2,  /* cuts TCP super-segments (TCP4 and TCP6); needs TX_CSUM */
    NARU_OFFLOAD_TX_USO = 4,  /* cuts UDP super-datagrams; needs TX_CSUM */
};

struct naru_iface_config {
    const char *name; /* up to 15 characters, copied */
    enum naru_iface_kind kind;
    uint8_t mac[6];
    uint32_t mtu;     /* bytes of IP packet: 68..65535; IPv6 is off below 1280 */
    uint32_t offload; /* enum naru_iface_offload, or-ed */
    uint32_t gso_max; /* largest super-segment, IP packet bytes; 0 means 65535 */
    uint16_t parent;  /* VLAN: ifindex of the Ethernet interface */
    uint16_t vlan;    /* VLAN: 1..4094 */
    bool accept_any;  /* takes packets to any unicast address as its own (gateways, forwarders) */
    bool dad;         /* duplicate address detection for IPv6 addresses (RFC 4862) */
    bool autoconf;    /* router solicitation, SLAAC, link-local address (RFC 4862) */
    bool link_local;  /* a link-local address, also without autoconf */
    bool temporary;   /* with autoconf: temporary addresses too, which new connections begin from
                         (RFC 8981); false, as in the Linux kernel: a host that others look for
                         wants one address, and one that asks without being known asks for this */
};

/* Defaults: Ethernet, MTU 1500, nothing else. */
void naru_iface_config_init(struct naru_iface_config *config);

/* *ifindex is set; numbers are never used again.  INVAL, EXIST (name), NOBUFS (64 interfaces),
 * NOMEM. */
enum naru_err naru_iface_add(struct naru_stack *stack, const struct naru_iface_config *config,
                             naru_time now, unsigned *ifindex);

/* A device whose carrier is gone takes and gives no frames. */
enum naru_err naru_iface_set_up(struct naru_stack *stack, unsigned ifindex, bool up, naru_time now);

struct naru_iface_info {
    char name[16];
    enum naru_iface_kind kind;
    bool loopback, up;
    uint8_t mac[6];
    uint32_t mtu;
    uint64_t rx_packets, rx_bytes, rx_drops, tx_packets, tx_bytes;
};

/* NARU_ERR_NOENT beyond the last; walk from 1. */
enum naru_err naru_iface_get(const struct naru_stack *stack, unsigned ifindex,
                             struct naru_iface_info *info);

/* ---- Addresses, routes, neighbours ---- */

/*
 * Gives the interface an address and the route to its prefix.  With DAD the address becomes usable
 * a second later (RFC 4862 5.4).  EXIST, INVAL, NOENT (interface), NOBUFS (32 addresses), NOMEM.
 */
enum naru_err naru_ifaddr_add(struct naru_stack *stack, unsigned ifindex,
                              const struct naru_addr *addr, unsigned prefix_len, naru_time now);
enum naru_err naru_ifaddr_remove(struct naru_stack *stack, unsigned ifindex,
                                 const struct naru_addr *addr, naru_time now);

struct naru_ifaddr_info {
    struct naru_addr addr;
    unsigned prefix_len; /* of its own family */
    bool tentative, duplicate, deprecated, automatic;
    bool temporary; /* RFC 8981; automatic, too */
};

/* The n-th address (from 0) of the interface; NARU_ERR_NOENT beyond the last. */
enum naru_err naru_ifaddr_get(const struct naru_stack *stack, unsigned ifindex, unsigned n,
                              struct naru_ifaddr_info *info);

#define NARU_ADDR_SORT_MAX 64

/*
 * Puts the addresses of a name into the order in which an application should try them (RFC 6724
 * section 6): those first that the stack would speak to from a fitting address; those without a
 * route last; equals stay in their order.  All after the first NARU_ADDR_SORT_MAX stay where they
 * are.
 */
void naru_addr_sort(struct naru_stack *stack, struct naru_addr *addr, unsigned count);

#define NARU_DNS_SEARCH_SIZE 254

/*
 * Resolvers, and domains to search, that routers advertise to an interface with autoconf (RFC
 * 8106), as long as they are valid: the n-th, from 0.  NARU_ERR_NOENT beyond the last.  A
 * link-local resolver comes with its ifindex; name is text without the last dot.  The generation
 * changes whenever a list does: looking at it after input and tick is the event.
 */
uint32_t naru_dns_generation(const struct naru_stack *stack);
enum naru_err naru_dns_server_get(const struct naru_stack *stack, unsigned ifindex, unsigned n,
                                  struct naru_endpoint *server);
enum naru_err naru_dns_search_get(const struct naru_stack *stack, unsigned ifindex, unsigned n,
                                  char name[NARU_DNS_SEARCH_SIZE]);

struct naru_route {
    struct naru_addr prefix;
    uint8_t prefix_len; /* of its own family: 0 is the default route */
    bool has_gateway;
    struct naru_addr gateway;
    uint16_t ifindex; /* required unless the gateway is on a connected prefix */
    uint32_t metric;  /* the lowest wins among equal prefixes */
    uint32_t mtu;     /* 0: the interface's */
};

enum naru_err naru_route_add(struct naru_stack *stack, const struct naru_route *route);
enum naru_err naru_route_remove(struct naru_stack *stack, const struct naru_route *route);
/* The n-th route (from 0); NARU_ERR_NOENT beyond the last. */
enum naru_err naru_route_get(const struct naru_stack *stack, unsigned n, struct naru_route *route);

/* A permanent neighbour. */
enum naru_err naru_neigh_add(struct naru_stack *stack, unsigned ifindex,
                             const struct naru_addr *addr, const uint8_t mac[6], naru_time now);

/* ---- What the stack tells ---- */

/* Packets dropped for that reason since the stack was made. */
uint64_t naru_stack_drops(const struct naru_stack *stack, enum naru_drop reason);

struct naru_stack_stats {
    uint64_t memory_used, memory_peak;
    uint64_t rx_packets, tx_packets;
    uint32_t sockets;   /* held by the application */
    uint32_t flows;     /* TCP connections of every state but LISTEN and TIME-WAIT */
    uint32_t half_open; /* SYN-RECEIVED without a socket */
    uint32_t time_wait;
    uint64_t tcp_segments_in, tcp_segments_out, tcp_retransmits, tcp_rto_fires;
    uint64_t tcp_syn_cookies_sent, tcp_syn_cookies_accepted;
};

void naru_stack_get_stats(const struct naru_stack *stack, struct naru_stack_stats *stats);

#ifdef __cplusplus
}
#endif

#endif
