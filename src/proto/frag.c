/*
 * Putting fragments together; see frag.h.
 *
 * A fragment in a datagram's list has its offset in seq.  The first one (offset 0) keeps its
 * headers in front, since they become the whole's; the others are cut down to their payload.
 */
#include "proto/frag.h"

#include "base/addr.h"
#include "base/csum.h"
#include "base/pktpool.h"
#include "wire/ipv6.h"

#include <string.h>

enum {
    WHOLE_MAX = 65535,
    HEADROOM = 32, /* in front of the whole: a link header, if somebody needs one */
    IPV6_HEADER = 40,
    FRAGMENT_HEADER = 8,
};

#define UNKNOWN UINT32_MAX

struct naru_frag_datagram {
    struct naru_list_node age;
    struct naru_addr src, dst;
    uint64_t ident; /* what else tells datagrams apart; see ident_of */
    uint32_t hash;
    enum naru_family family;
    naru_time since;
    struct naru_pkt *head, *tail; /* by offset */
    uint32_t fragments;
    uint32_t received;                   /* bytes of payload */
    uint32_t total;                      /* UNKNOWN until the last fragment came */
    uint16_t header_len, next_header_at; /* of the first fragment */
    uint8_t protocol;
    uint8_t ecn_seen; /* a bit for each codepoint */
    bool refused;     /* overlapped: whatever comes is dropped until its time is over */
};

void naru_frag_config_init(struct naru_frag_config *config)
{
    *config = (struct naru_frag_config){
        .memory_max = 1024 * 1024,
        .datagrams_max = 256,
        .fragments_max = 256,
        .timeout4 = NARU_SEC(30),
        .timeout6 = NARU_SEC(60),
    };
}

void naru_frag_init(struct naru_frag *frag, const struct naru_frag_config *config,
                    struct naru_mem *mem, struct naru_pktpool *packets, struct naru_rand *rand)
{
    memset(frag, 0, sizeof(*frag));
    frag->config = *config;
    frag->packets = packets;
    naru_siphash_key_init(&frag->key, rand);
    naru_table_init(&frag->table, mem, config->datagrams_max);
    naru_pool_init(&frag->pool, mem, sizeof(struct naru_frag_datagram), 16, config->datagrams_max);
    naru_list_init(&frag->by_age[0]);
    naru_list_init(&frag->by_age[1]);
}

void naru_frag_deinit(struct naru_frag *frag)
{
    while (naru_table_count(&frag->table) > 0)
        naru_frag_shed(frag);
    naru_table_deinit(&frag->table);
    naru_pool_deinit(&frag->pool);
}

/* ---- Datagrams ---- */

static struct naru_list *age_list(struct naru_frag *frag, enum naru_family family)
{
    return &frag->by_age[family == NARU_IPV6];
}

static naru_time expires(const struct naru_frag *frag, const struct naru_frag_datagram *d)
{
    return d->since + (d->family == NARU_IPV6 ? frag->config.timeout6 : frag->config.timeout4);
}

/* Identification; IPv4 adds the protocol (RFC 791); link-local addresses mean something per link.
 */
static uint64_t ident_of(const struct naru_pkt *pkt, const struct naru_frag_info *info)
{
    uint64_t ident = info->ident;
    if (info->family == NARU_IPV4)
        ident |= (uint64_t)info->protocol << 32;
    if (naru_addr_is_link_local(&info->src))
        ident |= (uint64_t)pkt->ifindex << 40;
    return ident;
}

static uint32_t hash_of(const struct naru_frag *frag, const struct naru_frag_info *info,
                        uint64_t ident)
{
    struct naru_hash_tuple tuple = {
        .local = &info->dst,
        .remote = &info->src,
        .local_port = (uint16_t)(ident >> 32),
        .remote_port = (uint16_t)(ident >> 48),
        .extra = (uint32_t)ident,
    };
    return naru_hash_flow(&frag->key, &tuple);
}

