/*
 * The gateway: joins a naru network to the host's own sockets, in user mode, as an ordinary user.
 *
 * It is a naru stack of its own with one Ethernet interface that takes packets to any address. What
 * a guest sends to an address of the world ends in a socket of that stack and goes on through a
 * socket of the host; the answer comes back the same way.  The caller joins the interface to
 * whatever the guests are on (naru_gate_stack, naru_gate_ifindex): an in-memory wire, a TAP, a VM's
 * socket.
 *
 * TCP: the host's connection is made first, the guest's SYN is answered only then.  UDP: one host
 * socket per guest address and port, whatever the destinations.  Echo requests go out through the
 * host's unprivileged ICMP sockets where the host allows them.  DNS queries to the DNS address go
 * to the host's resolver.  Details stand at the heads of tcp.c, udp.c, icmp.c, dns.c.
 *
 * Never relayed: destinations that are multicast, broadcast, loopback, link-local, unspecified, or
 * of the gateway's own networks.  The gateway's own addresses mean the host's loopback with
 * host_loopback, and refuse everything (but echo and DNS) without it.
 *
 * Belongs to the thread of its loop.  Nothing here blocks.
 */
#ifndef NARU_GATE_GATE_H
#define NARU_GATE_GATE_H

#include <naru/stack.h>
#include <naru/types.h>

struct naru_attachment;
struct naru_gate;
struct naru_loop;
struct naru_trace_event;

#define NARU_GATE_DNS_MAX 3

/* Set up by naru_gate_config_init, then changed by the caller, then lent to naru_gate_new. */
struct naru_gate_config {
    struct naru_loop *loop;  /* required; outlives the gate */
    struct naru_alloc alloc; /* for the stack and the tables; malloc and free if alloc is NULL */
    uint8_t seed[32];
    uint64_t memory_max; /* bytes of the stack; 256 MiB */

    /* The gateway on its network.  An address of all zero bytes switches that family, or DNS, off.
     */
    struct naru_addr addr4, addr6; /* 10.0.2.2, fd00::2 */
    unsigned prefix4, prefix6;     /* 24, 64 */
    struct naru_addr dns4, dns6;   /* 10.0.2.3, fd00::3 */
    uint8_t mac[6];                /* 52:55:0a:00:02:02 */
    uint32_t mtu;                  /* 65520, as the link is memory */
    uint32_t offload;              /* enum naru_iface_offload: what the caller's link does */

    /* The host's resolvers; none given: the first three nameservers of /etc/resolv.conf. */
    struct naru_endpoint resolver[NARU_GATE_DNS_MAX];
    unsigned resolver_count;

    bool host_loopback; /* the gateway's addresses mean the host's 127.0.0.1 and ::1; false */

    /* Limits. */
    uint32_t tcp_flows_max;         /* 16 384; more are ignored until one ends */
    uint32_t udp_flows_max;         /* 1024 guest endpoints; the least recently used makes room */
    uint32_t ping_flows_max;        /* 64 */
    uint32_t connect_timeout_ms;    /* 30 000; then host unreachable */
    uint32_t udp_timeout_ms;        /* 30 000, as long as only one side has spoken */
    uint32_t udp_stream_timeout_ms; /* 180 000, once both have */
    uint32_t dns_timeout_ms;        /* 10 000 */

    /* The trace hook of the gateway's stack; see <naru/trace.h>. */
    void (*trace)(void *user, const struct naru_trace_event *event);
    void *trace_user;
};

void naru_gate_config_init(struct naru_gate_config *config);

/*
 * *out is set on success; the gate's stack is attached to the loop, its interface is up and waits
 * for a wire.  INVAL: a value out of range; NOMEM; NOBUFS: the host gives no descriptors.
 * free closes all host sockets; guests see silence.  A host connection whose guest has not ended
 * it, or has sent what is not delivered yet, is reset, so that nobody takes it for complete. Detach
 * what was wired to the gate before.
 */
enum naru_err naru_gate_new(const struct naru_gate_config *config, struct naru_gate **out);
void naru_gate_free(struct naru_gate *gate);

/*
 * The gateway's stack, its place in the loop and its Ethernet interface: what the caller wires to
 * the guests, as in
 *     naru_wire_attach(&wire, &mine, my_ifindex, naru_gate_attachment(gate),
 * naru_gate_ifindex(gate));
 */
struct naru_attachment *naru_gate_attachment(struct naru_gate *gate);
struct naru_stack *naru_gate_stack(const struct naru_gate *gate);
unsigned naru_gate_ifindex(const struct naru_gate *gate);

/*
 * What guests have sent on TCP connections and the host has not taken yet: bytes, and one for each
 * end.  A caller that is about to free the gate goes on until it is 0, or no longer changes.
 */
uint64_t naru_gate_undelivered(const struct naru_gate *gate);

/* Counted since the gate was made, but for the first group, which is how it is now. */
struct naru_gate_stats {
    uint32_t tcp_flows, udp_flows, ping_flows; /* now */

    uint64_t tcp_opened;                  /* host connections that were made */
    uint64_t tcp_refused;                 /* ... refused by the host's peer, or by rule */
    uint64_t tcp_unreachable;             /* ... no route, no host, not permitted, timed out */
    uint64_t tcp_ignored;                 /* no descriptor, no memory, or too many flows */
    uint64_t tcp_bytes_out, tcp_bytes_in; /* guest to world, world to guest */

    uint64_t udp_opened, udp_expired, udp_evicted;
    uint64_t udp_out, udp_in; /* datagrams */
    uint64_t udp_filtered;    /* destinations that are never relayed */
    uint64_t udp_errors;      /* datagrams the host would not take, and errors it told */
    uint64_t udp_ignored;     /* no descriptor or no memory */

    uint64_t dns_queries, dns_answers, dns_errors;

    uint64_t ping_out, ping_in;
    uint64_t ping_ignored; /* not permitted by the host, or destinations never relayed */
};

void naru_gate_get_stats(const struct naru_gate *gate, struct naru_gate_stats *stats);

#endif
