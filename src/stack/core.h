/*
 * The stack from the inside: what its files share, and nothing that others may touch.
 *
 * This folder is the only place where protocol machines are introduced to one another: a machine is
 * told facts and says what is due; the files here carry the facts and do what is due.
 *
 *   stack.c    making, ending, time                 in.c          frames in: link layer
 *   iface.c    interfaces and their addresses       in_ip.c       IPv4 and IPv6 in, reassembly
 *   out.c      frames out: who speaks next          in_quick.c    the next segment, at one go
 *   out_ip.c   packets we make: headers, fragments  icmp_in.c     echo, errors to their flow
 *   path.c     routes, neighbours, path MTU         icmp_out.c    errors we send
 *   demux.c    who a packet is for                  nd.c          ARP, ND, autoconfiguration
 *   tcp.c      TCP in and in time                   event.c       what sockets have to tell
 *   tcp_out.c  its frames                           udp.c         datagrams in and out
 *   listen.c   SYN to connection                    udp_quick.c   the usual ones, at one go
 *                                                   dgram_error.c errors about them
 *   fastopen.c data with SYN                        time_wait.c   names that rest
 *   metrics.c  what connections tell the next       pressure.c    what goes when memory is short
 *   train.c    segments that are all alike          out_quick.c   the next segment, at one go
 *                                                   syn_quick.c   what opens connections, at one go
 */
#ifndef NARU_STACK_CORE_H
#define NARU_STACK_CORE_H

#include "stack/objects.h"

/* ---- The stack ---- */

struct naru_stack {
    struct naru_config config;
    struct naru_mem mem;
    struct naru_pktpool pkts;
    struct naru_blockpool blocks;
    struct naru_pool timer_pages;
    struct naru_pool tcp_pool, udp_pool, time_wait_pool, bucket_pool, listen_pool, path_pool;
    struct naru_rand rand;
    struct naru_siphash_key flow_key;
    uint64_t port_key, label_key; /* odd */
    const struct naru_csum_ops *csum;
    naru_time now;
    struct naru_iface *train; /* it goes on there; NULL: nowhere */
    uint16_t in_ifindex;      /* whose frame is being taken in; 0: none */
    uint32_t dns_generation;  /* what routers say of resolvers has changed so often */
    bool chores;              /* a machine may have something to send: look before the next frame */

    naru_time relieved_at; /* when caches were last given back; pressure.c */
    uint64_t refused_then; /* mem.refused at that time */

    struct naru_wheel wheel;      /* struct naru_timer of connections */
    struct naru_table flows;      /* struct naru_flow */
    struct naru_flow *last_flow;  /* the one used last, which is in lately; NULL: none */
    uint64_t flows_gone;          /* from the table, ever */
    struct naru_table ports;      /* struct port_bucket */
    struct naru_list any_port[3]; /* by enum naru_sock_type: transparent sockets of port 0 */
    struct naru_list events;
    struct naru_list time_waits;       /* the oldest first: all rest equally long */
    struct naru_timer time_wait_timer; /* never later than the first of them */
    struct naru_list unbound;          /* sockets without a port, and all that were accepted */
    struct naru_sock *memory_waiters;  /* senders that found no memory; told to try again ... */
    struct naru_timer memory_timer;    /* ... when this fires */
    struct naru_ports ephemeral;

    struct naru_fib fib;
    struct naru_path last_path; /* the one found last, and what for */
    struct naru_addr last_dst;
    unsigned last_ifindex;
    const struct naru_fib_entry *last_entry; /* of fib: path->fib_gen's; NULL: none */
    struct naru_shared_path *last_shared;    /* is like last_path; NULL: nobody asked */
    struct naru_table paths;                 /* struct naru_shared_path */
    struct naru_path no_path;                /* that of a connection which knows none: ifindex 0 */
    struct naru_neigh_table neigh;
    struct naru_frag frag;
    struct naru_frag_ident ident;
    struct naru_autoconf autoconf;
    struct naru_group group;
    struct naru_pmtu pmtu;
    struct naru_metrics metrics;
    struct naru_icmplimit icmp_limit;
    struct naru_alarm alarm; /* of those above that have deadlines: never after the first */
    struct naru_tcp_env tcp;

