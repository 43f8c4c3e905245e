/* SHA-256 and SHAKE256; see digest.h. */
#include "lib/digest.h"

#include <stdio.h>
#include <string.h>

static uint32_t rotr32(uint32_t x, unsigned n) { return x >> n | x << (32 - n); }
static uint64_t rotl64(uint64_t x, unsigned n) { return n == 0 ? x : x << n | x >> (64 - n); }

/* ---- SHA-256 ---- */

static const uint32_t k256[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

void test_sha256_init(struct test_sha256 *s)
{
    *s = (struct test_sha256){ .h = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f,
                                      0x9b05688c, 0x1f83d9ab, 0x5be0cd19 } };
}

static void compress(uint32_t h[8], const uint8_t *p)
{
    uint32_t w[64], v[8];

    for (unsigned i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 |
               (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (unsigned i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (rotr32(a, 7) ^ rotr32(a, 18) ^ a >> 3) + w[i - 7] +
               (rotr32(b, 17) ^ rotr32(b, 19) ^ b >> 10);
    }
    memcpy(v, h, sizeof(v));
    for (unsigned i = 0; i < 64; i++) {
        uint32_t s1 = rotr32(v[4], 6) ^ rotr32(v[4], 11) ^ rotr32(v[4], 25);
        uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + k256[i] + w[i];
        uint32_t s0 = rotr32(v[0], 2) ^ rotr32(v[0], 13) ^ rotr32(v[0], 22);
        uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (unsigned i = 0; i < 8; i++)
        h[i] += v[i];
}

void test_sha256_add(struct test_sha256 *s, const void *data, size_t len)
{
    const uint8_t *p = data;

    while (len > 0) {
        size_t used = s->len % 64, n = 64 - used;
        if (used == 0 && len >= 64) {
            compress(s->h, p);
            n = 64;
        } else {
            if (n > len)
                n = len;
            memcpy(s->block + used, p, n);
            if (used + n == 64)
                compress(s->h, s->block);
        }
        s->len += n;
        p += n;
        len -= n;
    }
}

void test_sha256_finish(struct test_sha256 *s, char text[65])
{
    uint64_t bits = s->len * 8;
    uint8_t end[72] = { 0x80 };
    size_t pad = (119 - s->len % 64) % 64 + 1;

    for (unsigned i = 0; i < 8; i++)
        end[pad + i] = (uint8_t)(bits >> (56 - 8 * i));
    test_sha256_add(s, end, pad + 8);
    for (unsigned i = 0; i < 8; i++)
        snprintf(text + 8 * i, 9, "%08x", (unsigned)s->h[i]);
}

/* ---- SHAKE256: Keccak-f[1600] with a rate of 136 bytes ---- */

#define RATE 136

static void permute(uint64_t a[25])
{
    uint8_t lfsr = 1;

    for (unsigned round = 0; round < 24; round++) {
        uint64_t c[5], t = a[1];
        for (unsigned x = 0; x < 5; x++)
            c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
        for (unsigned i = 0; i < 25; i++)
            a[i] ^= c[(i + 4) % 5] ^ rotl64(c[(i + 1) % 5], 1);
        t = a[1];
        for (unsigned i = 0, x = 1, y = 0; i < 24; i++) {
            unsigned new_y = (2 * x + 3 * y) % 5;
            x = y;
            y = new_y;
            uint64_t next = a[x + 5 * y];
            a[x + 5 * y] = rotl64(t, (i + 1) * (i + 2) / 2 % 64);
            t = next;
        }
        for (unsigned y = 0; y < 25; y += 5) {
            memcpy(c, a + y, sizeof(c));
            for (unsigned x = 0; x < 5; x++)
                a[y + x] = c[x] ^ (~c[(x + 1) % 5] & c[(x + 2) % 5]);
        }
        for (unsigned j = 0; j < 7; j++) {
            if ((lfsr & 1) != 0)
                a[0] ^= UINT64_C(1) << ((1u << j) - 1);
            lfsr = (uint8_t)(lfsr << 1 ^ ((lfsr >> 7) != 0 ? 0x71 : 0));
        }
    }
}

static void absorb_byte(uint64_t a[25], size_t at, uint8_t byte)
{
    a[at / 8] ^= (uint64_t)byte << (8 * (at % 8));
}

void test_shake256(const void *seed, size_t seed_len, uint8_t *out, size_t len)
{
    uint64_t a[25] = { 0 };
    const uint8_t *p = seed;
    size_t at = 0;

    for (size_t i = 0; i < seed_len; i++) {
        absorb_byte(a, at++, p[i]);
        if (at == RATE) {
            permute(a);
            at = 0;
        }
    }
    absorb_byte(a, at, 0x1f);
    absorb_byte(a, RATE - 1, 0x80);
    for (size_t i = 0; i < len; i++) {
        if (i % RATE == 0)
            permute(a);
        out[i] = (uint8_t)(a[i % RATE / 8] >> (8 * (i % RATE % 8)));
    }
}
