/*
 * Neighbours: ARP and Neighbor Discovery in one machine (RFC 826, RFC 1122 2.3.2, RFC
 * 4861 7.2-7.3).
 *
 * IPv4 runs through the same states as IPv6, a request being a solicitation and a reply an
 * advertisement; what differs is only how the stack writes the probe that is due.
 *
 *     state        what may be done with it
 *     INCOMPLETE   nothing is known; probes go out; packets wait; nothing can be sent
 *     REACHABLE    send
 *     STALE        send; the first look-up after that makes it DELAY
 *     DELAY        send; a hint within 5 s makes it REACHABLE, else PROBE
 *     PROBE        send; three unicast probes, then FAILED
 *     FAILED       nobody answered: an error for whoever asks, for a while, then INCOMPLETE again
 *     PERMANENT    send; nothing from the wire changes it
 *
 * An entry never moves in memory and is never given back before deinit.  gen changes whenever what
 * a sender knows about the entry may no longer hold (other MAC, no longer usable, other neighbour,
 * or it needs a look-up because it went stale), so a connection keeps a naru_neigh_ref and pays one
 * comparison per segment.
 *
 * Packets that wait belong to the entry; they come back with its event, or one by one as they are
 * pushed out by newer ones.  A sender that can wait by itself (TCP) queues nothing: a look-up that
 * says WAIT is remembered, and the event tells.
 */
#ifndef NARU_PROTO_NEIGH_H
#define NARU_PROTO_NEIGH_H

#include "base/alarm.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/rand.h"
#include "base/siphash.h"
#include "base/table.h"
#include "base/wheel.h"
#include <naru/pkt.h>

enum naru_neigh_state {
    NARU_NEIGH_FREE, /* not in use */
    NARU_NEIGH_INCOMPLETE,
    NARU_NEIGH_REACHABLE,
    NARU_NEIGH_STALE,
    NARU_NEIGH_DELAY,
    NARU_NEIGH_PROBE,
    NARU_NEIGH_FAILED,
    NARU_NEIGH_PERMANENT,
};

struct naru_neigh {
    uint32_t gen;  /* see naru_neigh_ref */
    uint8_t state; /* enum naru_neigh_state */
    bool router;   /* IsRouter */
    uint8_t mac[6];
    struct naru_addr addr;
    uint16_t ifindex;

    /* The machine's own from here on. */
    uint16_t queued;
    uint8_t probes;  /* made due in this state */
    uint8_t events;  /* kinds that are due, a bit each */
    bool waited_for; /* somebody was told WAIT */
    uint32_t hash;
    naru_time confirmed_at;
    struct naru_addr source; /* of the packet that caused the solicitation */
    struct naru_pkt *queue_head, *queue_tail;
    struct naru_timer timer;
    struct naru_list_node lru;   /* most recently looked up first */
    struct naru_list_node half;  /* INCOMPLETE, oldest first */
    struct naru_list_node due;   /* a probe is to be sent */
    struct naru_list_node event; /* something is to be told */
    struct naru_neigh *free_next;
};

/* All zero is "nothing cached". */
struct naru_neigh_ref {
    struct naru_neigh *entry;
    uint32_t gen;
};

/* May a frame go to ref->entry->mac without another look-up? */
static inline bool naru_neigh_ref_good(const struct naru_neigh_ref *ref)
{
    return ref->entry != NULL && ref->entry->gen == ref->gen;
}

/* Set up by naru_neigh_config_init, then changed. */
struct naru_neigh_config {
    uint32_t entries_max;     /* 1024 */
    uint32_t incomplete_max;  /* 256: the oldest unanswered one makes room */
    uint16_t queue_max;       /* 8 packets waiting for one neighbour */
    uint32_t queue_total_max; /* 256 packets waiting in all */
    naru_time reachable;      /* 30 s: BaseReachableTime, each drawn from half to one and a half */
    naru_time retrans;        /* 1 s: RetransTimer */
    naru_time delay;          /* 5 s: DELAY_FIRST_PROBE_TIME */
    naru_time hold_down;      /* 1 s: FAILED before another attempt */
    uint8_t multicast_probes; /* 3: MAX_MULTICAST_SOLICIT */
    uint8_t unicast_probes;   /* 3: MAX_UNICAST_SOLICIT */
};