    struct naru_route redirects[REDIRECTS_MAX]; /* in use where ifindex is not 0 */
    unsigned redirect_next;

    struct naru_iface *ifaces[IFACES_MAX + 1]; /* by ifindex; [0] is NULL */
    unsigned iface_count;
    uint64_t here[(1 << HERE_BITS) / 64];     /* a bit for each of our addresses; see iface.c */
    uint64_t everyone[(1 << HERE_BITS) / 64]; /* ... and for each broadcast address */

    struct naru_fastopen_keys fast_keys; /* made when first needed */
    struct naru_fastopen_own *fast_own;  /* keys of single sockets */
    struct naru_fastopen_cache fast_cache;
    uint32_t fast_pending, fast_resets;
    naru_time fast_reset_at;

    uint32_t sock_count, flow_count, half_open;
    naru_time cookies_until; /* ACKs may answer a cookie of ours until then */
    uint64_t drops[NARU_DROP_COUNT];
    struct naru_lately lately[1 << LATELY_BITS]; /* by the upper bits of the tag */
};

/* Something happens, and nothing is as it was when the last frame went out. */
static inline void naru_stack_touch(struct naru_stack *stack) { stack->train = NULL; }

/* Time goes on; a time before the last one counts as that one. */
static inline void naru_stack_at(struct naru_stack *stack, naru_time now)
{
    naru_stack_touch(stack);
    if (now > stack->now)
        stack->now = now;
}

/* NULL if there is none of that number. */
static inline struct naru_iface *naru_iface_of(const struct naru_stack *stack, unsigned ifindex)
{
    return ifindex >= 1 && ifindex <= stack->iface_count ? stack->ifaces[ifindex] : NULL;
}

static inline struct naru_sock_tcp *naru_sock_tcp_of(const struct naru_sock *sock)
{
    return (struct naru_sock_tcp *)(uintptr_t)sock; /* its first member */
}

static inline bool naru_sock_listens(const struct naru_sock *sock)
{
    return sock->tie == TIE_LISTEN;
}

/* For the first data: SYN has not left. */
static inline bool naru_sock_connect_waits(const struct naru_sock *sock)
{
    return sock->tie == TIE_CONNECT;
}

/* Ties sock, which is free, or unties it. */
static inline void naru_sock_tie(struct naru_sock *sock, enum naru_sock_tie tie)
{
    NARU_ASSERT(sock->tie == TIE_NONE || tie == TIE_NONE);
    sock->tie = (uint8_t)tie;
}

/* The zone of an address that was met on iface: a link-local one means something only there. */
static inline uint16_t naru_zone_on(const struct naru_iface *iface, const struct naru_addr *addr)
{
    return naru_addr_is_link_local(addr) ? iface->index : 0;
}

/* A packet from src to dst was found to be for us alone before, and nothing has changed. */
static inline bool naru_ends_seen(const struct naru_iface *iface, const struct naru_addr *src,
                                  const struct naru_addr *dst)
{
    return iface->seen.fib_gen == iface->stack->fib.generation &&
           naru_addr_eq(&iface->seen.dst, dst) && naru_addr_eq(&iface->seen.src, src);
}

/* Frames of this interface may go the short ways, if it is up; nobody watches. */
static inline bool naru_quick_open(const struct naru_stack *stack, const struct naru_iface *iface)
{
    return stack->config.trace == NULL && stack->config.tcp_quick && iface->kind != NARU_IFACE_VLAN;
}

/* What routers may tell packets of a flow of that hash from others by (RFC 6437), without knowing
 * the hash. */
static inline uint32_t naru_flow_label(const struct naru_stack *stack, uint32_t hash)
{
    return stack->config.ipv6_flow_label ? (uint32_t)(hash * stack->label_key >> 44) : 0;
}

/*
 * Which IP a frame carries to our own address, from one host, without tags, or without a link layer
 * at all: 4 or 6, behind link_len bytes; 0: it is not so.
 */
