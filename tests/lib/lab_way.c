/*
 * What changes the way from one stack of a lab to the other; see lab_way.h.
 */
#include "lib/lab_way.h"

#include "lib/craft.h"

static uint32_t below(struct naru_rand *rand, uint32_t n) { return naru_rand_below(rand, n); }

/* It happens in this case; else what is left of the others. */
static bool is_case(uint32_t *pick, uint32_t weight)
{
    bool it = *pick < weight;
    *pick -= it ? 0 : weight;
    return it;
}

static struct naru_route route_to(const struct lab *lab, int n, bool v6, bool beyond,
                                  struct naru_rand *rand)
{
    const struct naru_addr *peer = v6 ? &lab->v6[!n] : &lab->v4[!n];
    uint32_t mtu = 1280 + below(rand, 200);
    if (!beyond)
        return (struct naru_route){ .prefix = *peer,
                                    .prefix_len = v6 ? 128 : 32,
                                    .ifindex = (uint16_t)lab->ifindex[n],
                                    .mtu = mtu };
    return (struct naru_route){ .prefix = v6 ? (struct naru_addr){ .b = { 0xfc } }
                                             : naru_addr_v4(0xc0000200),
                                .prefix_len = v6 ? 16 : 24,
                                .has_gateway = true,
                                .gateway = *peer,
                                .mtu = below(rand, 2) ? mtu : 0 };
}

int64_t lab_change_way(struct lab *lab, int n, bool v6, const struct lab_way_odds *odds,
                       struct naru_rand *rand)
{
    struct naru_stack *stack = lab->stack[n];
    struct naru_route route = route_to(lab, n, v6, odds->beyond, rand);
    uint32_t pick = below(rand, odds->route_added + odds->route_removed + odds->neighbour +
                                    odds->interface + odds->router);
    if (is_case(&pick, odds->route_added))
        return naru_route_add(stack, &route);
    if (is_case(&pick, odds->route_removed))
        return naru_route_remove(stack, &route);
    if (is_case(&pick, odds->neighbour)) {
        uint8_t mac[6] = { 2, 0, 0, 0, 0, (uint8_t)(2 - n) };
        if (below(rand, odds->stranger) == 0)
            mac[5] = 7;
        return naru_neigh_add(stack, lab->ifindex[n], v6 ? &lab->v6[!n] : &lab->v4[!n], mac,
                              lab->now);
    }
    if (is_case(&pick, odds->interface))
        return naru_iface_set_up(stack, lab->ifindex[n], below(rand, odds->down) != 0, lab->now);
    uint8_t frame[CRAFT_MAX], ra[8] = { 0 };
    lab_inject(
        lab, n, frame,
        craft_icmp(frame, &craft_router, 134, 0, (30 + below(rand, 60)) << 24, ra, sizeof(ra)));
    return NARU_OK;
}
