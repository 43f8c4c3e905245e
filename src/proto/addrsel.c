/*
 * Source address selection and the order of destinations; see addrsel.h.  Each rule is one
 * comparison of two candidates, tried in the order of RFC 6724 sections 5 and 6.
 */
#include "proto/addrsel.h"

#include "base/addr.h"

/* Scopes (RFC 4291 2.7). */
enum { LINK = 0x2, SITE = 0x5, GLOBAL = 0xe };

unsigned naru_addrsel_scope(const struct naru_addr *addr)
{
    /* RFC 6724 3.2: 169.254/16 and 127/8 are link-local, all other IPv4 is global. */
    if (naru_addr_is_link_local(addr) || naru_addr_is_loopback(addr))
        return LINK;
    if (naru_addr_is_v4(addr))
        return naru_addr_is_link_multicast(addr) ? LINK : GLOBAL;
    if (naru_addr_is_multicast(addr))
        return addr->b[1] & 0x0fU;
    if (addr->b[0] == 0xfe && (addr->b[1] & 0xc0) == 0xc0)
        return SITE;
    return GLOBAL;
}

static const struct policy {
    uint8_t prefix[4]; /* the first 32 bits; the rest is 0 */
    uint8_t prefix_len, precedence, label;
} policies[] = {
    /* RFC 6724 2.1; ::1/128, ::ffff:0:0/96 and ::/96 are asked for by themselves. */
    { { 0x20, 0x01, 0x00, 0x00 }, 32, 5, 5 },
    { { 0x20, 0x02 }, 16, 30, 2 },
    { { 0x3f, 0xfe }, 16, 1, 12 },
    { { 0xfe, 0xc0 }, 10, 1, 11 },
    { { 0xfc }, 7, 3, 13 },
};

static struct policy policy_of(const struct naru_addr *addr)
{
    if (naru_addr_is_v4(addr))
        return (struct policy){ .precedence = 35, .label = 4 };
    if (naru_addr_is_loopback(addr))
        return (struct policy){ .precedence = 50, .label = 0 };
    if (naru_addr_hi(addr) == 0 && naru_addr_lo(addr) >> 32 == 0)
        return (struct policy){ .precedence = 1, .label = 3 };
    for (unsigned i = 0; i < NARU_ARRAY_LEN(policies); i++) {
        uint32_t mask = 0xffffffffU << (32 - policies[i].prefix_len);
        if ((naru_get32(addr->b) & mask) == naru_get32(policies[i].prefix))
            return policies[i];
    }
    return (struct policy){ .precedence = 40, .label = 1 };
}

unsigned naru_addrsel_label(const struct naru_addr *addr) { return policy_of(addr).label; }

unsigned naru_addrsel_precedence(const struct naru_addr *addr)
{
    return policy_of(addr).precedence;
}

unsigned naru_addrsel_common_prefix(const struct naru_addr *a, const struct naru_addr *b)
{
    return naru_addr_common_len(a, b);
}

/* Positive: a is the better source, negative: b, 0: this rule does not say. */
struct contest {
    const struct naru_addr *dst;
    unsigned dst_scope, dst_label, ifindex;
};

static int prefer(bool a, bool b) { return (int)a - (int)b; }

/* Rule 2: the smallest scope that still reaches the destination. */
static int by_scope(const struct contest *c, const struct naru_addr *a, const struct naru_addr *b)
{
    unsigned scope_a = naru_addrsel_scope(a), scope_b = naru_addrsel_scope(b);
    if (scope_a < scope_b)
        return scope_a < c->dst_scope ? -1 : 1;
    if (scope_b < scope_a)
        return scope_b < c->dst_scope ? 1 : -1;
    return 0;
}

/* Rule 8; the bits that count end with the candidate's own prefix. */
static int by_prefix(const struct contest *c, const struct naru_addrsel_candidate *a,
                     const struct naru_addrsel_candidate *b)
{
    unsigned len_a = naru_addr_common_len(&a->addr, c->dst);
    unsigned len_b = naru_addr_common_len(&b->addr, c->dst);
    len_a = NARU_MIN(len_a, naru_addr_prefix128(&a->addr, a->prefix_len));
    len_b = NARU_MIN(len_b, naru_addr_prefix128(&b->addr, b->prefix_len));
    return (len_a > len_b) - (len_a < len_b);
}

static bool on_link(const struct naru_addrsel_candidate *candidate, const struct naru_addr *dst)
{
    return naru_addr_in_prefix(dst, &candidate->addr, candidate->prefix_len);
}

