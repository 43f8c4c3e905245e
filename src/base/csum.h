/*
 * The Internet checksum (RFC 1071), in pieces, fused with copying, and with SIMD where there is
 * any.
 *
 * A partial sum is a uint32_t in ones' complement, of 16-bit words as the machine's memory has
 * them; it starts at 0, is passed from call to call, and means something only to these functions.
 * Each piece counts as beginning at an even offset; a piece that begins at an odd one is summed
 * from 0 and joined with naru_csum_join.
 *
 *     sum = naru_csum_pseudo(src, dst, proto, len);
 *     sum = naru_csum_add(sum, segment, len);
 *     naru_put16(field, naru_csum_finish(sum));          or, to verify:  naru_csum_ok(sum)
 *
 * The SIMD versions are found by naru_csum_ops_best, once, by whoever makes a stack; the table it
 * gives is constant.  Plain naru_csum_add and naru_csum_copy are always the portable ones, good for
 * headers.
 */
#ifndef NARU_BASE_CSUM_H
#define NARU_BASE_CSUM_H

#include "base/bytes.h"
#include <naru/types.h>

#include <string.h>

struct naru_csum_ops {
    /* partial plus the len bytes at data. */
    uint32_t (*add)(uint32_t partial, const void *data, size_t len);
    /* The same of src, copied to dst on the way; the two do not overlap. */
    uint32_t (*copy)(uint32_t partial, void *dst, const void *src, size_t len);
    const char *name; /* "portable", "avx2" */
};

/* The fastest that this processor runs; never NULL.  Asks the processor each time: keep it. */
const struct naru_csum_ops *naru_csum_ops_best(void);
const struct naru_csum_ops *naru_csum_ops_portable(void);

/* The n-th (from 0) that this processor runs, the portable one first; NULL beyond the last. */
const struct naru_csum_ops *naru_csum_ops_get(unsigned n);

uint32_t naru_csum_add(uint32_t partial, const void *data, size_t len);
uint32_t naru_csum_copy(uint32_t partial, void *dst, const void *src, size_t len);

/* Of a sum of words, also very many: the partial sum. */
NARU_INLINE uint32_t naru_csum_fold64(uint64_t sum)
{
    sum = (sum & 0xffffffffU) + (sum >> 32);
    return (uint32_t)(sum + (sum >> 32));
}

/*
 * naru_csum_add inline, for headers: len is small and a multiple of 4.  In the pieces in which
 * headers are written: a load of several stores that are still under way makes a processor wait.
 */
NARU_INLINE uint32_t naru_csum_header(uint32_t partial, const void *header, size_t len)
{
    const uint8_t *p = header;
    uint64_t sum = partial;
    for (; len >= 12; p += 12, len -= 12) {
        uint32_t a, b, c;
        memcpy(&a, p, 4);
        memcpy(&b, p + 4, 4);
        memcpy(&c, p + 8, 4);
        sum += (uint64_t)a + b + c;
    }
    for (; len >= 4; p += 4, len -= 4) {
        uint32_t w;
        memcpy(&w, p, sizeof(w));
        sum += w;
    }
    return naru_csum_fold64(sum);
}

/* naru_csum_copy from 0, inline, for a few bytes; to NULL: they are only summed.  Not folded yet.
 */
NARU_INLINE uint64_t naru_csum_few(uint8_t *to, const uint8_t *from, size_t len)
{
    uint64_t sum = 0;
    size_t i = 0;
    for (; len - i >= 4; i += 4) {
        uint32_t w;
        memcpy(&w, from + i, 4);
        if (to != NULL)
            memcpy(to + i, &w, 4);
        sum += w;
    }
    if (len & 2) {
        uint16_t w;
        memcpy(&w, from + i, 2);
        if (to != NULL)
            memcpy(to + i, &w, 2);
        sum += w;
        i += 2;
    }
    if (len & 1) {
        if (to != NULL)
            to[i] = from[i];
        sum += NARU_BIG_ENDIAN ? (uint32_t)from[i] << 8 : from[i];
    }
    return sum;
}

NARU_INLINE uint32_t naru_csum_small(uint8_t *to, const uint8_t *from, size_t len)
{
    return naru_csum_fold64(naru_csum_few(to, from, len));
}

/*
 * A sum of 64-bit words as the machine's memory has them, with the carry back at its end: modulo
 * 2^64 - 1, and so modulo 0xffff.  It is 0 only if all that was summed is.
 */