static inline unsigned naru_quick_link(const struct naru_iface *iface, const struct naru_pkt *pkt,
                                       size_t *link_len)
{
    const uint8_t *p = pkt->data;
    *link_len = iface->link_layer ? NARU_ETH_LEN : 0;
    if (pkt->len <= *link_len)
        return 0;
    if (!iface->link_layer)
        return *p >> 4 == 4 ? 4 : 6;
    if (!naru_mac_eq(p, iface->mac) || !naru_mac_is_unicast(p + NARU_MAC_LEN))
        return 0;
    uint16_t ethertype = naru_get16(p + NARU_ETH_LEN - 2);
    return ethertype == NARU_ETHERTYPE_IPV4 ? 4 : ethertype == NARU_ETHERTYPE_IPV6 ? 6 : 0;
}

/* It has something to say. */
static inline bool naru_iface_waiting(const struct naru_iface *iface)
{
    return !naru_list_empty(&iface->ready) || !naru_pktq_empty(&iface->txq) ||
           iface->cut_header_len != 0;
}

/* A segment touches all of a connection, and among many it is in no cache: ask for it now. */
static inline void naru_connection_prefetch(const void *at)
{
    for (size_t i = 0; i < sizeof(struct naru_sock_tcp); i += NARU_CACHE_LINE)
        NARU_PREFETCH((const char *)at + i);
}

static inline struct naru_sock_udp *naru_sock_udp_of(const struct naru_sock *sock)
{
    return (struct naru_sock_udp *)(uintptr_t)sock; /* its first member */
}

/* An IP packet on its way up: what the layers below have found out. */
struct naru_ip_in {
    struct naru_iface *iface;
    struct naru_addr src, dst;
    uint8_t proto, hop_limit, tos;
    bool group;            /* sent to more than one: multicast or broadcast, at either layer */
    bool csum_valid;       /* the transport checksum needs no look */
    bool fragmented;       /* it came in fragments, or as one (RFC 6980) */
    const uint8_t *packet; /* from the IP header on, for quoting; as long as pkt lives */
    uint32_t packet_len;
};

/* pressure.c */
void naru_stack_relieve(struct naru_stack *stack);
static inline bool naru_stack_pressed(const struct naru_stack *stack)
{
    return naru_mem_pressure(&stack->mem) != NARU_MEM_NORMAL ||
           stack->mem.refused != stack->refused_then;
}

/* stack.c, drop.c */
naru_time naru_machines_deadline(const struct naru_stack *stack);
void naru_drop_count(struct naru_stack *stack, enum naru_drop reason, unsigned count);
enum naru_drop naru_pkt_drop(struct naru_pkt *pkt, enum naru_drop reason);

/* A frame that came in on iface has been taken, or dropped for that reason. */
static inline void naru_frame_fate(struct naru_stack *stack, struct naru_iface *iface,
                                   enum naru_drop drop)
{
    if (NARU_UNLIKELY(drop != NARU_DROP_NONE)) {
        iface->rx_drops++;
        naru_drop_count(stack, drop, 1);
    }
}

/* iface.c */
unsigned naru_iface_first_up(const struct naru_stack *stack);
bool naru_iface_has_broadcast(const struct naru_iface *iface, const struct naru_addr *addr);
bool naru_names_many(const struct naru_stack *stack, const struct naru_addr *addr);
struct naru_iface *naru_ifaddr_search(const struct naru_stack *stack, const struct naru_addr *addr,
                                      unsigned ifindex);

/* Which bit of stack->here, or stack->everyone, stands for an address. */
static inline unsigned naru_here_bit(const struct naru_addr *addr)
{
    uint32_t low = naru_get32(addr->b + 12) ^ naru_get32(addr->b + 8);
    return low * 0x9e3779b1u >> (32 - HERE_BITS);
}

/* False: it is in no such set. */
static inline bool naru_maybe_in(const uint64_t *set, const struct naru_addr *addr)
{
    unsigned bit = naru_here_bit(addr);
    return (set[bit / 64] >> bit % 64 & 1) != 0;
}

/* The interface that has addr and may use it (not tentative), or NULL; ifindex 0: any. */
static inline struct naru_iface *naru_ifaddr_find(const struct naru_stack *stack,
                                                  const struct naru_addr *addr, unsigned ifindex)
{
    return naru_maybe_in(stack->here, addr) ? naru_ifaddr_search(stack, addr, ifindex) : NULL;
}