static struct naru_frag_datagram *find(const struct naru_frag *frag,
                                       const struct naru_frag_info *info, uint64_t ident,
                                       uint32_t hash)
{
    struct naru_table_iter it;
    for (struct naru_frag_datagram *d = naru_table_first(&frag->table, hash, &it); d != NULL;
         d = naru_table_next(&it)) {
        if (d->ident == ident && d->family == info->family && naru_addr_eq(&d->src, &info->src) &&
            naru_addr_eq(&d->dst, &info->dst))
            return d;
    }
    return NULL;
}

/* Puts what d holds; returns how many fragments it were. */
static unsigned empty(struct naru_frag *frag, struct naru_frag_datagram *d)
{
    for (const struct naru_pkt *pkt = d->head; pkt != NULL; pkt = pkt->next)
        frag->memory -= naru_pkt_truesize(pkt);
    naru_pktpool_put_chain(d->head);
    unsigned fragments = d->fragments;
    d->head = d->tail = NULL;
    d->fragments = d->received = 0;
    return fragments;
}

static void forget(struct naru_frag *frag, struct naru_frag_datagram *d)
{
    bool found = naru_table_remove(&frag->table, d->hash, d);
    NARU_ASSERT(found && d->head == NULL);
    naru_list_remove(&d->age);
    naru_pool_put(&frag->pool, d);
}

static struct naru_frag_datagram *first_of(const struct naru_list *list)
{
    struct naru_list_node *n = naru_list_first(list);
    return n == NULL ? NULL : NARU_CONTAINER_OF(n, struct naru_frag_datagram, age);
}

static struct naru_frag_datagram *oldest(const struct naru_frag *frag)
{
    struct naru_frag_datagram *a = first_of(&frag->by_age[0]);
    struct naru_frag_datagram *b = first_of(&frag->by_age[1]);
    if (a == NULL || b == NULL)
        return a == NULL ? b : a;
    return a->since <= b->since ? a : b;
}

unsigned naru_frag_shed(struct naru_frag *frag)
{
    struct naru_frag_datagram *d = oldest(frag);
    if (d == NULL)
        return 0;
    unsigned fragments = empty(frag, d);
    forget(frag, d);
    return fragments;
}

static struct naru_frag_datagram *make(struct naru_frag *frag, const struct naru_frag_info *info,
                                       uint64_t ident, uint32_t hash, naru_time now,
                                       struct naru_frag_result *result)
{
    if (frag->config.datagrams_max == 0)
        return NULL;
    if (naru_table_count(&frag->table) >= frag->config.datagrams_max)
        result->evicted += naru_frag_shed(frag);
    struct naru_frag_datagram *d = naru_pool_get(&frag->pool);
    if (d == NULL)
        return NULL;
    *d = (struct naru_frag_datagram){
        .src = info->src,
        .dst = info->dst,
        .ident = ident,
        .hash = hash,
        .family = info->family,
        .since = now,
        .total = UNKNOWN,
    };
    if (!naru_table_add(&frag->table, hash, d)) {
        naru_pool_put(&frag->pool, d);
        return NULL;
    }
    naru_list_push_back(age_list(frag, info->family), &d->age);
    naru_alarm_by(frag->alarm, expires(frag, d));
    return d;
}

/* The whole datagram is given up, for reason; what was held goes with the fragment at hand. */
static enum naru_drop give_up(struct naru_frag *frag, struct naru_frag_datagram *d,
                              enum naru_drop reason, struct naru_frag_result *result)
{
    result->discarded = empty(frag, d);
    if (reason == NARU_DROP_FRAG_OVERLAP && d->family == NARU_IPV6)
        d->refused = true;
    else
        forget(frag, d);
    return reason;
}

/* ---- Fragments ---- */

static uint32_t payload_len(const struct naru_frag_datagram *d, const struct naru_pkt *pkt)
{
    return pkt->seq == 0 ? pkt->len - d->header_len : pkt->len;
}

