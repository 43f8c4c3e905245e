/*
 * Which of our addresses speaks to a destination: RFC 6724 section 5, and its plain equivalent for
 * IPv4; and which of several destinations is tried first: section 6.
 *
 * No state: the caller lists the addresses that could be used, of every interface or of one.
 *
 * Not done: home addresses (rule 4 of both), rule 7 of section 5 as a preference of the
 * application, rule 7 of section 6 (there are no tunnels), another policy table than the default
 * one.
 */
#ifndef NARU_PROTO_ADDRSEL_H
#define NARU_PROTO_ADDRSEL_H

#include <naru/types.h>

struct naru_addrsel_candidate {
    struct naru_addr addr;
    uint16_t ifindex;
    uint8_t prefix_len; /* of its own family */
    bool deprecated;    /* rule 3 */
    bool temporary;     /* rule 7 */
    bool tentative;     /* never taken */
};

/*
 * The index of the best candidate for dst leaving through ifindex, or -1: none of dst's family. For
 * equals the first in the list wins.
 */
int naru_addrsel_source(const struct naru_addrsel_candidate *candidate, unsigned count,
                        const struct naru_addr *dst, unsigned ifindex);

/* A destination, and which address would speak to it. */
struct naru_addrsel_dest {
    struct naru_addr addr;
    bool usable; /* there is a route and a source */
    struct naru_addrsel_candidate source;
};

/* The best first (RFC 6724 section 6); equals stay in their order. */
void naru_addrsel_sort(struct naru_addrsel_dest *dest, unsigned count);

/* RFC 6724 3.1: 1 interface-local .. 14 global; IPv4 as its own rules say. */
unsigned naru_addrsel_scope(const struct naru_addr *addr);

/* RFC 6724 2.1, the default policy table. */
unsigned naru_addrsel_label(const struct naru_addr *addr);
unsigned naru_addrsel_precedence(const struct naru_addr *addr);

/* RFC 6724 2.2: how many leading bits are the same. */
unsigned naru_addrsel_common_prefix(const struct naru_addr *a, const struct naru_addr *b);

#endif
