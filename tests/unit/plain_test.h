/*
 * What the twin tests of wire/plain.h and wire/plain_udp.h have in common: IP as the layers read
 * it, and good packets spoilt.
 */
#ifndef NARU_TESTS_PLAIN_TEST_H
#define NARU_TESTS_PLAIN_TEST_H

#include "wire_test.h"

#include "wire/plain.h"

enum { ROUNDS = 3000, FRAME_MAX = 256, PAYLOAD_MAX = 100 };

/* What IP says, without its sums; false: a layer says no, or it has another shape.  span goes on to
 * what IP carries. */
static inline bool read_ip(struct naru_span *span, bool v6, uint8_t proto, struct naru_plain_ip *ip)
{
    const uint8_t *packet = span->at;
    struct naru_ipv4_hdr ip4 = { 0 };
    struct naru_ipv6_hdr ip6 = { 0 };
    if (v6 ? naru_ipv6_parse(span, &ip6) != NARU_DROP_NONE
           : naru_ipv4_parse(span, &ip4) != NARU_DROP_NONE)
        return false;
    if (v6 ? ip6.next_header != proto
           : !naru_ipv4_checksum_ok(packet, ip4.header_len) || ip4.options.len != 0 ||
                 naru_ipv4_is_fragment(&ip4) || ip4.protocol != proto)
        return false;
    *ip = (struct naru_plain_ip){
        .src = v6 ? ip6.src : ip4.src,
        .dst = v6 ? ip6.dst : ip4.dst,
        .tos = v6 ? ip6.traffic_class : ip4.tos,
        .hop_limit = v6 ? ip6.hop_limit : ip4.ttl,
    };
    return true;
}

/* compare says whether the short way takes a packet, and asserts that the layers agree with it.  A
 * good one it takes; how many of the spoilt. */
static inline unsigned compare_spoilt(struct naru_rand *r, const uint8_t *packet, size_t len,
                                      bool v6, unsigned (*compare)(const uint8_t *, size_t, bool))
{
    unsigned taken = 0;
    assert_int_equal(compare(packet, len, v6), 1);
    (void)compare(packet, naru_rand_below(r, (uint32_t)len), v6); /* cut short */
    for (unsigned n = 0; n < 8; n++) {
        uint8_t spoilt[FRAME_MAX];
        memcpy(spoilt, packet, len);
        spoilt[naru_rand_below(r, (uint32_t)len)] ^= (uint8_t)(1 << naru_rand_below(r, 8));
        taken += compare(spoilt, len, v6);
    }
    return taken;
}

#endif
