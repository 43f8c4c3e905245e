/*
 * The forwarding table; see route.h for the shape of it.
 *
 * A change edits the sorted array and then finds the groups anew: both walk over the table, which
 * is what makes the look-up a plain search without pointers.
 */
#include "proto/route.h"

#include "base/addr.h"
#include "base/mem.h"

#include <string.h>

enum { FIRST_CAPACITY = 8 };

void naru_fib_init(struct naru_fib *fib, struct naru_mem *mem, uint32_t count_max)
{
    memset(fib, 0, sizeof(*fib));
    fib->mem = mem;
    fib->count_max = count_max;
    fib->generation = 1;
}

void naru_fib_deinit(struct naru_fib *fib)
{
    naru_mem_free(fib->mem, fib->entry, fib->capacity * sizeof(*fib->entry));
    fib->entry = NULL;
    fib->count = fib->capacity = fib->group4 = fib->groups = 0;
}

/* ---- Keys and order ---- */

static void mask_of(unsigned prefix_len, uint64_t mask[2])
{
    mask[0] = prefix_len == 0 ? 0 : ~UINT64_C(0) << (prefix_len >= 64 ? 0 : 64 - prefix_len);
    mask[1] = prefix_len <= 64 ? 0 : ~UINT64_C(0) << (128 - prefix_len);
}

static bool is_v4(const struct naru_fib_entry *e)
{
    return e->prefix_len >= 96 && e->key[0] == 0 && e->key[1] >> 32 == 0xffff;
}

static int compare_key(const uint64_t a[2], const uint64_t b[2])
{
    if (a[0] != b[0])
        return a[0] < b[0] ? -1 : 1;
    if (a[1] != b[1])
        return a[1] < b[1] ? -1 : 1;
    return 0;
}

/* Family, length and prefix: negative if a stands before b, 0 if they compete. */
static int compare_prefix(const struct naru_fib_entry *a, const struct naru_fib_entry *b)
{
    if (is_v4(a) != is_v4(b))
        return is_v4(b) ? -1 : 1;
    if (a->prefix_len != b->prefix_len)
        return a->prefix_len > b->prefix_len ? -1 : 1;
    return compare_key(a->key, b->key);
}

static int compare(const struct naru_fib_entry *a, const struct naru_fib_entry *b)
{
    int order = compare_prefix(a, b);
    if (order != 0)
        return order;
    if (a->dead != b->dead)
        return b->dead ? -1 : 1;
    if (a->metric != b->metric)
        return a->metric < b->metric ? -1 : 1;
    return 0;
}

