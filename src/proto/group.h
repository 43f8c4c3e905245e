/*
 * Multicast groups as a host: IGMPv3 (RFC 3376) falling back to v2 and v1 (RFC 2236, 1112), MLDv2
 * (RFC 3810) falling back to v1 (RFC 2710).
 *
 * Memberships are counted per (interface, group); the first join and the last leave are reported as
 * changes, [robustness] times, and queries are answered after a random delay.  Reports wait in the
 * machine until the stack has room to send one.
 *
 * 224.0.0.1 and ff02::1 are always joined and never reported; nor are groups of scope 0 and 1.
 *
 * Not done: source filters (every membership is EXCLUDE {}); a socket that wants one source filters
 * for itself, and routers are not told.
 */
#ifndef NARU_PROTO_GROUP_H
#define NARU_PROTO_GROUP_H

#include "base/alarm.h"
#include "base/mem.h"
#include "base/pool.h"
#include "base/rand.h"
#include "base/siphash.h"
#include "base/table.h"
#include "wire/group.h"
#include <naru/types.h>

struct naru_group_iface;

struct naru_group {
    struct naru_mem *mem;
    struct naru_rand *rand;
    struct naru_siphash_key key;
    struct naru_table table;        /* memberships */
    struct naru_pool pool;          /* of them */
    struct naru_group_iface *iface; /* linked by next */
    naru_time deadline;             /* of all */
    struct naru_alarm *alarm;       /* hears of each deadline; NULL: nobody does */
};

/* rand and mem must outlive it; members_max of all interfaces.  Allocates at the first join. */
void naru_group_init(struct naru_group *group, struct naru_mem *mem, struct naru_rand *rand,
                     uint32_t members_max);
void naru_group_deinit(struct naru_group *group);

/* One more, one fewer who wants addr.  INVAL (not multicast), NOBUFS, NOMEM; leave: NOENT. */
enum naru_err naru_group_join(struct naru_group *group, unsigned ifindex,
                              const struct naru_addr *addr, naru_time now);
enum naru_err naru_group_leave(struct naru_group *group, unsigned ifindex,
                               const struct naru_addr *addr, naru_time now);

/* The interface is gone: everything about it is forgotten, nothing is reported. */
void naru_group_iface_remove(struct naru_group *group, unsigned ifindex);

/* The link came back: all memberships are reported again. */
void naru_group_iface_up(struct naru_group *group, unsigned ifindex, naru_time now);

/* Is addr received on that interface? */
bool naru_group_member(const struct naru_group *group, unsigned ifindex,
                       const struct naru_addr *addr);

/* The n-th membership of the interface (from 0); false beyond the last. */
bool naru_group_get(const struct naru_group *group, unsigned ifindex, unsigned n,
                    struct naru_addr *addr, unsigned *users);

/* ---- Facts from the wire ---- */

/* A query (kind QUERY) that passed the checks of RFC 3376 9.1, RFC 3810 6.2; lent for the call. */
void naru_group_query(struct naru_group *group, unsigned ifindex,
                      const struct naru_group_msg *query, naru_time now);

/* Somebody else reported addr with IGMPv1, v2 or MLDv1: our own report is not needed any more. */
void naru_group_reported(struct naru_group *group, unsigned ifindex, const struct naru_addr *addr,
                         naru_time now);

/* ---- What is due ---- */

/* IGMPv3 and MLDv2 record types (RFC 3376 4.2.12, RFC 3810 5.2.12); the same numbers in both. */
enum naru_group_change {
    NARU_GROUP_IS_IN = 1,
    NARU_GROUP_IS_EX = 2,
    NARU_GROUP_TO_IN = 3,
    NARU_GROUP_TO_EX = 4,
};

struct naru_group_record {
    enum naru_group_change type;
    struct naru_addr group;
    const struct naru_addr *source; /* good until the next call into the machine */
    unsigned source_count;
};

enum { NARU_GROUP_RECORDS = 16 }; /* in one report, which fits the smallest MTU of its family */

enum naru_group_message {
    NARU_GROUP_REPORT_V1, /* IGMPv1, MLDv1: record[0].group */
    NARU_GROUP_REPORT_V2, /* IGMPv2: likewise */
    NARU_GROUP_LEAVE,     /* IGMPv2 leave, MLDv1 done: likewise */
    NARU_GROUP_REPORT,    /* IGMPv3, MLDv2: record[0..record_count) */
};

struct naru_group_report {
    enum naru_family family;
    enum naru_group_message message;
    uint16_t ifindex;
    struct naru_addr to; /* IP destination; hop limit 1, router alert */
    unsigned record_count;
    struct naru_group_record record[NARU_GROUP_RECORDS];
};

/* The next report for that interface; false when there is none. */
bool naru_group_next_report(struct naru_group *group, unsigned ifindex, naru_time now,
                            struct naru_group_report *report);
bool naru_group_report_pending(const struct naru_group *group, unsigned ifindex);

void naru_group_tick(struct naru_group *group, naru_time now);
naru_time naru_group_deadline(const struct naru_group *group);

#endif
