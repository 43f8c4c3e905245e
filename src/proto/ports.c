/*
 * Ephemeral ports; see ports.h.  RFC 6056 3.3.4: start = F(local, remote) + counter[G(local,
 * remote)]; F and G are the halves of one keyed hash.
 */
#include "proto/ports.h"

#include "base/addr.h"

void naru_ports_init(struct naru_ports *ports, struct naru_rand *rand, uint16_t min, uint16_t max)
{
    NARU_ASSERT(min > 0 && min <= max);
    naru_siphash_key_init(&ports->key, rand);
    ports->min = min;
    ports->max = max;
    ports->last_port = 0;
    naru_rand_fill(rand, ports->counter, sizeof(ports->counter));
}

/* Most connections go where the one before went. */
static uint64_t hash_of(struct naru_ports *ports, const struct naru_endpoint *local,
                        const struct naru_endpoint *remote)
{
    struct naru_hash_tuple tuple = {
        .local = &local->addr,
        .remote = &remote->addr,
        .remote_port = remote->port,
    };
    if (remote->port != 0 && remote->port == ports->last_port &&
        naru_addr_eq(&remote->addr, &ports->last_remote) &&
        naru_addr_eq(&local->addr, &ports->last_local))
        return ports->last_hash;
    ports->last_port = remote->port;
    ports->last_local = local->addr;
    ports->last_remote = remote->addr;
    ports->last_hash = naru_siphash_flow(&ports->key, &tuple);
    return ports->last_hash;
}

void naru_ports_begin(struct naru_ports *ports, struct naru_ports_walk *walk,
                      const struct naru_endpoint *local, const struct naru_endpoint *remote)
{
    uint64_t hash = hash_of(ports, local, remote);
    uint32_t index = (uint32_t)(hash >> 32) % NARU_PORTS_COUNTERS;
    *walk = (struct naru_ports_walk){
        .start = (uint32_t)hash + ports->counter[index],
        .count = (uint32_t)(ports->max - ports->min) + 1,
        .min = ports->min,
        .index = (uint16_t)index,
    };
    walk->start %= walk->count;
}

uint16_t naru_ports_next(struct naru_ports_walk *walk)
{
    if (walk->tried == walk->count)
        return 0;
    uint32_t offset = walk->start + walk->tried; /* both below count */
    offset -= offset >= walk->count ? walk->count : 0;
    walk->tried++;
    return (uint16_t)(walk->min + offset);
}

void naru_ports_took(struct naru_ports *ports, const struct naru_ports_walk *walk)
{
    ports->counter[walk->index] += walk->tried;
}
