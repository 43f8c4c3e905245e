/*
 * Bytes on the wire: big-endian numbers, and the two cursors over a packet.
 *
 * A struct is never laid over a packet.  A parser takes its header off the front of a span with one
 * bounds check and then reads at constant offsets; an emitter takes room from a writer the same
 * way.  Each get and put is one load or store with a byte swap.  (Shifts of single bytes mean the
 * same, but gcc's vectorizer then builds whole headers out of bytes.)
 */
#ifndef NARU_BASE_BYTES_H
#define NARU_BASE_BYTES_H

#include "base/defs.h"

#include <string.h>

NARU_INLINE uint8_t naru_get8(const uint8_t *p) { return p[0]; }

/* To and from the order of the wire, whatever the machine's is. */
NARU_INLINE uint16_t naru_be16(uint16_t v)
{
    return NARU_BIG_ENDIAN ? v : (uint16_t)(v << 8 | v >> 8);
}

#ifdef __GNUC__
NARU_INLINE uint32_t naru_be32(uint32_t v) { return NARU_BIG_ENDIAN ? v : __builtin_bswap32(v); }
NARU_INLINE uint64_t naru_be64(uint64_t v) { return NARU_BIG_ENDIAN ? v : __builtin_bswap64(v); }
#else
NARU_INLINE uint32_t naru_be32(uint32_t v)
{
    if (NARU_BIG_ENDIAN)
        return v;
    return v << 24 | (v & 0xff00) << 8 | (v >> 8 & 0xff00) | v >> 24;
}

NARU_INLINE uint64_t naru_be64(uint64_t v)
{
    if (NARU_BIG_ENDIAN)
        return v;
    return (uint64_t)naru_be32((uint32_t)v) << 32 | naru_be32((uint32_t)(v >> 32));
}
#endif

NARU_INLINE uint16_t naru_get16(const uint8_t *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return naru_be16(v);
}

NARU_INLINE uint32_t naru_get24(const uint8_t *p)
{
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | (uint32_t)p[2];
}

NARU_INLINE uint32_t naru_get32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return naru_be32(v);
}

NARU_INLINE uint64_t naru_get64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return naru_be64(v);
}

NARU_INLINE void naru_put8(uint8_t *p, unsigned v) { p[0] = (uint8_t)v; }

/* The low 16 bits of v. */
NARU_INLINE void naru_put16(uint8_t *p, unsigned v)
{
    uint16_t wire = naru_be16((uint16_t)v);
    memcpy(p, &wire, sizeof(wire));
}

/* The low 24 bits of v. */
NARU_INLINE void naru_put24(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 16);
    p[1] = (uint8_t)(v >> 8);
    p[2] = (uint8_t)v;
}

NARU_INLINE void naru_put32(uint8_t *p, uint32_t v)
{
    v = naru_be32(v);
    memcpy(p, &v, sizeof(v));
}

NARU_INLINE void naru_put64(uint8_t *p, uint64_t v)
{
    v = naru_be64(v);
    memcpy(p, &v, sizeof(v));
}

/* memcpy, without a call for a few bytes: these are two loads, which meet or overlap. */
NARU_INLINE void naru_copy(void *to, const void *from, size_t len)
{
    const uint8_t *f = from;
    uint8_t *t = to;
    if (len > 16) {
        memcpy(to, from, len);
    } else if (len >= 8) {
        uint64_t first, last;
        memcpy(&first, f, 8);
        memcpy(&last, f + len - 8, 8);
        memcpy(t, &first, 8);
        memcpy(t + len - 8, &last, 8);
    } else if (len >= 4) {
        uint32_t first, last;
        memcpy(&first, f, 4);
        memcpy(&last, f + len - 4, 4);
        memcpy(t, &first, 4);
        memcpy(t + len - 4, &last, 4);
    } else if (len > 0) {
        uint8_t first = f[0], middle = f[len / 2], last = f[len - 1];
        t[0] = first;
        t[len / 2] = middle;
        t[len - 1] = last;
    }
}

/* The unread rest of a packet.  Parsers take their header off the front. */
struct naru_span {
    const uint8_t *at;
    size_t len;
};

NARU_INLINE struct naru_span naru_span(const void *at, size_t len)
{
    return (struct naru_span){ .at = (const uint8_t *)at, .len = len };
}

/* The next len bytes, or NULL: the one bounds check a header needs. */
NARU_INLINE const uint8_t *naru_span_take(struct naru_span *s, size_t len)
{
    const uint8_t *at = s->at;
    if (len > s->len)
        return NULL;
    s->at += len;
    s->len -= len;
    return at;
}

/* The room left in a buffer.  Emitters take what they fill off the front. */
struct naru_writer {
    uint8_t *at;
    size_t len; /* bytes still free */
};

NARU_INLINE struct naru_writer naru_writer(void *at, size_t len)
{
    return (struct naru_writer){ .at = (uint8_t *)at, .len = len };
}

/* Room for len bytes (not cleared), or NULL, and then nothing is taken. */
NARU_INLINE uint8_t *naru_writer_take(struct naru_writer *w, size_t len)
{
    uint8_t *at = w->at;
    if (len > w->len)
        return NULL;
    w->at += len;
    w->len -= len;
    return at;
}

#endif