/* ReachableTime and RetransTimer of one interface, or (ifindex 0) of all others. */
struct naru_neigh_timers {
    uint16_t ifindex;
    naru_time base_reachable, reachable, retrans;
    naru_time redraw_at; /* ReachableTime is drawn anew every few hours (RFC 4861 6.3.4) */
};

struct naru_neigh_table {
    struct naru_neigh_config config;
    struct naru_mem *mem;
    struct naru_rand *rand;
    struct naru_siphash_key key;
    struct naru_table table;
    struct naru_pool pool;              /* entries are never put back into it, but into free */
    struct naru_neigh *free;            /* linked by free_next */
    uint32_t count, incomplete, queued; /* entries, of these INCOMPLETE, packets waiting */
    struct naru_list lru, half, due, events;
    struct naru_pkt *evicted; /* packets whose entry had to go, linked by next */
    struct naru_neigh_timers timers;
    struct naru_neigh_timers *iface; /* interfaces that have their own */
    uint32_t iface_count;
    bool started;             /* the wheel knows what time it is */
    struct naru_alarm *alarm; /* hears of each deadline; NULL: nobody does */
    struct naru_wheel wheel;
};

void naru_neigh_config_init(struct naru_neigh_config *config);

/* rand and mem must outlive the table.  NOMEM, INVAL (a limit of zero). */
enum naru_err naru_neigh_init(struct naru_neigh_table *table,
                              const struct naru_neigh_config *config, struct naru_mem *mem,
                              struct naru_rand *rand);

/* Puts the packets that still wait. */
void naru_neigh_deinit(struct naru_neigh_table *table);

/* ---- Asking ---- */

enum naru_neigh_verdict {
    NARU_NEIGH_READY,   /* *ref is good: send to ref->entry->mac */
    NARU_NEIGH_WAIT,    /* being resolved: an event will tell; naru_neigh_queue may hold a packet */
    NARU_NEIGH_NO,      /* did not answer lately: HOSTUNREACH */
    NARU_NEIGH_NO_ROOM, /* no memory for an entry: drop NEIGH_TABLE_FULL */
};

/*
 * The unicast neighbour addr on that interface.  source, if not NULL, is the source of the packet
 * at hand; the solicitation will use it (RFC 4861 7.2.2).  *ref is set for READY, cleared
 * otherwise.
 */
enum naru_neigh_verdict naru_neigh_lookup(struct naru_neigh_table *table, unsigned ifindex,
                                          const struct naru_addr *addr,
                                          const struct naru_addr *source, naru_time now,
                                          struct naru_neigh_ref *ref);

/*
 * Lets pkt wait for a neighbour that naru_neigh_lookup has just said WAIT for.  pkt then belongs to
 * the entry.  Returns the packet that had to go instead (drop NEIGH_QUEUE_FULL; now the caller's;
 * perhaps pkt itself), or NULL.
 */
struct naru_pkt *naru_neigh_queue(struct naru_neigh_table *table, unsigned ifindex,
                                  const struct naru_addr *addr, struct naru_pkt *pkt);

/* The entry was of use without a look-up: it is not the next to be given up. */
void naru_neigh_touch(struct naru_neigh_table *table, struct naru_neigh *entry);

/* The entry without any effect on it, or NULL. */
const struct naru_neigh *naru_neigh_find(const struct naru_neigh_table *table, unsigned ifindex,
                                         const struct naru_addr *addr);

/* The n-th entry (from 0), in no order; NULL beyond the last. */
const struct naru_neigh *naru_neigh_get(const struct naru_neigh_table *table, unsigned n);

/* ---- Facts from the wire ---- */

enum naru_neigh_from {
    NARU_NEIGH_FROM_SOLICITATION, /* NS, or an ARP request for an address of ours: its sender */
    NARU_NEIGH_FROM_ARP,      /* any other ARP packet: changes what is known, makes nothing new */
    NARU_NEIGH_FROM_ROUTER,   /* RA: its sender is a router; mac NULL without the option */
    NARU_NEIGH_FROM_RS,       /* RS (on a router): its sender is not a router */
    NARU_NEIGH_FROM_REDIRECT, /* the target is the destination */
    NARU_NEIGH_FROM_REDIRECT_ROUTER, /* the target is a better router */
};

