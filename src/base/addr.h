/*
 * What kind of address it is, and arithmetic with prefixes.
 *
 * An IPv4 address is ::ffff:a.b.c.d (RFC 4291 2.5.5.2); the questions below answer for both
 * families.  Prefix lengths count bits of the address's own family unless a name says otherwise.
 */
#ifndef NARU_BASE_ADDR_H
#define NARU_BASE_ADDR_H

#include "base/bytes.h"
#include <naru/types.h>

NARU_INLINE uint64_t naru_addr_hi(const struct naru_addr *a) { return naru_get64(a->b); }
NARU_INLINE uint64_t naru_addr_lo(const struct naru_addr *a) { return naru_get64(a->b + 8); }

NARU_INLINE bool naru_addr_eq(const struct naru_addr *a, const struct naru_addr *b)
{
    uint64_t x[2], y[2];
    memcpy(x, a->b, sizeof(x));
    memcpy(y, b->b, sizeof(y));
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

NARU_INLINE bool naru_addr_is_v4(const struct naru_addr *a)
{
    return naru_addr_hi(a) == 0 && naru_get32(a->b + 8) == 0xffff;
}

NARU_INLINE enum naru_family naru_addr_family(const struct naru_addr *a)
{
    return naru_addr_is_v4(a) ? NARU_IPV4 : NARU_IPV6;
}

/* The 32 bits of an IPv4 address in host order. */
NARU_INLINE uint32_t naru_addr_v4_bits(const struct naru_addr *a) { return naru_get32(a->b + 12); }

/* From the four bytes of a packet, and from sixteen. */
NARU_INLINE struct naru_addr naru_addr_from4(const uint8_t *p)
{
    struct naru_addr a = { .b = { [10] = 0xff, [11] = 0xff } };
    memcpy(a.b + 12, p, 4);
    return a;
}

NARU_INLINE struct naru_addr naru_addr_from16(const uint8_t *p)
{
    struct naru_addr a;
    memcpy(a.b, p, sizeof(a.b));
    return a;
}

/* ::, the IPv6 form of "none". */
NARU_INLINE bool naru_addr_is_zero(const struct naru_addr *a)
{
    return (naru_addr_hi(a) | naru_addr_lo(a)) == 0;
}

/* :: or 0.0.0.0 */
NARU_INLINE bool naru_addr_is_unspecified(const struct naru_addr *a)
{
    return naru_addr_is_zero(a) || (naru_addr_is_v4(a) && naru_addr_v4_bits(a) == 0);
}

/* 127.0.0.0/8 or ::1 */
NARU_INLINE bool naru_addr_is_loopback(const struct naru_addr *a)
{
    if (naru_addr_is_v4(a))
        return a->b[12] == 127;
    return naru_addr_hi(a) == 0 && naru_addr_lo(a) == 1;
}

/* 224.0.0.0/4 or ff00::/8 */
NARU_INLINE bool naru_addr_is_multicast(const struct naru_addr *a)
{
    return a->b[0] == 0xff || (naru_addr_is_v4(a) && a->b[12] >> 4 == 14);
}

/* 255.255.255.255 */
NARU_INLINE bool naru_addr_is_limited_broadcast(const struct naru_addr *a)
{
    return naru_addr_is_v4(a) && naru_addr_v4_bits(a) == 0xffffffffU;
}

/* 169.254.0.0/16 or fe80::/10 */
NARU_INLINE bool naru_addr_is_link_local(const struct naru_addr *a)
{
    if (naru_addr_is_v4(a))
        return a->b[12] == 169 && a->b[13] == 254;
    return a->b[0] == 0xfe && (a->b[1] & 0xc0) == 0x80;
}

/* ff02::/16 and 224.0.0.0/24: multicast that no router forwards. */
NARU_INLINE bool naru_addr_is_link_multicast(const struct naru_addr *a)
{
    if (naru_addr_is_v4(a))
        return a->b[12] == 224 && a->b[13] == 0 && a->b[14] == 0;
    return a->b[0] == 0xff && (a->b[1] & 0x0f) == 2;
}

/* Bits of an address of that family, and of a prefix of it counted from the IPv6 form. */
NARU_INLINE unsigned naru_addr_bits(const struct naru_addr *a)
{
    return naru_addr_is_v4(a) ? 32 : 128;
}

NARU_INLINE unsigned naru_addr_prefix128(const struct naru_addr *a, unsigned prefix_len)
{
    return naru_addr_is_v4(a) ? prefix_len + 96 : prefix_len;
}

/* True if the first len (0..128, of the IPv6 form) bits are the same. */
bool naru_addr_match128(const struct naru_addr *a, const struct naru_addr *b, unsigned len);

/* True if a is of prefix's family and in it. */
bool naru_addr_in_prefix(const struct naru_addr *a, const struct naru_addr *prefix,
                         unsigned prefix_len);

/* a with the bits after the prefix cleared, and with them set (the directed broadcast of IPv4). */
struct naru_addr naru_addr_network(const struct naru_addr *a, unsigned prefix_len);
struct naru_addr naru_addr_broadcast(const struct naru_addr *a, unsigned prefix_len);

/* How many leading bits of the IPv6 form the two share: 0..128 (RFC 6724 2.2). */
unsigned naru_addr_common_len(const struct naru_addr *a, const struct naru_addr *b);

#endif
