/*
 * Limits that fit beside each other into so much memory.
 *
 * memory_max alone keeps a stack within its bytes, whatever the other limits say; but then one
 * connection, or fragments of somebody, may take what all the others need.  Here each kind gets a
 * part of the whole that leaves room for the rest: half of it is for sockets and what they hold,
 * if each is used as much as it may be, and no one buffer is more than a sixteenth.
 */
#include "stack/core.h"

/* A part of the memory, but no less than least, and no more than there was. */
static uint32_t part(uint64_t memory, uint32_t divisor, uint32_t least, uint32_t most)
{
    uint64_t size = NARU_MAX(memory / divisor, least);
    return (uint32_t)NARU_MIN(size, most);
}

void naru_config_fit(struct naru_config *c, uint64_t memory)
{
    c->memory_max = memory;
    c->sockets_max = part(memory, 2048, 32, c->sockets_max);
    c->time_wait_max = part(memory, 4096, 32, c->time_wait_max);
    c->syn_queue_max = part(memory, 16384, 8, c->syn_queue_max);
    c->neigh_max = part(memory, 8192, 16, c->neigh_max);
    c->metrics_max = part(memory, 16384, 8, c->metrics_max);
    c->frag_memory_max = part(memory, 16, 4096, c->frag_memory_max);
    c->ooo_memory_max = part(memory, 8, 4096, c->ooo_memory_max);
    c->tcp_rcvbuf_max = part(memory, 16, 4096, c->tcp_rcvbuf_max);
    c->tcp_sndbuf_max = part(memory, 32, 4096, c->tcp_sndbuf_max);
    c->tcp_rcvbuf_default = part(memory, 32, 4096, c->tcp_rcvbuf_default);
    c->tcp_sndbuf_default = part(memory, 64, 4096, c->tcp_sndbuf_default);
    c->udp_rcvbuf_default = part(memory, 32, 4096, c->udp_rcvbuf_default);
}