/* 255.255.255.255, or the directed broadcast of one of the interface's networks. */
static inline bool naru_iface_is_broadcast(const struct naru_iface *iface,
                                           const struct naru_addr *addr)
{
    return naru_maybe_in(iface->stack->everyone, addr) && naru_iface_has_broadcast(iface, addr);
}
enum naru_err naru_ifaddr_insert(struct naru_stack *stack, struct naru_iface *iface,
                                 const struct naru_ifaddr *row);
struct naru_ifaddr *naru_ifaddr_row(struct naru_iface *iface, const struct naru_addr *addr);
void naru_ifaddr_erase(struct naru_stack *stack, struct naru_iface *iface,
                       const struct naru_addr *addr);

/* path.c */
struct naru_path *naru_path_to(struct naru_stack *stack, const struct naru_addr *dst,
                               unsigned ifindex);
bool naru_path_find(struct naru_stack *stack, struct naru_path *path, const struct naru_addr *dst,
                    unsigned ifindex);
void naru_path_share(struct naru_stack *stack, struct naru_path **path);
void naru_path_leave(struct naru_stack *stack, struct naru_path **path);
unsigned naru_path_group_iface(const struct naru_sock *sock, const struct naru_addr *dst,
                               const struct naru_addr *src);

/* Nothing has changed that path was made from; it may be none yet (ifindex 0). */
static inline bool naru_path_current(const struct naru_stack *stack, const struct naru_path *path)
{
    return path->fib_gen == stack->fib.generation && path->pmtu_gen == stack->pmtu.generation;
}

/* It is one, and nothing has changed. */
static inline bool naru_path_good(const struct naru_stack *stack, const struct naru_path *path)
{
    return path->ifindex != 0 && naru_path_current(stack, path);
}

/* False: no route.  While nothing changed that path was made from, it stays as it is. */
static inline bool naru_path_route(struct naru_stack *stack, struct naru_path *path,
                                   const struct naru_addr *dst, unsigned ifindex)
{
    if (NARU_LIKELY(naru_path_good(stack, path)))
        return true;
    return naru_path_find(stack, path, dst, ifindex);
}
enum naru_path_state naru_path_link(struct naru_stack *stack, struct naru_path *path,
                                    const struct naru_addr *src, uint8_t mac[6]);
bool naru_path_source(const struct naru_stack *stack, const struct naru_path *path,
                      const struct naru_addr *dst, struct naru_addr *source);

/* demux.c */
struct naru_name { /* of a connection that is to be: its hash, and who has had it */
    uint32_t hash;
    struct naru_flow *rests; /* in TIME-WAIT, and may be taken over; NULL: nobody */
};
uint32_t naru_tuple_hash(const struct naru_stack *stack, const struct naru_tuple *tuple);
struct naru_flow *naru_flow_find(const struct naru_stack *stack, const struct naru_tuple *tuple,
                                 uint32_t hash);
uint32_t naru_flow_tag(const struct naru_tuple *tuple);

/* Where a flow with that tag is, if it was used lately. */
static inline unsigned naru_lately_place(uint32_t tag) { return tag >> (32 - LATELY_BITS); }

void naru_flow_remember(struct naru_stack *stack, struct naru_flow *flow);
struct naru_flow *naru_flow_guess(const struct naru_stack *stack, const struct naru_tuple *tuple);
struct naru_flow *naru_flow_lately(struct naru_stack *stack, const struct naru_tuple *tuple);

/* A packet of flow came, or went and will be answered; it is in the table. */
static inline void naru_flow_used(struct naru_stack *stack, struct naru_flow *flow)
{
    if (NARU_UNLIKELY(stack->last_flow != flow))
        naru_flow_remember(stack, flow);
}

uint32_t naru_flow_prepare(struct naru_stack *stack, const struct naru_tuple *tuple);
struct naru_flow *naru_flow_of(struct naru_stack *stack, const struct naru_tuple *tuple,
                               uint32_t hash);