/*
 * A packet told who addr is without having been asked (RFC 4861 6.3.4, 7.2.3, 8.3): the entry
 * becomes STALE if that is news.  True if there is an entry now.
 */
bool naru_neigh_learn(struct naru_neigh_table *table, unsigned ifindex,
                      const struct naru_addr *addr, const uint8_t *mac, enum naru_neigh_from from,
                      naru_time now);

struct naru_neigh_advert {
    const uint8_t *mac; /* target link-layer address, or NULL */
    bool router;        /* R; not looked at for IPv4 */
    bool solicited;     /* S; an ARP reply sent to us */
    bool override;      /* O; true for ARP */
};

/*
 * A neighbour advertisement, or an ARP reply, for target (RFC 4861 7.2.5).  False: nobody had
 * asked, nothing was done (drop NEIGH_UNWANTED).
 */
bool naru_neigh_advertised(struct naru_neigh_table *table, unsigned ifindex,
                           const struct naru_addr *target, const struct naru_neigh_advert *advert,
                           naru_time now);

/* New data of ours was acknowledged over this neighbour (RFC 4861 7.3.1).  Cheap; ref may be old.
 */
void naru_neigh_confirm(struct naru_neigh_table *table, const struct naru_neigh_ref *ref,
                        naru_time now);

/* What a router advertisement says; 0 leaves the value as it is (RFC 4861 6.3.4).  NOMEM. */
enum naru_err naru_neigh_set_timers(struct naru_neigh_table *table, unsigned ifindex,
                                    naru_time base_reachable, naru_time retrans, naru_time now);

/* ---- Facts from the administrator ---- */

/* A permanent entry; replaces what was there.  NOBUFS, NOMEM. */
enum naru_err naru_neigh_set_permanent(struct naru_neigh_table *table, unsigned ifindex,
                                       const struct naru_addr *addr, const uint8_t mac[6],
                                       naru_time now);

/* Packets that waited come back as an EVICTED event.  NOENT. */
enum naru_err naru_neigh_remove(struct naru_neigh_table *table, unsigned ifindex,
                                const struct naru_addr *addr);

/* The same for all of an interface, permanent ones too. */
void naru_neigh_remove_iface(struct naru_neigh_table *table, unsigned ifindex);

/* ---- What is due ---- */

struct naru_neigh_probe {
    uint16_t ifindex;
    bool unicast; /* to mac; else broadcast, or the solicited-node group */
    uint8_t mac[6];
    struct naru_addr target;
    struct naru_addr source; /* of the packet that asked; all zero: any of ours */
};

/* The next solicitation to send through ifindex (0: any); false when there is none. */
bool naru_neigh_next_probe(struct naru_neigh_table *table, unsigned ifindex,
                           struct naru_neigh_probe *probe);

/* Is there one for that interface (0: any)? */
bool naru_neigh_probe_pending(const struct naru_neigh_table *table, unsigned ifindex);

enum naru_neigh_event_kind {
    NARU_NEIGH_RESOLVED,    /* can be sent to: send pkt (look it up again), wake who waits */
    NARU_NEIGH_UNREACHABLE, /* did not answer: pkt earns ICMP unreachable, waiters HOSTUNREACH */
    NARU_NEIGH_NOT_ROUTER,  /* was a router and says it is none: not a default router any more */
    NARU_NEIGH_EVICTED,     /* pkt only: drop NEIGH_TABLE_FULL */
};

struct naru_neigh_event {
    enum naru_neigh_event_kind kind;
    bool waited_for; /* somebody was told WAIT since the last event */
    bool router;
    uint16_t ifindex;
    struct naru_addr addr;
    uint8_t mac[6];
    struct naru_pkt *pkt; /* those that waited, oldest first, linked by next; now the caller's */
};

/* False when there is nothing to tell. */
bool naru_neigh_next_event(struct naru_neigh_table *table, struct naru_neigh_event *event);

void naru_neigh_tick(struct naru_neigh_table *table, naru_time now);
naru_time naru_neigh_deadline(const struct naru_neigh_table *table);

#endif
