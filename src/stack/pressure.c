/*
 * What is done when memory is short, in this order:
 *
 *   LOW        caches and empty slabs go back; out-of-order data is not taken any more; receive
 *              windows open by a few segments only, buffers stop growing
 *   EXHAUSTED  half-done reassemblies go; no new connections; who has data waiting, either way,
 *              gets no more of it, so that what is left serves the packets that free some
 *
 * The first half of each line, giving back, is here; the owners of the rest look at
 * naru_mem_pressure themselves.  Giving back walks all free objects, so it happens at most once in
 * an interval.
 *
 * Not done: out-of-order data that was taken stays until its hole is filled or its connection ends.
 */
#include "stack/core.h"

#define INTERVAL NARU_MS(50)

static void give_back(struct naru_stack *stack)
{
    naru_pktpool_trim(&stack->pkts);
    naru_blockpool_trim(&stack->blocks);
    (void)naru_pool_trim(&stack->timer_pages);
    (void)naru_pool_trim(&stack->tcp_pool);
    (void)naru_pool_trim(&stack->tcp.more_pool);
    (void)naru_pool_trim(&stack->udp_pool);
    (void)naru_pool_trim(&stack->time_wait_pool);
    (void)naru_pool_trim(&stack->bucket_pool);
    (void)naru_pool_trim(&stack->listen_pool);
    (void)naru_pool_trim(&stack->path_pool);
}

static void shed_fragments(struct naru_stack *stack)
{
    unsigned fragments;
    while (naru_mem_pressure(&stack->mem) == NARU_MEM_EXHAUSTED &&
           (fragments = naru_frag_shed(&stack->frag)) != 0)
        naru_drop_count(stack, NARU_DROP_FRAG_LIMIT, fragments);
}

/* At any moment when naru_stack_pressed, but from inside no pool. */
NARU_COLD void naru_stack_relieve(struct naru_stack *stack)
{
    if (stack->relieved_at != 0 && stack->now - stack->relieved_at < INTERVAL)
        return;
    stack->relieved_at = stack->now;
    stack->refused_then = stack->mem.refused;
    give_back(stack);
    shed_fragments(stack);
}
