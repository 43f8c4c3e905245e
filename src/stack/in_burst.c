/*
 * Frames in, several at once: the memory of their connections is asked for before the first of them
 * is looked at.
 *
 * Segments for many connections wait for memory more than for anything else: for their place in the
 * table of flows, then for the connection it names, both in no cache.  Of one segment these waits
 * follow one another; of a burst they overlap, and a connection that was used lately is known
 * without the table.  This is only a hint: each frame is then taken in as if it had come alone.
 */
#include "stack/core.h"

#include "wire/plain_udp.h"

enum {
    AHEAD = 16
}; /* frames; their headers, and the flows they are for, stay in the first cache */

/* The flow's name in a segment with the usual headers, as far as it is to be guessed here. */
static bool guess_tuple(const struct naru_iface *iface, const struct naru_pkt *pkt,
                        struct naru_tuple *tuple)
{
    size_t link_len;
    unsigned version = naru_quick_link(iface, pkt, &link_len);
    size_t ip_len = version == 4 ? NARU_IPV4_LEN : NARU_IPV6_LEN;
    const uint8_t *ip = pkt->data + link_len;
    if (version == 0 || pkt->len < link_len + ip_len + NARU_TCP_LEN)
        return false;
    if (version == 4 ? ip[0] != 0x45 || ip[9] != NARU_PROTO_TCP : ip[6] != NARU_PROTO_TCP)
        return false;
    tuple->remote = version == 4 ? naru_addr_from4(ip + 12) : naru_addr_from16(ip + 8);
    tuple->local = version == 4 ? naru_addr_from4(ip + 16) : naru_addr_from16(ip + 24);
    tuple->remote_port = naru_get16(ip + ip_len);
    tuple->local_port = naru_get16(ip + ip_len + 2);
    tuple->zone = naru_zone_on(iface, &tuple->remote);
    tuple->proto = NARU_PROTO_TCP;
    return true;
}

/* Of one flow, as far as the addresses and the ports tell: nothing new is to be fetched for b. */
static bool alike(const struct naru_iface *iface, const struct naru_pkt *a,
                  const struct naru_pkt *b)
{
    size_t at = iface->link_layer ? NARU_ETH_LEN : 0;
    if (a->len < at + NARU_IPV6_LEN + 4 || b->len < at + NARU_IPV6_LEN + 4)
        return false;
    const uint8_t *x = a->data + at, *y = b->data + at;
    if (*x >> 4 == 4)
        return *x == *y && naru_get64(x + 12) == naru_get64(y + 12) &&
               naru_get32(x + 20) == naru_get32(y + 20);
    return *x == *y && memcmp(x + 8, y + 8, NARU_IPV6_LEN - 4) == 0;
}

/*
 * In flow[i]: the one that pkt[i] may be for, by its hash; NULL: nobody knows, or the one before.
 * What a step has asked for comes while the others take theirs.
 */
static void foresee(const struct naru_stack *stack, const struct naru_iface *iface,
                    struct naru_pkt *const *pkt, unsigned count, struct naru_flow **flow)
{
    uint32_t hash[AHEAD];
    bool look[AHEAD]; /* in the table */
    struct naru_tuple tuple = { 0 };
    for (unsigned i = 0; i < count; i++) {
        bool named =
            (i == 0 || !alike(iface, pkt[i - 1], pkt[i])) && guess_tuple(iface, pkt[i], &tuple);
        flow[i] = named ? naru_flow_guess(stack, &tuple) : NULL;
        look[i] = named && flow[i] == NULL;
        if (flow[i] != NULL)
            naru_connection_prefetch(flow[i]);
        if (!look[i])
            continue;
        hash[i] = naru_tuple_hash(stack, &tuple);
        naru_table_prefetch(&stack->flows, hash[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        struct naru_table_iter it;
        if (look[i] && (flow[i] = naru_table_first(&stack->flows, hash[i], &it)) != NULL)
            naru_connection_prefetch(flow[i]);
    }
    for (unsigned i = 0; i < count; i++) {
        if (flow[i] != NULL && flow[i]->kind == FLOW_SOCK && flow[i]->tuple.proto == NARU_PROTO_TCP)
            NARU_PREFETCH(naru_sock_tcp_of(NARU_CONTAINER_OF(flow[i], struct naru_sock, flow))
                              ->tcp.snd_last); /* what is acknowledged lies there */
    }
}

static NARU_NOINLINE void several(struct naru_stack *stack, unsigned ifindex,
                                  struct naru_pkt *const *pkt, unsigned count, naru_time now)
{
    const struct naru_iface *iface = naru_iface_of(stack, ifindex);
    struct naru_flow *flow[AHEAD] = { NULL };
    uint64_t gone = 0;
    for (unsigned i = 0; i < count; i++) {
        if (i % AHEAD == 0 && iface != NULL) {
            foresee(stack, iface, pkt + i, NARU_MIN(count - i, (unsigned)AHEAD), flow);
            gone = stack->flows_gone;
        }
        if (flow[i % AHEAD] != NULL && gone == stack->flows_gone)
            naru_flow_used(stack, flow[i % AHEAD]); /* only a hint, too */
        naru_stack_input(stack, ifindex, pkt[i], now);
    }
}

void naru_stack_input_burst(struct naru_stack *stack, unsigned ifindex, struct naru_pkt *const *pkt,
                            unsigned count, naru_time now)
{
    if (count == 1)
        naru_stack_input(stack, ifindex, pkt[0], now);
    else
        several(stack, ifindex, pkt, count, now);
}
