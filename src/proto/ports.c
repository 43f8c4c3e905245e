/*
 * Ephemeral ports; see ports.h.  RFC 6056 3.3.4: start = F(local, remote) + counter[G(local,
 * remote)]; F and G are the halves of one keyed hash.
 */
#include "proto/ports.h"

void naru_ports_init(struct naru_ports *ports, struct naru_rand *rand, uint16_t min, uint16_t max)
{
    NARU_ASSERT(min > 0 && min <= max);
    naru_siphash_key_init(&ports->key, rand);
    ports->min = min;
    ports->max = max;
    naru_rand_fill(rand, ports->counter, sizeof(ports->counter));
}

void naru_ports_begin(const struct naru_ports *ports, struct naru_ports_walk *walk,
                      const struct naru_endpoint *local, const struct naru_endpoint *remote)
{
    struct naru_hash_tuple tuple = {
        .local = &local->addr,
        .remote = &remote->addr,
        .remote_port = remote->port,
    };
    uint64_t hash = naru_siphash_flow(&ports->key, &tuple);
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
    uint32_t offset = (walk->start + walk->tried) % walk->count;
    walk->tried++;
    return (uint16_t)(walk->min + offset);
}

void naru_ports_took(struct naru_ports *ports, const struct naru_ports_walk *walk)
{
    ports->counter[walk->index] += walk->tried;
}
