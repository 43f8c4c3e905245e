/*
 * The Internet checksum for every machine: 64-bit words with the carries counted beside them.
 */
#include "base/csum.h"

#include "base/csum_x86.h"

#include <string.h>

NARU_INLINE uint64_t word_sum(uint64_t w) { return (w & 0xffffffffU) + (w >> 32); }

NARU_INLINE uint64_t load64(const uint8_t *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof(w));
    return w;
}

/* A 64-bit sum and how often it ran over; each carry is worth one. */
struct wide {
    uint64_t sum, carries;
};

NARU_INLINE void wide_add(struct wide *s, uint64_t w)
{
    s->sum += w;
    s->carries += s->sum < w;
}

NARU_INLINE uint64_t wide_end(const struct wide *s) { return word_sum(s->sum) + s->carries; }

/* copy is a constant where this is called: there are two versions of it in the end. */
NARU_INLINE uint32_t add_or_copy(uint32_t partial, bool copy, uint8_t *to, const uint8_t *p,
                                 size_t len)
{
    uint64_t sum = partial;

    if (len >= 32) {
        struct wide a = { 0 }, b = { 0 };
        for (; len >= 32; p += 32, len -= 32) {
            uint64_t w[4] = { load64(p), load64(p + 8), load64(p + 16), load64(p + 24) };
            wide_add(&a, w[0]);
            wide_add(&b, w[1]);
            wide_add(&a, w[2]);
            wide_add(&b, w[3]);
            if (copy) {
                memcpy(to, w, 32);
                to += 32;
            }
        }
        sum += wide_end(&a) + wide_end(&b);
    }
    for (; len >= 8; p += 8, len -= 8) {
        uint64_t w = load64(p);
        sum += word_sum(w);
        if (copy) {
            memcpy(to, &w, 8);
            to += 8;
        }
    }
    return naru_csum_fold64(sum + naru_csum_small(copy ? to : NULL, p, len));
}

NARU_NOINLINE uint32_t naru_csum_add(uint32_t partial, const void *data, size_t len)
{
    return add_or_copy(partial, false, NULL, data, len);
}

uint32_t naru_csum_copy(uint32_t partial, void *dst, const void *src, size_t len)
{
    return add_or_copy(partial, true, dst, src, len);
}

uint32_t naru_csum_pseudo(const struct naru_addr *src, const struct naru_addr *dst, uint8_t proto,
                          uint32_t len)
{
    /*
     * The twelve bytes before an IPv4 address in its IPv6 form sum to 0xffff, which is nothing in
     * ones' complement, and with a protocol in it the sum is never zero in either of its forms: the
     * two families' pseudo headers have the same sum.
     */
    uint64_t s[2], d[2];
    memcpy(s, src->b, sizeof(s));
    memcpy(d, dst->b, sizeof(d));
    return naru_csum_fold64(word_sum(s[0]) + word_sum(s[1]) + word_sum(d[0]) + word_sum(d[1]) +
                            naru_be32(proto) + naru_be32(len));
}

static const struct naru_csum_ops portable = {
    .add = naru_csum_add,
    .copy = naru_csum_copy,
    .name = "portable",
};

const struct naru_csum_ops *naru_csum_ops_portable(void) { return &portable; }

const struct naru_csum_ops *naru_csum_ops_get(unsigned n)
{
    return n == 0 ? &portable : naru_csum_ops_x86(n - 1);
}

const struct naru_csum_ops *naru_csum_ops_best(void)
{
    const struct naru_csum_ops *best = &portable;
    for (unsigned n = 1; naru_csum_ops_get(n) != NULL; n++)
        best = naru_csum_ops_get(n);
    return best;
}