bool naru_flow_add(struct naru_stack *stack, struct naru_flow *flow, uint32_t hash);
void naru_flow_remove(struct naru_stack *stack, struct naru_flow *flow);
void naru_flow_replace(struct naru_stack *stack, struct naru_flow *from, struct naru_flow *to);
bool naru_port_may_listen(struct naru_sock *sock);
enum naru_err naru_port_bind(struct naru_sock *sock, uint16_t port);
void naru_port_release(struct naru_sock *sock);
struct naru_sock_walk { /* begins as { 0 } */
    uint64_t cursor;
    const struct naru_list *list;
    const struct naru_list_node *node;
};
struct naru_sock *naru_sock_next(const struct naru_stack *stack, struct naru_sock_walk *walk);
enum naru_err naru_port_for_connection(struct naru_sock *sock, struct naru_name *name);
struct naru_sock *naru_port_lookup(const struct naru_stack *stack, const struct naru_tuple *tuple,
                                   const struct naru_iface *iface, uint32_t hash);
struct naru_sock *naru_port_next_group(const struct naru_stack *stack,
                                       const struct naru_tuple *tuple,
                                       const struct naru_iface *iface,
                                       const struct naru_sock *prev);

/* event.c */
void naru_sock_note(struct naru_sock *sock, unsigned changed);
unsigned naru_sock_level(const struct naru_sock *sock);
void naru_sock_want_memory(struct naru_sock *sock);
void naru_memory_waiters_wake(struct naru_stack *stack);
enum naru_stack_timer { TIMER_CONNECTION, TIMER_TIME_WAIT, TIMER_MEMORY };
#define TIMER_TICK NARU_MS(1)  /* a connection's may be late by less than this ... */
#define TIMER_FAR  NARU_MS(20) /* ... where they are set so far ahead */

/* sockets' common half: event.c */
void naru_sock_init(struct naru_sock *sock, struct naru_stack *stack, enum naru_sock_type type,
                    uint8_t proto);
void naru_sock_deinit(struct naru_sock *sock);
void naru_tuple_ends(const struct naru_tuple *tuple, struct naru_endpoint *local,
                     struct naru_endpoint *remote);

/* in.c, in_quick.c, in_ip.c */
void naru_input_any(struct naru_stack *stack, struct naru_iface *iface, struct naru_pkt *pkt);
bool naru_is_next_segment(const struct naru_stack *stack, const struct naru_iface *iface,
                          const struct naru_pkt *pkt);
void naru_next_segment_in(struct naru_stack *stack, struct naru_iface *iface, struct naru_pkt *pkt);
void naru_quick_segment_in(struct naru_stack *stack, struct naru_iface *iface,
                           struct naru_pkt *pkt);
enum naru_drop naru_ip_check_ends(const struct naru_stack *stack, struct naru_ip_in *in);
void naru_trace_frame(struct naru_stack *stack, const struct naru_iface *iface,
                      enum naru_trace_kind kind, const struct naru_slice *slice,
                      unsigned slice_count, const struct naru_offload *offload);
enum naru_drop naru_ipv4_input(struct naru_stack *stack, struct naru_iface *iface,
                               struct naru_pkt *pkt, bool group);
enum naru_drop naru_ipv6_input(struct naru_stack *stack, struct naru_iface *iface,
                               struct naru_pkt *pkt, bool group);
void naru_ip_frag_expire(struct naru_stack *stack);

/* icmp_in.c */
enum naru_drop naru_icmp_input(struct naru_stack *stack, const struct naru_ip_in *in,
                               struct naru_pkt *pkt);
enum naru_drop naru_icmpv6_input(struct naru_stack *stack, const struct naru_ip_in *in,
                                 struct naru_pkt *pkt);

/* icmp_out.c: errors about the packet in, unless one must not (RFC 1122 3.2.2, RFC 4443 2.4) */
enum naru_unreachable {
    UNREACHABLE_NET,
    UNREACHABLE_HOST,
    UNREACHABLE_PROTOCOL,
    UNREACHABLE_PORT,
    UNREACHABLE_PROHIBITED,
};
void naru_icmp_unreachable(struct naru_stack *stack, const struct naru_ip_in *in,
                           enum naru_unreachable why);
void naru_icmp_frag_timeout(struct naru_stack *stack, const struct naru_ip_in *in);
void naru_icmp_param_problem(struct naru_stack *stack, const struct naru_ip_in *in, uint8_t code,
                             uint32_t pointer);