/* Where e belongs: behind everything that is before it or equal. */
static uint32_t place_for(const struct naru_fib *fib, const struct naru_fib_entry *e)
{
    uint32_t low = 0, high = fib->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare(&fib->entry[middle], e) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* ---- Editing ---- */

static void find_groups(struct naru_fib *fib)
{
    fib->groups = fib->group4 = 0;
    struct naru_fib_group *group = NULL;
    bool group_v4 = false;
    for (uint32_t i = 0; i < fib->count; i++) {
        const struct naru_fib_entry *e = &fib->entry[i];
        if (group == NULL || group->prefix_len != e->prefix_len || group_v4 != is_v4(e)) {
            NARU_ASSERT(fib->groups < NARU_FIB_GROUPS);
            group_v4 = is_v4(e);
            group = &fib->group[fib->groups++];
            *group = (struct naru_fib_group){ .first = i, .prefix_len = e->prefix_len };
            mask_of(e->prefix_len, group->mask);
            if (!group_v4)
                fib->group4 = fib->groups;
        }
        group->count++;
    }
    fib->generation++;
}

static uint32_t insert(struct naru_fib *fib, const struct naru_fib_entry *e)
{
    uint32_t at = place_for(fib, e);
    NARU_ASSERT(fib->count < fib->capacity);
    memmove(&fib->entry[at + 1], &fib->entry[at], (fib->count - at) * sizeof(*fib->entry));
    fib->entry[at] = *e;
    fib->count++;
    return at;
}

static void take_out(struct naru_fib *fib, uint32_t at)
{
    fib->count--;
    memmove(&fib->entry[at], &fib->entry[at + 1], (fib->count - at) * sizeof(*fib->entry));
}

static enum naru_err grow(struct naru_fib *fib)
{
    if (fib->count < fib->capacity)
        return NARU_OK;
    if (fib->count >= fib->count_max)
        return NARU_ERR_NOBUFS;
    uint32_t capacity = fib->capacity == 0 ? FIRST_CAPACITY : fib->capacity * 2;
    if (capacity > fib->count_max)
        capacity = fib->count_max;
    struct naru_fib_entry *entry = naru_mem_alloc(fib->mem, capacity * sizeof(*entry));
    if (entry == NULL)
        return NARU_ERR_NOMEM;
    if (fib->entry != NULL)
        memcpy(entry, fib->entry, fib->count * sizeof(*entry));
    naru_mem_free(fib->mem, fib->entry, fib->capacity * sizeof(*entry));
    fib->entry = entry;
    fib->capacity = capacity;
    fib->generation++; /* Entries have moved, even if the route is refused after all. */
    return NARU_OK;
}

static enum naru_err entry_of(const struct naru_route *route, struct naru_fib_entry *e)
{
    if (route->prefix_len > naru_addr_bits(&route->prefix))
        return NARU_ERR_INVAL;
    if (route->has_gateway && naru_addr_is_v4(&route->gateway) != naru_addr_is_v4(&route->prefix))
        return NARU_ERR_INVAL;
    struct naru_addr prefix = naru_addr_network(&route->prefix, route->prefix_len);
    *e = (struct naru_fib_entry){
        .key = { naru_addr_hi(&prefix), naru_addr_lo(&prefix) },
        .metric = route->metric,
        .mtu = route->mtu,
        .ifindex = route->ifindex,
        .prefix_len = (uint8_t)naru_addr_prefix128(&route->prefix, route->prefix_len),
        .has_gateway = route->has_gateway,
    };
    if (route->has_gateway)
        e->gateway = route->gateway;
    return NARU_OK;
}

static bool same_gateway(const struct naru_fib_entry *a, const struct naru_fib_entry *b)
{
    if (a->has_gateway != b->has_gateway)
        return false;
    return !a->has_gateway || naru_addr_eq(&a->gateway, &b->gateway);
}

/* The first entry that competes with e, or the place where it would be. */
static uint32_t first_rival(const struct naru_fib *fib, const struct naru_fib_entry *e)
{
    uint32_t low = 0, high = fib->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_prefix(&fib->entry[middle], e) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

enum naru_err naru_fib_add(struct naru_fib *fib, const struct naru_route *route)
{
    struct naru_fib_entry e;
    enum naru_err err = entry_of(route, &e);
    if (err != NARU_OK)
        return err;
    if (e.ifindex == 0) {
        if (!e.has_gateway)
            return NARU_ERR_INVAL;
        const struct naru_fib_entry *link = naru_fib_lookup(fib, &e.gateway, 0);
        if (link == NULL || link->has_gateway)
            return NARU_ERR_NETUNREACH;
        e.ifindex = link->ifindex;
    }
    for (uint32_t i = first_rival(fib, &e); i < fib->count; i++) {
        const struct naru_fib_entry *rival = &fib->entry[i];
        if (compare_prefix(rival, &e) != 0)
            break;
        if (rival->metric == e.metric && rival->ifindex == e.ifindex && same_gateway(rival, &e))
            return NARU_ERR_EXIST;
    }
    err = grow(fib);
    if (err != NARU_OK)
        return err;
    insert(fib, &e);
    find_groups(fib);
    return NARU_OK;
}

enum naru_err naru_fib_remove(struct naru_fib *fib, const struct naru_route *route)
{
    struct naru_fib_entry e;
    enum naru_err err = entry_of(route, &e);
    if (err != NARU_OK)
        return err;
    for (uint32_t i = first_rival(fib, &e); i < fib->count; i++) {
        const struct naru_fib_entry *rival = &fib->entry[i];
        if (compare_prefix(rival, &e) != 0)
            break;
        if (same_gateway(rival, &e) && (e.ifindex == 0 || e.ifindex == rival->ifindex) &&
            (e.metric == 0 || e.metric == rival->metric)) {
            take_out(fib, i);
            find_groups(fib);
            return NARU_OK;
        }
    }
    return NARU_ERR_NOENT;
}

unsigned naru_fib_remove_iface(struct naru_fib *fib, unsigned ifindex)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < fib->count; i++) {
        if (fib->entry[i].ifindex != ifindex)
            fib->entry[kept++] = fib->entry[i];
    }
    unsigned removed = fib->count - kept;
    fib->count = kept;
    if (removed > 0)
        find_groups(fib);
    return removed;
}

