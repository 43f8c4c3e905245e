/*
 * SHA-256 (FIPS 180-4) and SHAKE256 (FIPS 202), for tests that speak with tests/lib/peer.py: it
 * makes its data with the one and reports what it got with the other.  Plain and slow.
 */
#ifndef NARU_TESTS_DIGEST_H
#define NARU_TESTS_DIGEST_H

#include <stddef.h>
#include <stdint.h>

struct test_sha256 {
    uint32_t h[8];
    uint64_t len;
    uint8_t block[64];
};

void test_sha256_init(struct test_sha256 *s);
void test_sha256_add(struct test_sha256 *s, const void *data, size_t len);
/* In hexadecimal, with a NUL. */
void test_sha256_finish(struct test_sha256 *s, char text[65]);

void test_shake256(const void *seed, size_t seed_len, uint8_t *out, size_t len);

#endif
