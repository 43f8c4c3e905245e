/*
 * What the tests of src/wire share: frames by name, copies that end where their memory ends, random
 * values.
 */
#ifndef NARU_TESTS_WIRE_TEST_H
#define NARU_TESTS_WIRE_TEST_H

#include "base_test.h"
#include "wire_frames.h"

#include "base/addr.h"
#include "wire/eth.h"
#include "wire/ipv4.h"
#include "wire/ipv6.h"

/* Heap memory of exactly len bytes, so that AddressSanitizer sees one byte too far. */
static inline uint8_t *exact(const void *bytes, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, bytes, len);
    return copy;
}

static inline unsigned unhex_digit(char c) { return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10); }

/* The bytes of a frame; the caller's, to free. */
static inline uint8_t *unhex(const char *hex, size_t *len)
{
    *len = strlen(hex) / 2;
    uint8_t *out = exact("", 0);
    out = realloc(out, *len > 0 ? *len : 1);
    assert_non_null(out);
    for (size_t i = 0; i < *len; i++)
        out[i] = (uint8_t)(unhex_digit(hex[2 * i]) << 4 | unhex_digit(hex[2 * i + 1]));
    return out;
}

static inline uint8_t *frame_get(const char *name, size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < NARU_ARRAY_LEN(wire_frames); i++)
        if (strcmp(wire_frames[i].name, name) == 0)
            return unhex(wire_frames[i].hex, len);
    fail_msg("no frame %s", name);
    return NULL;
}

/* A frame taken apart down to what IP carries. */
struct opened {
    uint8_t *frame;
    size_t len;
    struct naru_eth_hdr eth;
    struct naru_ipv4_hdr ip4;
    struct naru_ipv6_hdr ip6;
    struct naru_ipv6_walk walk;
    const uint8_t *packet; /* the first byte of the IP header */
    struct naru_addr src, dst;
    struct naru_span payload; /* behind all IP headers */
};

static inline void frame_open(const char *name, struct opened *o)
{
    memset(o, 0, sizeof(*o));
    o->frame = frame_get(name, &o->len);
    o->payload = naru_span(o->frame, o->len);
    assert_int_equal(naru_eth_parse(&o->payload, &o->eth), NARU_DROP_NONE);
    o->packet = o->payload.at;
    if (o->eth.ethertype == NARU_ETHERTYPE_IPV4) {
        assert_int_equal(naru_ipv4_parse(&o->payload, &o->ip4), NARU_DROP_NONE);
        assert_true(naru_ipv4_checksum_ok(o->packet, o->ip4.header_len));
        o->src = o->ip4.src;
        o->dst = o->ip4.dst;
    } else if (o->eth.ethertype == NARU_ETHERTYPE_IPV6) {
        assert_int_equal(naru_ipv6_parse(&o->payload, &o->ip6), NARU_DROP_NONE);
        assert_int_equal(naru_ipv6_walk(&o->payload, &o->ip6, &o->walk), NARU_DROP_NONE);
        o->src = o->ip6.src;
        o->dst = o->ip6.dst;
    }
}

static inline void frame_close(struct opened *o) { free(o->frame); }

static inline struct naru_addr addr(const char *text)
{
    struct naru_addr a;
    assert_true(naru_addr_parse(text, &a));
    return a;
}

static inline void assert_addr(const struct naru_addr *a, const char *text)
{
    char got[NARU_ADDR_TEXT_SIZE];
    naru_addr_format(a, got, sizeof(got));
    assert_string_equal(got, text);
}

static inline uint32_t rand32(struct naru_rand *r) { return naru_rand_u32(r); }
static inline uint16_t rand16(struct naru_rand *r) { return (uint16_t)naru_rand_u32(r); }
static inline uint8_t rand8(struct naru_rand *r) { return (uint8_t)naru_rand_u32(r); }
static inline bool rand_bool(struct naru_rand *r) { return (naru_rand_u32(r) & 1) != 0; }

static inline void rand_bytes(struct naru_rand *r, uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        p[i] = rand8(r);
}

static inline struct naru_addr rand_addr4(struct naru_rand *r) { return naru_addr_v4(rand32(r)); }

/* A unicast address that is truly of IPv6. */
static inline struct naru_addr rand_addr6(struct naru_rand *r)
{
    struct naru_addr a;
    rand_bytes(r, a.b, sizeof(a.b));
    a.b[0] = 0x20;
    return a;
}

#endif