/* nd.c, group.c */
enum naru_drop naru_arp_input(struct naru_stack *stack, struct naru_iface *iface,
                              struct naru_pkt *pkt);
enum naru_drop naru_redirect_input(struct naru_stack *stack, const struct naru_ip_in *in,
                                   struct naru_span message);
void naru_redirect_end(struct naru_stack *stack, unsigned ifindex, const struct naru_addr *target);
enum naru_drop naru_nd_input(struct naru_stack *stack, const struct naru_ip_in *in, uint8_t type,
                             struct naru_span message);
void naru_nd_settle(struct naru_stack *stack);    /* applies what autoconfiguration has changed */
void naru_neigh_settle(struct naru_stack *stack); /* sends and wakes what waited for neighbours */
void naru_nd_chores(struct naru_stack *stack,
                    struct naru_iface *iface); /* makes the messages that are due */
enum naru_drop naru_igmp_input(struct naru_stack *stack, const struct naru_ip_in *in,
                               struct naru_pkt *pkt);
enum naru_drop naru_mld_input(struct naru_stack *stack, const struct naru_ip_in *in, uint8_t type,
                              struct naru_span message);
void naru_group_chores(struct naru_stack *stack, struct naru_iface *iface);

/* out.c, out_ip.c, out_quick.c */
bool naru_iface_frame(struct naru_stack *stack, struct naru_iface *iface, struct naru_frame *frame);
bool naru_quick_frame(struct naru_stack *stack, struct naru_iface *iface, struct naru_frame *frame);
bool naru_iface_enqueue(struct naru_stack *stack, struct naru_iface *iface, struct naru_pkt *pkt);
void naru_sock_set_tx_list(struct naru_sock *sock, struct naru_iface *iface,
                           enum naru_tx_list list);
void naru_loopback_turn(struct naru_stack *stack);
size_t naru_link_emit(const struct naru_iface *iface, const uint8_t mac[6], uint16_t ethertype,
                      uint8_t *at);
enum { NARU_IP_HEADROOM = 64 }; /* what naru_ip_output may put in front of a packet */
enum naru_err naru_ip_output(struct naru_stack *stack, const struct naru_ip_out *out,
                             struct naru_pkt *pkt);
void naru_ip_answer(struct naru_stack *stack, const struct naru_ip_in *in, uint32_t flow_label,
                    uint8_t csum_offset, struct naru_pkt *pkt);
enum naru_err naru_ip_output_by(struct naru_stack *stack, const struct naru_ip_out *out,
                                struct naru_path *path, struct naru_pkt *pkt);

/* tcp.c, tcp_out.c, train.c */
uint32_t naru_tcp_ip_len(const struct naru_tuple *tuple); /* of its IP header */
/* The way to the peer, looked for where it may have changed; good until another is looked for,
 * unless it is st->path.  NULL: there is none. */
struct naru_path *naru_tcp_route(struct naru_sock_tcp *st);
/* The connection is told err, or not; what it has to say is lost, and said again. */
void naru_tcp_no_way(struct naru_sock_tcp *st, enum naru_err err);
void naru_tcp_lose_output(struct naru_sock_tcp *st);
void naru_tcp_trace_segment(const struct naru_sock_tcp *st, bool retransmit);
struct naru_tcp_secret naru_tcp_secret_of(const struct naru_stack *stack,
                                          const struct naru_tuple *t);
struct naru_tcp_setup naru_tcp_setup_for(const struct naru_tuple *t, uint32_t mtu);
void naru_stack_tcp_init(struct naru_stack *stack);
void naru_stack_tcp_expire(struct naru_stack *stack);
enum naru_drop naru_tcp_segment_in(struct naru_stack *stack, const struct naru_ip_in *in,
                                   struct naru_pkt *pkt);
enum naru_drop naru_tcp_opening_in(struct naru_stack *stack, const struct naru_ip_in *in,
                                   const struct naru_tcp_hdr *h, struct naru_pkt *pkt);
enum naru_drop naru_tcp_connection_in(struct naru_sock_tcp *st, const struct naru_ip_in *in,
                                      const struct naru_tcp_hdr *h, struct naru_pkt *pkt);
