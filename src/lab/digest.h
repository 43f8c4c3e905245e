/*
 * The digest by which two runs of the same seed are compared: FNV-1a of every frame that was sent,
 * when, and by whom.
 */
#ifndef NARU_LAB_DIGEST_H
#define NARU_LAB_DIGEST_H

#include <naru/types.h>

#define NARU_DIGEST_NONE 0xcbf29ce484222325u

static inline uint64_t naru_digest_bytes(uint64_t digest, const uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        digest = (digest ^ bytes[i]) * 0x100000001b3u;
    return digest;
}

static inline uint64_t naru_digest_frame(uint64_t digest, naru_time now, unsigned from,
                                         const uint8_t *bytes, size_t len)
{
    return naru_digest_bytes(digest ^ (uint64_t)now ^ (uint64_t)from << 56, bytes, len);
}

#endif
