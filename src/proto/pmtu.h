/*
 * Path MTU by destination (RFC 1191, RFC 8201), both families.
 *
 * Holds only what is smaller than the link says, for ten minutes since it was last told; then the
 * entry goes and the path is tried again with the link's MTU.  Bounded; the entry that was told of
 * longest ago makes room.
 *
 * The caller has checked that the message quotes something we really sent (RFC 5927, RFC 8201 4).
 */
#ifndef NARU_PROTO_PMTU_H
#define NARU_PROTO_PMTU_H

#include "base/alarm.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/rand.h"
#include "base/siphash.h"
#include "base/table.h"
#include <naru/types.h>

#define NARU_PMTU_MIN4 552u  /* below that a message is not believed: the path is set to this */
#define NARU_PMTU_MIN6 1280u /* IPv6's minimum link MTU */
#define NARU_PMTU_AGE  NARU_SEC(600)

struct naru_pmtu {
    uint32_t generation; /* changes with every change, also when an entry ages out */
    uint32_t count_max;
    struct naru_siphash_key key;
    struct naru_table table;
    struct naru_pool pool;
    struct naru_list by_age;  /* told of longest ago first */
    struct naru_alarm *alarm; /* hears of each deadline; NULL: nobody does */
};

/* rand only for the call. */
void naru_pmtu_init(struct naru_pmtu *pmtu, struct naru_mem *mem, struct naru_rand *rand,
                    uint32_t entries_max);
void naru_pmtu_deinit(struct naru_pmtu *pmtu);

/*
 * "Packet too big" for dst: next_mtu as the message says (0: an old router that does not say, then
 * the next plateau of RFC 1191 7.1 below sent_len), sent_len the length of the quoted packet
 * (0: unknown), link_mtu what is used without an entry.  True if dst's MTU became smaller.
 */
bool naru_pmtu_too_big(struct naru_pmtu *pmtu, const struct naru_addr *dst, uint32_t next_mtu,
                       uint32_t sent_len, uint32_t link_mtu, naru_time now);

/* Packets of mtu bytes are known to pass to dst, and larger ones were not seen to (RFC 8899). */
void naru_pmtu_probed(struct naru_pmtu *pmtu, const struct naru_addr *dst, uint32_t mtu,
                      uint32_t link_mtu, naru_time now);

/* Path MTU of dst, or 0: nothing known, take the link's. */
uint32_t naru_pmtu_find(const struct naru_pmtu *pmtu, const struct naru_addr *dst, naru_time now);

/* Ends entries that are too old. */
void naru_pmtu_tick(struct naru_pmtu *pmtu, naru_time now);
naru_time naru_pmtu_deadline(const struct naru_pmtu *pmtu);

#endif