NARU_INLINE uint64_t naru_csum_add64(uint64_t sum, uint64_t word)
{
    sum += word;
    return sum + (sum < word);
}

/* To such a sum, len bytes with at least eight others in front of them: these make one load of the
 * last few. */
NARU_INLINE uint64_t naru_csum_behind(uint64_t sum, const uint8_t *p, size_t len)
{
    uint64_t w;
    for (; len >= sizeof(w); p += sizeof(w), len -= sizeof(w)) {
        memcpy(&w, p, sizeof(w));
        sum = naru_csum_add64(sum, w);
    }
    memcpy(&w, p - sizeof(w) + len, sizeof(w));
    unsigned others = 56 - 8 * (unsigned)len; /* bits, but for eight: all may be others' */
    return naru_csum_add64(sum, NARU_BIG_ENDIAN ? w << 8 << others : w >> 8 >> others);
}

/* The sum of two partial sums. */
NARU_INLINE uint32_t naru_csum_sum(uint32_t a, uint32_t b)
{
    uint32_t sum = a + b;
    return sum + (sum < a);
}

/* partial of the first offset bytes, plus piece, summed from 0, of the bytes that follow. */
NARU_INLINE uint32_t naru_csum_join(uint32_t partial, uint32_t piece, size_t offset)
{
    return naru_csum_sum(partial, (offset & 1) != 0 ? piece << 8 | piece >> 24 : piece);
}

/* One 16-bit number in host order, as if it stood in the packet at an even offset. */
NARU_INLINE uint32_t naru_csum_add16(uint32_t partial, uint16_t value)
{
    uint32_t word = NARU_BIG_ENDIAN ? value : (uint32_t)(value >> 8 | (value & 0xff) << 8);
    return naru_csum_sum(partial, word);
}

NARU_INLINE uint32_t naru_csum_add32(uint32_t partial, uint32_t value)
{
    return naru_csum_add16(naru_csum_add16(partial, (uint16_t)(value >> 16)), (uint16_t)value);
}

/*
 * The ones' complement sum of both halves.  They are added to each other crosswise, so that what
 * the lower one carries is already added to the upper one.
 */
NARU_INLINE uint16_t naru_csum_fold32(uint32_t sum)
{
    return (uint16_t)((sum + (sum << 16 | sum >> 16)) >> 16);
}

/* The 16-bit ones' complement sum in host order: what csum_partial offload wants in the field. */
NARU_INLINE uint16_t naru_csum_fold(uint32_t partial)
{
    uint32_t sum = naru_csum_fold32(partial);
    return (uint16_t)(NARU_BIG_ENDIAN ? sum : (sum >> 8 | (sum & 0xff) << 8));
}

/* Sixteen bits of a sum of 32-bit words that are in host order. */
NARU_INLINE uint16_t naru_csum_fold_words(uint64_t sum)
{
    uint32_t words = (uint32_t)sum + (uint32_t)(sum >> 32);
    words += words < (uint32_t)sum;
    return naru_csum_fold32(words);
}

/* The same question as whether that is 0xffff, of a sum that is not 0. */
NARU_INLINE bool naru_csum_words_ok(uint64_t sum) { return sum % 0xffff == 0; }

/*
 * A partial sum among 32-bit words in host order.  All of this is arithmetic modulo 0xffff, where
 * to change the order of two bytes is to multiply by 256.
 */
NARU_INLINE uint64_t naru_csum_as_words(uint64_t partial)
{
    return NARU_BIG_ENDIAN ? partial : partial << 8;
}

/* The checksum to put into the field (which was 0 when summed). */
NARU_INLINE uint16_t naru_csum_finish(uint32_t partial)
{
    return (uint16_t)~naru_csum_fold(partial);
}

/* True if the sum over everything, the checksum field included, is right. */
NARU_INLINE bool naru_csum_ok(uint32_t partial) { return naru_csum_fold(partial) == 0xffff; }

/*
 * The pseudo header of TCP, UDP and ICMPv6: RFC 9293 3.1 when both addresses are IPv4, RFC 8200 8.1
 * otherwise.  len is the length of the transport header and payload.
 */
uint32_t naru_csum_pseudo(const struct naru_addr *src, const struct naru_addr *dst, uint8_t proto,
                          uint32_t len);

/* The checksum field after one 16-bit word under it changed from old to new (RFC 1624). */
NARU_INLINE uint16_t naru_csum_patch16(uint16_t field, uint16_t old, uint16_t new)
{
    uint32_t sum = (uint32_t)(uint16_t)~field + (uint16_t)~old + new;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

#endif