/* What can be said about a fragment before knowing any other (RFC 8200 4.5, RFC 791 3.2;
 * V6-8200-4.5-2). */
static bool length_ok(const struct naru_frag_info *info, struct naru_frag_result *result)
{
    uint32_t end = info->offset + info->payload_len;
    bool v6 = info->family == NARU_IPV6;
    if (info->payload_len == 0)
        return false;
    if (info->more && info->payload_len % 8 != 0) {
        if (v6)
            result->problem = NARU_FRAG_NOT_EIGHTS;
        return false;
    }
    uint32_t counted = v6 ? info->header_len - (uint32_t)(IPV6_HEADER + FRAGMENT_HEADER)
                          : (uint32_t)info->header_len;
    if (counted + end > WHOLE_MAX) {
        if (v6)
            result->problem = NARU_FRAG_TOO_LONG;
        return false;
    }
    return true;
}

/* RFC 7112 5: from the fragment header to the end of the transport header nothing is missing
 * (V6-7112-5-1). */
static bool chain_ok(const struct naru_pkt *pkt, const struct naru_frag_info *info)
{
    if (info->family != NARU_IPV6 || info->offset != 0)
        return true;
    struct naru_span in = naru_span(pkt->data + info->header_len, info->payload_len);
    const struct naru_ipv6_hdr header = { .next_header = info->protocol };
    struct naru_ipv6_walk walk;
    enum naru_drop drop = naru_ipv6_walk(&in, &header, &walk);
    if (drop != NARU_DROP_NONE) /* what else is wrong, the whole will tell */
        return drop != NARU_DROP_IPV6_EXT_SHORT;
    switch (walk.next_header) {
    case NARU_PROTO_TCP:
        return in.len >= 20 && in.len >= (size_t)(in.at[12] >> 4) * 4;
    case NARU_PROTO_UDP:
    case NARU_PROTO_ICMPV6:
        return in.len >= 8;
    default:
        return true;
    }
}

/* Where the fragment belongs: *before is the one it follows (NULL: the first).  False: it overlaps.
 */
static bool place(const struct naru_frag_datagram *d, const struct naru_frag_info *info,
                  struct naru_pkt **before, bool *duplicate)
{
    uint32_t start = info->offset, end = start + info->payload_len;
    *before = NULL;
    *duplicate = false;
    if (d->tail != NULL && start >= d->tail->seq + payload_len(d, d->tail)) {
        *before = d->tail;
        return true;
    }
    for (struct naru_pkt *pkt = d->head; pkt != NULL; pkt = pkt->next) {
        uint32_t pkt_end = pkt->seq + payload_len(d, pkt);
        if (pkt_end <= start) {
            *before = pkt;
            continue;
        }
        if (pkt->seq >= end)
            return true;
        *duplicate = pkt->seq == start && pkt_end == end && info->more == (end != d->total);
        return *duplicate;
    }
    return true;
}

/* The end of the datagram, as this fragment and those before tell it.  False: they disagree. */
static bool end_agrees(const struct naru_frag_datagram *d, const struct naru_frag_info *info)
{
    uint32_t end = info->offset + info->payload_len;
    if (info->more)
        return d->total == UNKNOWN || end < d->total;
    if (d->total != UNKNOWN)
        return end == d->total;
    return d->tail == NULL || d->tail->seq + payload_len(d, d->tail) <= end;
}

static uint8_t ecn_of(const struct naru_pkt *pkt, enum naru_family family)
{
    return family == NARU_IPV6 ? pkt->data[1] >> 4 & 3 : pkt->data[1] & 3;
}

