/*
 * Bytes on the wire: big-endian numbers by shifts, and the two cursors over a packet.
 *
 * A struct is never laid over a packet.  A parser takes its header off the front of a span with one
 * bounds check and then reads at constant offsets; an emitter takes room from a writer the same
 * way. The compilers turn each get and put into one load or store with a byte swap.
 */
#ifndef NARU_BASE_BYTES_H
#define NARU_BASE_BYTES_H

#include "base/defs.h"

NARU_INLINE uint8_t naru_get8(const uint8_t *p) { return p[0]; }

NARU_INLINE uint16_t naru_get16(const uint8_t *p)
{
    return (uint16_t)((unsigned)p[0] << 8 | (unsigned)p[1]);
}

NARU_INLINE uint32_t naru_get24(const uint8_t *p)
{
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | (uint32_t)p[2];
}

NARU_INLINE uint32_t naru_get32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

NARU_INLINE uint64_t naru_get64(const uint8_t *p)
{
    return (uint64_t)naru_get32(p) << 32 | (uint64_t)naru_get32(p + 4);
}

NARU_INLINE void naru_put8(uint8_t *p, unsigned v) { p[0] = (uint8_t)v; }

/* The low 16 bits of v. */
NARU_INLINE void naru_put16(uint8_t *p, unsigned v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
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
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}

NARU_INLINE void naru_put64(uint8_t *p, uint64_t v)
{
    naru_put32(p, (uint32_t)(v >> 32));
    naru_put32(p + 4, (uint32_t)v);
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
