/*
 * The Internet checksum with AVX2: the words are made signed (0x8000 taken off each), added in
 * pairs into 32-bit lanes by a multiplication with one, and the 0x8000s put back at the end: three
 * instructions for 32 bytes.
 *
 * AVX-512 is left alone: its dot products sum 64 bytes in two instructions, but processors that
 * lower their clock for it then run everything else slower, a whole transfer by a tenth.
 *
 * The processor is asked by CPUID and XGETBV each time; nothing is remembered here.
 */
#include "base/csum_x86.h"

#include "base/csum.h"

#if defined(__x86_64__) && defined(__GNUC__)

#include <cpuid.h>
#include <immintrin.h>
#include <string.h>

#define TARGET_AVX2 __attribute__((target("avx2")))

/* Below, setting the vectors up costs more than they save. */
enum { VECTOR_MIN = 64 };

/* Bytes after which the 32-bit lanes are emptied: 2^31 / (65536 * 32 bytes), and room. */
#define CHUNK ((size_t)256 * 1024)

/* ---- AVX2 ---- */

TARGET_AVX2 NARU_INLINE __m256i load256(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

TARGET_AVX2 NARU_INLINE void store256(uint8_t *p, __m256i v)
{
    _mm256_storeu_si256((__m256i *)(void *)p, v);
}

/* Pairs of the words of v, each less 0x8000. */
TARGET_AVX2 NARU_INLINE __m256i pairs256(__m256i v)
{
    __m256i words = _mm256_xor_si256(v, _mm256_set1_epi16((short)-0x8000));
    return _mm256_madd_epi16(words, _mm256_set1_epi16(1));
}

/* The eight signed lanes, and the 0x8000 of each of the words in bytes. */
TARGET_AVX2 NARU_INLINE uint64_t reduce256(__m256i acc, size_t bytes)
{
    __m256i wide = _mm256_add_epi64(_mm256_cvtepi32_epi64(_mm256_castsi256_si128(acc)),
                                    _mm256_cvtepi32_epi64(_mm256_extracti128_si256(acc, 1)));
    __m128i two = _mm_add_epi64(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
    int64_t sum = _mm_extract_epi64(two, 0) + _mm_extract_epi64(two, 1);
    return (uint64_t)(sum + (int64_t)(bytes / 2) * 0x8000);
}

/* 32 bytes of nothing, then 32 of everything: loaded at n, a mask of the last n bytes. */
static const uint8_t mask256[64] = {
    [32] = 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff,        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xff,        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
};

/*
 * len is 32..CHUNK and even; copy is a constant where this is called.  The rest that does not fill
 * a vector is read with the bytes before it, which are masked out of the sum and copied once more.
 */
TARGET_AVX2 NARU_INLINE uint64_t chunk256(bool copy, uint8_t *to, const uint8_t *p, size_t len)
{
    __m256i a = _mm256_setzero_si256(), b = a;
    size_t i = 0;

    for (; len - i >= 128; i += 128) {
        __m256i v0 = load256(p + i), v1 = load256(p + i + 32);
        __m256i v2 = load256(p + i + 64), v3 = load256(p + i + 96);
        if (copy) {
            store256(to + i, v0);
            store256(to + i + 32, v1);
            store256(to + i + 64, v2);
            store256(to + i + 96, v3);
        }
        a = _mm256_add_epi32(a, pairs256(v0));
        b = _mm256_add_epi32(b, pairs256(v1));
        a = _mm256_add_epi32(a, pairs256(v2));
        b = _mm256_add_epi32(b, pairs256(v3));
    }
    for (; len - i >= 32; i += 32) {
        __m256i v = load256(p + i);
        if (copy)
            store256(to + i, v);
        a = _mm256_add_epi32(a, pairs256(v));
    }
    size_t counted = len;
    if (i < len) {
        __m256i v = load256(p + len - 32);
        if (copy)
            store256(to + len - 32, v);
        b = _mm256_add_epi32(b, pairs256(_mm256_and_si256(v, load256(mask256 + (len - i)))));
        counted = i + 32;
    }
    return reduce256(_mm256_add_epi32(a, b), counted);
}

/* The same for any len from 32. */
TARGET_AVX2 NARU_INLINE uint32_t all256(uint32_t partial, bool copy, uint8_t *to, const uint8_t *p,
                                        size_t len)
{
    uint64_t sum = partial;

    if ((len & 1) != 0) {
        len--;
        sum += p[len];
        if (copy)
            to[len] = p[len];
    }
    while (len > CHUNK) {
        sum += chunk256(copy, to, p, CHUNK / 2);
        p += CHUNK / 2;
        if (copy)
            to += CHUNK / 2;
        len -= CHUNK / 2;
    }
    return naru_csum_fold64(sum + chunk256(copy, to, p, len));
}

TARGET_AVX2 static uint32_t add_avx2(uint32_t partial, const void *data, size_t len)
{
    if (len < VECTOR_MIN)
        return naru_csum_add(partial, data, len);
    return all256(partial, false, NULL, data, len);
}

TARGET_AVX2 static uint32_t copy_avx2(uint32_t partial, void *dst, const void *src, size_t len)
{
    if (len < VECTOR_MIN)
        return naru_csum_copy(partial, dst, src, len);
    return all256(partial, true, dst, src, len);
}

/* ---- the choice ---- */

static const struct naru_csum_ops avx2 = { .add = add_avx2, .copy = copy_avx2, .name = "avx2" };

/* The register files that the operating system saves: XCR0. */
static uint32_t saved_state(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool have_avx2(void)
{
    unsigned a, b, c, d;
    const unsigned osxsave_avx = 1U << 27 | 1U << 28, ymm_saved = 0x6, in_ebx = 1U << 5;

    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & osxsave_avx) != osxsave_avx)
        return false;
    return (saved_state() & ymm_saved) == ymm_saved && __get_cpuid_count(7, 0, &a, &b, &c, &d) &&
           (b & in_ebx) != 0;
}

const struct naru_csum_ops *naru_csum_ops_x86(unsigned n)
{
    return n == 0 && have_avx2() ? &avx2 : NULL;
}

#else

const struct naru_csum_ops *naru_csum_ops_x86(unsigned n)
{
    (void)n;
    return NULL;
}

#endif