static void insert(struct naru_frag *frag, struct naru_frag_datagram *d, struct naru_pkt *pkt,
                   const struct naru_frag_info *info, struct naru_pkt *before)
{
    d->ecn_seen |= (uint8_t)(1U << ecn_of(pkt, info->family));
    if (info->offset == 0) {
        d->header_len = info->header_len;
        d->next_header_at = info->next_header_at;
        d->protocol = info->protocol;
    } else {
        naru_pkt_pull(pkt, info->header_len);
    }
    pkt = naru_pktpool_fit(pkt);
    pkt->seq = info->offset;
    pkt->next = before == NULL ? d->head : before->next;
    if (before == NULL)
        d->head = pkt;
    else
        before->next = pkt;
    if (pkt->next == NULL)
        d->tail = pkt;
    if (!info->more)
        d->total = info->offset + info->payload_len;
    d->fragments++;
    d->received += info->payload_len;
    frag->memory += naru_pkt_truesize(pkt);
}

/* ---- The whole ---- */

enum { NOT_ECT = 1 << 0, CE = 1 << 3 };

static void finish_v4(struct naru_pkt *whole, const struct naru_frag_datagram *d)
{
    uint8_t *ip = whole->data;
    if ((d->ecn_seen & CE) != 0)
        ip[1] |= 3;
    naru_put16(ip + 2, whole->len);
    naru_put16(ip + 6, 0);
    naru_put16(ip + 10, 0);
    naru_put16(ip + 10, naru_csum_finish(naru_csum_add(0, ip, d->header_len)));
}

static void finish_v6(struct naru_pkt *whole, const struct naru_frag_datagram *d)
{
    uint8_t *ip = whole->data;
    if ((d->ecn_seen & CE) != 0)
        ip[1] |= 3 << 4;
    naru_put16(ip + 4, whole->len - IPV6_HEADER);
    ip[d->next_header_at] = d->protocol;
}

static enum naru_drop assemble(struct naru_frag *frag, struct naru_frag_datagram *d,
                               struct naru_frag_result *result)
{
    bool v6 = d->family == NARU_IPV6;
    uint32_t header_len = v6 ? d->header_len - (uint32_t)FRAGMENT_HEADER : d->header_len;
    uint32_t len = header_len + d->total;
    if (len - (v6 ? IPV6_HEADER : 0U) > WHOLE_MAX)
        return give_up(frag, d, NARU_DROP_FRAG_LENGTH, result);
    if ((d->ecn_seen & (CE | NOT_ECT)) == (CE | NOT_ECT))
        return give_up(frag, d, NARU_DROP_FRAG_ECN, result);
    struct naru_pkt *whole = naru_pktpool_get(frag->packets, HEADROOM, len);
    if (whole == NULL)
        return give_up(frag, d, NARU_DROP_NO_MEMORY, result);

    memcpy(whole->data, d->head->data, header_len);
    for (const struct naru_pkt *pkt = d->head; pkt != NULL; pkt = pkt->next) {
        uint32_t skip = pkt->seq == 0 ? d->header_len : 0;
        memcpy(whole->data + header_len + pkt->seq, pkt->data + skip, pkt->len - skip);
    }
    whole->len = len;
    whole->ifindex = d->head->ifindex;
    whole->flags |= NARU_PKT_REASSEMBLED;
    whole->tos = d->head->tos;
    whole->hop_limit = d->head->hop_limit;
    if (v6)
        finish_v6(whole, d);
    else
        finish_v4(whole, d);
    empty(frag, d);
    forget(frag, d);
    result->whole = whole;
    return NARU_DROP_NONE;
}