bool naru_tcp_frame(struct naru_stack *stack, struct naru_iface *iface, struct naru_sock_tcp *st,
                    struct naru_frame *frame);
void naru_train_begin(struct naru_iface *iface, struct naru_sock_tcp *st,
                      const struct naru_tcp_segment *segment, const struct naru_frame *frame);
bool naru_train_frame(struct naru_stack *stack, struct naru_iface *iface, struct naru_frame *frame);
void naru_tcp_settle(struct naru_sock_tcp *st);
void naru_tcp_settle_quick(struct naru_sock_tcp *st);
void naru_tcp_settle_apart(struct naru_sock_tcp *st);
void naru_tcp_settle_user(struct naru_sock_tcp *st);
unsigned naru_tcp_sock_level(const struct naru_sock_tcp *st);
struct naru_sock_tcp *naru_tcp_sock_new(struct naru_stack *stack);
struct naru_sock_tcp *naru_tcp_sock_child(struct naru_sock_tcp *listener,
                                          const struct naru_tuple *tuple,
                                          const struct naru_tcp_secret *secret);
void naru_tcp_sock_release(struct naru_sock_tcp *st);
void naru_tcp_reply(struct naru_stack *stack, const struct naru_ip_in *in, uint32_t hash,
                    const struct naru_tcp_hdr *h, struct naru_pkt *pkt);
void naru_tcp_reset_segment(struct naru_stack *stack, const struct naru_ip_in *in, uint32_t hash,
                            const struct naru_tcp_hdr *h, size_t payload_len);
void naru_time_wait_begin(struct naru_sock_tcp *st);
void naru_time_wait_end(struct naru_stack *stack, struct naru_time_wait *tw);
void naru_time_wait_expire(struct naru_stack *stack);
enum naru_drop naru_time_wait_in(struct naru_stack *stack, struct naru_time_wait *tw,
                                 const struct naru_ip_in *in, const struct naru_tcp_hdr *h,
                                 struct naru_pkt *pkt);
bool naru_time_wait_over(const struct naru_stack *stack, struct naru_flow *flow);
void naru_time_wait_take(struct naru_stack *stack, struct naru_flow *flow, struct naru_tcp_tw *old);
enum naru_drop naru_tcp_icmp_in(struct naru_stack *stack, const struct naru_tuple *tuple,
                                enum naru_err err, bool hard, naru_seq seq);
bool naru_tcp_in_flight(struct naru_stack *stack, const struct naru_tuple *tuple, naru_seq seq);
void naru_tcp_forget(struct naru_sock_tcp *st);
void naru_tcp_unreachable(struct naru_sock_tcp *st, enum naru_unreachable why);
void naru_tcp_path_changed(struct naru_stack *stack, const struct naru_tuple *tuple);

/* metrics.c: what connections learn of a path, for others */
void naru_metrics_learn(struct naru_sock_tcp *st); /* c->progress tells what */
void naru_metrics_end(struct naru_sock_tcp *st);   /* st has ended by itself */

/* fastopen.c */
bool naru_fastopen_syn(struct naru_sock_tcp *listener, const struct naru_ip_in *in,
                       const struct naru_tcp_hdr *h, size_t payload_len,
                       struct naru_tcp_fastopen *how);
enum naru_err naru_fastopen_own_set(struct naru_sock_tcp *st,
                                    const struct naru_fastopen_keys *keys);
/* NULL: it has none of its own. */
const struct naru_fastopen_keys *naru_fastopen_own_keys(const struct naru_sock_tcp *st);
void naru_fastopen_own_drop(struct naru_sock_tcp *st);
void naru_fastopen_began(struct naru_sock_tcp *child);
void naru_fastopen_over(struct naru_sock_tcp *child);
bool naru_fastopen_ask(struct naru_sock_tcp *st, struct naru_tcp_fastopen *how);
struct naru_tcp_verdict naru_fastopen_input(struct naru_sock_tcp *st, const struct naru_tcp_hdr *h,
                                            struct naru_pkt *pkt);

/* syn_quick.c */
bool naru_quick_syn_in(struct naru_stack *stack, struct naru_iface *iface, struct naru_pkt *pkt,
                       enum naru_drop *drop);