/* Several default gateways are supported (H-3.3.1.2-4, H-3.3.1.5-1, V6-4861-6.3.6-1). */
bool naru_fib_set_gateway_dead(struct naru_fib *fib, unsigned ifindex,
                               const struct naru_addr *gateway, bool dead)
{
    bool changed = false;
    for (uint32_t n = 0; n < fib->count; n++) {
        /* What is moved goes where we have been: back when dying, to the front when reviving. */
        uint32_t i = dead ? fib->count - 1 - n : n;
        struct naru_fib_entry e = fib->entry[i];
        if (!e.has_gateway || e.ifindex != ifindex || !naru_addr_eq(&e.gateway, gateway))
            continue;
        bool was_dead = e.dead;
        if (!dead && !was_dead)
            continue;
        take_out(fib, i);
        e.dead = dead;
        uint32_t at = insert(fib, &e);
        changed = changed || was_dead != dead || at != i;
    }
    if (changed)
        find_groups(fib);
    return changed;
}

enum naru_err naru_fib_get(const struct naru_fib *fib, unsigned n, struct naru_route *route)
{
    if (n >= fib->count)
        return NARU_ERR_NOENT;
    const struct naru_fib_entry *e = &fib->entry[n];
    *route = (struct naru_route){
        .prefix_len = (uint8_t)(is_v4(e) ? e->prefix_len - 96 : e->prefix_len),
        .has_gateway = e->has_gateway,
        .gateway = e->gateway,
        .ifindex = e->ifindex,
        .metric = e->metric,
        .mtu = e->mtu,
    };
    naru_put64(route->prefix.b, e->key[0]);
    naru_put64(route->prefix.b + 8, e->key[1]);
    return NARU_OK;
}

/* ---- Looking up ---- */

static inline bool key_less(const uint64_t a[2], const uint64_t b[2])
{
    return (a[0] < b[0]) | ((a[0] == b[0]) & (a[1] < b[1]));
}

static inline bool key_equal(const uint64_t a[2], const uint64_t b[2])
{
    return ((a[0] ^ b[0]) | (a[1] ^ b[1])) == 0;
}

/* The first entry of the group with that prefix, or NULL; without branches that cannot be foreseen.
 */
static inline const struct naru_fib_entry *find_in(const struct naru_fib *fib,
                                                   const struct naru_fib_group *group,
                                                   const uint64_t key[2])
{
    const struct naru_fib_entry *low = &fib->entry[group->first];
    for (uint32_t count = group->count; count > 1;) {
        uint32_t half = count / 2;
        low += half * key_less(low[half - 1].key, key);
        count -= half;
    }
    return key_equal(low->key, key) ? low : NULL;
}

/* The longest prefix, then the preference (H-3.2.1.3-1, H-3.3.1.2-5). */
const struct naru_fib_entry *naru_fib_lookup(const struct naru_fib *fib,
                                             const struct naru_addr *dst, unsigned ifindex)
{
    bool v4 = naru_addr_is_v4(dst);
    uint64_t addr[2] = { naru_addr_hi(dst), naru_addr_lo(dst) };
    const struct naru_fib_group *group = &fib->group[v4 ? fib->group4 : 0];
    const struct naru_fib_group *end = &fib->group[v4 ? fib->groups : fib->group4];

    for (; group < end; group++) {
        uint64_t key[2] = { addr[0] & group->mask[0], addr[1] & group->mask[1] };
        const struct naru_fib_entry *e = find_in(fib, group, key);
        if (e == NULL)
            continue;
        if (NARU_LIKELY(ifindex == 0 || e->ifindex == ifindex))
            return e;
        const struct naru_fib_entry *last = &fib->entry[group->first + group->count - 1];
        while (e++ < last && key_equal(e->key, key)) {
            if (e->ifindex == ifindex)
                return e;
        }
    }
    return NULL;
}