/* Adds pkt to d, or says why not; in that case pkt is still the caller's (V6-8200-4.5-1). */
static enum naru_drop add(struct naru_frag *frag, struct naru_frag_datagram *d,
                          struct naru_pkt *pkt, const struct naru_frag_info *info,
                          struct naru_frag_result *result)
{
    struct naru_pkt *before;
    bool duplicate;
    if (d->refused)
        return NARU_DROP_FRAG_OVERLAP;
    if (!place(d, info, &before, &duplicate))
        return give_up(frag, d, NARU_DROP_FRAG_OVERLAP, result);
    if (duplicate)
        return NARU_DROP_FRAG_DUPLICATE;
    if (!end_agrees(d, info))
        return give_up(frag, d, NARU_DROP_FRAG_OVERLAP, result);
    if (d->fragments >= frag->config.fragments_max)
        return give_up(frag, d, NARU_DROP_FRAG_LIMIT, result);
    insert(frag, d, pkt, info, before);
    return NARU_DROP_NONE;
}

/* Reassembly is supported (H-3.2.1.4-1, H-3.3.2-1, H-3.3.2-2, H-3.3.2-3). */
NARU_NOINLINE enum naru_drop naru_frag_input(struct naru_frag *frag, struct naru_pkt *pkt,
                                             const struct naru_frag_info *info, naru_time now,
                                             struct naru_frag_result *result)
{
    *result = (struct naru_frag_result){ .problem = NARU_FRAG_FINE };
    NARU_ASSERT((uint32_t)info->header_len + info->payload_len <= pkt->len);
    naru_pkt_trim(pkt, (size_t)info->header_len + info->payload_len);
    if (!length_ok(info, result)) {
        if (result->problem == NARU_FRAG_FINE)
            naru_pktpool_put(pkt);
        return NARU_DROP_FRAG_LENGTH;
    }
    if (!chain_ok(pkt, info)) {
        naru_pktpool_put(pkt);
        return NARU_DROP_FRAG_CHAIN;
    }

    uint64_t ident = ident_of(pkt, info);
    uint32_t hash = hash_of(frag, info, ident);
    struct naru_frag_datagram *d = find(frag, info, ident, hash);
    if (d == NULL)
        d = make(frag, info, ident, hash, now, result);
    if (d == NULL) {
        naru_pktpool_put(pkt);
        return NARU_DROP_NO_MEMORY;
    }
    enum naru_drop drop = add(frag, d, pkt, info, result);
    if (drop != NARU_DROP_NONE) {
        naru_pktpool_put(pkt);
        return drop;
    }
    if (d->received == d->total) {
        drop = assemble(frag, d, result);
        if (drop != NARU_DROP_NONE)
            result->discarded--; /* pkt itself, which is what the reason is returned for */
        return drop;
    }
    while (frag->memory > frag->config.memory_max) {
        if (oldest(frag) == d) {
            drop = give_up(frag, d, NARU_DROP_FRAG_LIMIT, result);
            result->discarded--;
            return drop;
        }
        result->evicted += naru_frag_shed(frag);
    }
    return NARU_DROP_NONE;
}

/* ---- Time ---- */

bool naru_frag_next_expired(struct naru_frag *frag, naru_time now,
                            struct naru_frag_expired *expired)
{
    for (unsigned i = 0; i < 2; i++) {
        struct naru_frag_datagram *d;
        while ((d = first_of(&frag->by_age[i])) != NULL && expires(frag, d) <= now) {
            *expired = (struct naru_frag_expired){
                .fragments = d->fragments,
                .family = d->family,
            };
            if (d->head != NULL && d->head->seq == 0) {
                expired->first = d->head;
                d->head = d->head->next;
                expired->first->next = NULL;
                frag->memory -= naru_pkt_truesize(expired->first);
            }
            empty(frag, d);
            forget(frag, d);
            if (expired->fragments > 0)
                return true;
        }
    }
    return false;
}

naru_time naru_frag_deadline(const struct naru_frag *frag)
{
    if (NARU_LIKELY(frag->memory == 0)) /* nothing waits */
        return NARU_NEVER;
    naru_time first = NARU_NEVER;
    for (unsigned i = 0; i < 2; i++) {
        const struct naru_frag_datagram *d = first_of(&frag->by_age[i]);
        if (d != NULL)
            first = NARU_MIN(first, expires(frag, d));
    }
    return first;
}