bool naru_quick_reply(struct naru_stack *stack, const struct naru_ip_in *in, uint32_t hash,
                      const struct naru_tcp_hdr *h, struct naru_pkt *pkt);

/* listen.c */
enum naru_err naru_listen_open(struct naru_sock_tcp *st, unsigned backlog);
void naru_listen_close(struct naru_sock_tcp *listener);
bool naru_listen_blocked(const struct naru_sock_tcp *child);
void naru_listen_promote(struct naru_sock_tcp *child);
void naru_listen_forget(struct naru_sock_tcp *child);
struct naru_sock_tcp *naru_listen_take(struct naru_sock_tcp *listener);
enum naru_drop naru_listen_input(struct naru_sock_tcp *listener, const struct naru_ip_in *in,
                                 const struct naru_tuple *tuple, uint32_t hash,
                                 const struct naru_tcp_hdr *h, struct naru_pkt *pkt,
                                 const struct naru_tcp_tw *old);

/* udp.c */
struct naru_sock_udp *naru_udp_sock_new(struct naru_stack *stack, enum naru_sock_type type,
                                        enum naru_family family);
void naru_udp_sock_release(struct naru_sock_udp *su);
enum naru_drop naru_udp_input(struct naru_stack *stack, const struct naru_ip_in *in,
                              struct naru_pkt *pkt);
bool naru_udp_wants_group(const struct naru_sock *sock, const struct naru_tuple *tuple,
                          const struct naru_iface *iface);
enum naru_drop naru_udp_queue(struct naru_sock_udp *su, const struct naru_ip_in *in,
                              const struct naru_tuple *tuple, struct naru_pkt *pkt);
unsigned naru_udp_level(const struct naru_sock_udp *su);
enum naru_drop naru_ping_input(struct naru_stack *stack, const struct naru_ip_in *in,
                               uint16_t ident, struct naru_pkt *pkt);
struct naru_sock *naru_ping_sock_of(struct naru_stack *stack, const struct naru_iface *iface,
                                    const struct naru_tuple *tuple);
struct naru_sock *naru_ping_relay_of(struct naru_stack *stack, const struct naru_ip_in *in);
enum naru_drop naru_ping_relay(struct naru_sock *relay, const struct naru_ip_in *in, uint16_t ident,
                               struct naru_pkt *pkt);
struct naru_sock *naru_udp_sock_of(struct naru_stack *stack, const struct naru_iface *iface,
                                   const struct naru_tuple *tuple);
void naru_udp_unreachable(struct naru_stack *stack, const struct naru_endpoint *from,
                          const struct naru_endpoint *to, size_t len, enum naru_unreachable why);
size_t naru_pkt_copy_out(const struct naru_pkt *pkt, const struct naru_room *room,
                         unsigned room_count);

/* udp_quick.c */
void naru_udp_quick_prepare(struct naru_sock_udp *su);
bool naru_udp_quick_send(struct naru_sock_udp *su, const struct naru_slice *payload);
void naru_udp_quick_input(struct naru_stack *stack, struct naru_iface *iface, struct naru_pkt *pkt);

/* dgram_error.c: what ICMP says about datagrams; quoted is from their transport header on */
struct naru_icmp_fact {
    enum naru_err err;
    bool hard; /* will not go away by itself (RFC 1122 4.2.3.9) */
    bool too_big;
    uint8_t type, code;
    uint32_t mtu;
};
struct naru_sock *naru_dgram_sender(struct naru_stack *stack, const struct naru_tuple *tuple,
                                    const struct naru_iface *iface, struct naru_span quoted);
enum naru_drop naru_dgram_error_in(struct naru_stack *stack, const struct naru_tuple *tuple,
                                   const struct naru_ip_in *in, const struct naru_icmp_fact *fact,
                                   struct naru_span quoted);
void naru_dgram_error_queue(struct naru_sock_udp *su, const struct naru_msg_info *info,
                            struct naru_span payload);
int64_t naru_dgram_error_recv(struct naru_sock_udp *su, const struct naru_room *room,
                              unsigned room_count, bool peek, struct naru_msg_info *info);

#endif