static int contest_v4(const struct contest *c, const struct naru_addrsel_candidate *a,
                      const struct naru_addrsel_candidate *b)
{
    int order = prefer(naru_addr_eq(&a->addr, c->dst), naru_addr_eq(&b->addr, c->dst));
    if (order == 0)
        order = by_scope(c, &a->addr, &b->addr);
    if (order == 0)
        order = prefer(a->ifindex == c->ifindex, b->ifindex == c->ifindex);
    if (order == 0)
        order = prefer(on_link(a, c->dst), on_link(b, c->dst));
    return order;
}

static int contest_v6(const struct contest *c, const struct naru_addrsel_candidate *a,
                      const struct naru_addrsel_candidate *b)
{
    int order = prefer(naru_addr_eq(&a->addr, c->dst), naru_addr_eq(&b->addr, c->dst));
    if (order == 0)
        order = by_scope(c, &a->addr, &b->addr);
    if (order == 0)
        order = prefer(!a->deprecated, !b->deprecated);
    if (order == 0)
        order = prefer(a->ifindex == c->ifindex, b->ifindex == c->ifindex);
    if (order == 0)
        order = prefer(naru_addrsel_label(&a->addr) == c->dst_label,
                       naru_addrsel_label(&b->addr) == c->dst_label);
    if (order == 0)
        order = prefer(a->temporary, b->temporary);
    if (order == 0)
        order = by_prefix(c, a, b);
    return order;
}

/* RFC 6724 section 4: what stays on the link is spoken to from an address of that link. */
static bool wrong_link(const struct contest *c, const struct naru_addrsel_candidate *candidate)
{
    return c->ifindex != 0 && candidate->ifindex != c->ifindex && c->dst_scope <= LINK &&
           !naru_addr_eq(&candidate->addr, c->dst);
}

int naru_addrsel_source(const struct naru_addrsel_candidate *candidate, unsigned count,
                        const struct naru_addr *dst, unsigned ifindex)
{
    bool v4 = naru_addr_is_v4(dst);
    struct contest c = {
        .dst = dst,
        .dst_scope = naru_addrsel_scope(dst),
        .dst_label = naru_addrsel_label(dst),
        .ifindex = ifindex,
    };
    int best = -1;
    for (unsigned i = 0; i < count; i++) {
        const struct naru_addrsel_candidate *a = &candidate[i];
        if (a->tentative || naru_addr_is_v4(&a->addr) != v4 || wrong_link(&c, a))
            continue;
        if (best < 0) {
            best = (int)i;
            continue;
        }
        const struct naru_addrsel_candidate *b = &candidate[best];
        if ((v4 ? contest_v4(&c, a, b) : contest_v6(&c, a, b)) > 0)
            best = (int)i;
    }
    return best;
}

/* ---- Section 6: destinations ---- */

static bool scope_matches(const struct naru_addrsel_dest *d)
{
    return naru_addrsel_scope(&d->addr) == naru_addrsel_scope(&d->source.addr);
}

static bool label_matches(const struct naru_addrsel_dest *d)
{
    return naru_addrsel_label(&d->addr) == naru_addrsel_label(&d->source.addr);
}

/* The bits that count end with the source's own prefix (RFC 6724 2.2). */
static unsigned match_len(const struct naru_addrsel_dest *d)
{
    unsigned len = naru_addr_common_len(&d->addr, &d->source.addr);
    unsigned prefix_len = naru_addr_prefix128(&d->source.addr, d->source.prefix_len);
    return NARU_MIN(len, prefix_len);
}

static int larger(unsigned a, unsigned b) { return (a > b) - (a < b); }

/* Positive: a is tried before b (V6-6724-5-1). */
static int contest_dest(const struct naru_addrsel_dest *a, const struct naru_addrsel_dest *b)
{
    int order = prefer(a->usable, b->usable);
    if (order != 0 || !a->usable)
        return order;
    order = prefer(scope_matches(a), scope_matches(b));
    if (order == 0)
        order = prefer(!a->source.deprecated, !b->source.deprecated);
    if (order == 0)
        order = prefer(label_matches(a), label_matches(b));
    if (order == 0)
        order = larger(naru_addrsel_precedence(&a->addr), naru_addrsel_precedence(&b->addr));
    if (order == 0)
        order = larger(naru_addrsel_scope(&b->addr), naru_addrsel_scope(&a->addr));
    if (order == 0 && naru_addr_is_v4(&a->addr) == naru_addr_is_v4(&b->addr))
        order = larger(match_len(a), match_len(b));
    return order;
}

/* By insertion: lists are short, and equals must stay. */
void naru_addrsel_sort(struct naru_addrsel_dest *dest, unsigned count)
{
    for (unsigned i = 1; i < count; i++) {
        struct naru_addrsel_dest d = dest[i];
        unsigned at = i;
        for (; at > 0 && contest_dest(&d, &dest[at - 1]) > 0; at--)
            dest[at] = dest[at - 1];
        dest[at] = d;
    }
}
