/*
 * TCP sequence numbers (RFC 9293 3.4): points on a circle of 2^32.
 *
 * Wrapped in a struct so that a < b does not compile.  Two points are compared by the signed
 * distance between them, which means something as long as they are less than 2^31 apart; lengths
 * and windows stay plain integers.
 */
#ifndef NARU_BASE_SEQ_H
#define NARU_BASE_SEQ_H

#include "base/defs.h"

typedef struct {
    uint32_t v;
} naru_seq;

NARU_INLINE naru_seq naru_seq_of(uint32_t v) { return (naru_seq){ .v = v }; }

NARU_INLINE naru_seq naru_seq_add(naru_seq a, uint32_t n) { return (naru_seq){ .v = a.v + n }; }
NARU_INLINE naru_seq naru_seq_sub(naru_seq a, uint32_t n) { return (naru_seq){ .v = a.v - n }; }

/* From a forward to b: positive when b is later. */
NARU_INLINE int32_t naru_seq_diff(naru_seq a, naru_seq b) { return (int32_t)(b.v - a.v); }

/* The same where b is known not to be before a. */
NARU_INLINE uint32_t naru_seq_len(naru_seq a, naru_seq b) { return b.v - a.v; }

NARU_INLINE bool naru_seq_eq(naru_seq a, naru_seq b) { return a.v == b.v; }
NARU_INLINE bool naru_seq_before(naru_seq a, naru_seq b) { return naru_seq_diff(a, b) > 0; }
NARU_INLINE bool naru_seq_before_eq(naru_seq a, naru_seq b) { return naru_seq_diff(a, b) >= 0; }
NARU_INLINE bool naru_seq_after(naru_seq a, naru_seq b) { return naru_seq_diff(b, a) > 0; }
NARU_INLINE bool naru_seq_after_eq(naru_seq a, naru_seq b) { return naru_seq_diff(b, a) >= 0; }

NARU_INLINE naru_seq naru_seq_min(naru_seq a, naru_seq b) { return naru_seq_before(b, a) ? b : a; }
NARU_INLINE naru_seq naru_seq_max(naru_seq a, naru_seq b) { return naru_seq_before(a, b) ? b : a; }

/* start <= s < start + len on the circle; any len, also more than half of it. */
NARU_INLINE bool naru_seq_in(naru_seq s, naru_seq start, uint32_t len)
{
    return s.v - start.v < len;
}

#endif
