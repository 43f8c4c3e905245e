/*
 * What the compiler can do beyond C17, each behind one name, and the assertion that stays on.
 *
 * This is the only file that asks which compiler or processor it is built with (the SIMD file
 * csum_x86.c apart).  Every name has a meaning without the extension too.
 */
#ifndef NARU_BASE_DEFS_H
#define NARU_BASE_DEFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define NARU_LIKELY(x)         __builtin_expect(!!(x), 1)
#define NARU_UNLIKELY(x)       __builtin_expect(!!(x), 0)
#define NARU_MUST_USE          __attribute__((warn_unused_result))
#define NARU_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define NARU_INLINE            static inline __attribute__((always_inline))
#define NARU_NOINLINE          __attribute__((noinline))
#define NARU_COLD              __attribute__((cold, noinline))
/*
 * All that it calls, but for NOINLINE, becomes part of it where the compiler sees it.  And all of
 * it is to be fast: of a long function with many early returns gcc takes the end for what seldom
 * happens, and makes it small (with idiv where it would multiply).
 */
#define NARU_FLATTEN     __attribute__((flatten, hot))
#define NARU_UNUSED      __attribute__((unused))
#define NARU_FALLTHROUGH __attribute__((fallthrough))
#define NARU_ALIGNED(n)  __attribute__((aligned(n)))
/* Asks for the cache line of p; p need not be a valid address. */
#define NARU_PREFETCH(p) __builtin_prefetch((p), 0, 3)
#else
#define NARU_LIKELY(x)   (x)
#define NARU_UNLIKELY(x) (x)
#define NARU_MUST_USE
#define NARU_PRINTF(fmt, args)
#define NARU_INLINE static inline
#define NARU_NOINLINE
#define NARU_COLD
#define NARU_FLATTEN
#define NARU_UNUSED
#define NARU_FALLTHROUGH ((void)0)
#define NARU_ALIGNED(n)
#define NARU_PREFETCH(p) ((void)(p))
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define NARU_BIG_ENDIAN 1
#else
#define NARU_BIG_ENDIAN 0
#endif

#define NARU_CACHE_LINE 64

/*
 * naru itself is wrong: says what and where, and does not return.  The engine only declares it; the
 * embedder (or our host layer) defines it.  Reachable from the wire means a security bug.
 */
NARU_COLD _Noreturn void naru_panic(const char *what, const char *file, int line);

/* On in release builds too; cond is evaluated exactly once. */
#define NARU_ASSERT(cond) \
    (NARU_LIKELY(cond) ? (void)0 : naru_panic("assertion failed: " #cond, __FILE__, __LINE__))

/* A place that no run reaches, such as after a switch over all members of an enum. */
#define NARU_UNREACHABLE() naru_panic("unreachable code", __FILE__, __LINE__)

#define NARU_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* The object of the given type whose member ptr points to. */
#define NARU_CONTAINER_OF(ptr, type, member) \
    ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* x rounded up to a multiple of to, a power of two. */
NARU_INLINE size_t naru_round_up(size_t x, size_t to) { return (x + (to - 1)) & ~(to - 1); }

/*
 * The smaller and the larger of two numbers; each argument is evaluated once.  The type is that of
 * a + b, so 8- and 16-bit arguments give an int.
 */
NARU_INLINE int naru_min_int(int a, int b) { return a < b ? a : b; }
NARU_INLINE int naru_max_int(int a, int b) { return a > b ? a : b; }
NARU_INLINE unsigned naru_min_uint(unsigned a, unsigned b) { return a < b ? a : b; }
NARU_INLINE unsigned naru_max_uint(unsigned a, unsigned b) { return a > b ? a : b; }
NARU_INLINE long naru_min_long(long a, long b) { return a < b ? a : b; }
NARU_INLINE long naru_max_long(long a, long b) { return a > b ? a : b; }
NARU_INLINE unsigned long naru_min_ulong(unsigned long a, unsigned long b) { return a < b ? a : b; }
NARU_INLINE unsigned long naru_max_ulong(unsigned long a, unsigned long b) { return a > b ? a : b; }
NARU_INLINE long long naru_min_llong(long long a, long long b) { return a < b ? a : b; }
NARU_INLINE long long naru_max_llong(long long a, long long b) { return a > b ? a : b; }
NARU_INLINE unsigned long long naru_min_ullong(unsigned long long a, unsigned long long b)
{
    return a < b ? a : b;
}
NARU_INLINE unsigned long long naru_max_ullong(unsigned long long a, unsigned long long b)
{
    return a > b ? a : b;
}

/* clang-format off */
#define NARU_MIN(a, b)                                                                             \
    _Generic((a) + (b), int: naru_min_int, unsigned: naru_min_uint, long: naru_min_long,           \
        unsigned long: naru_min_ulong, long long: naru_min_llong,                                  \
        unsigned long long: naru_min_ullong)((a), (b))
#define NARU_MAX(a, b)                                                                             \
    _Generic((a) + (b), int: naru_max_int, unsigned: naru_max_uint, long: naru_max_long,           \
        unsigned long: naru_max_ulong, long long: naru_max_llong,                                  \
        unsigned long long: naru_max_ullong)((a), (b))
/* clang-format on */

/* Index of the lowest and of the highest bit that is set; x is not 0. */
NARU_INLINE unsigned naru_bit_lowest(uint64_t x)
{
#if defined(__GNUC__)
    return (unsigned)__builtin_ctzll(x);
#else
    unsigned n = 0;
    for (; (x & 1) == 0; x >>= 1)
        n++;
    return n;
#endif
}

NARU_INLINE unsigned naru_bit_highest(uint64_t x)
{
#if defined(__GNUC__)
    return 63U - (unsigned)__builtin_clzll(x);
#else
    unsigned n = 0;
    while (x >>= 1)
        n++;
    return n;
#endif
}

/*
 * With AddressSanitizer, memory that lies idle in our own pools is out of bounds, so that a use
 * after its return is found as if it had come from malloc.
 */
#if defined(__SANITIZE_ADDRESS__)
#define NARU_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define NARU_ASAN 1
#endif
#endif
#ifdef NARU_ASAN
void __asan_poison_memory_region(void const volatile *at, size_t len);
void __asan_unpoison_memory_region(void const volatile *at, size_t len);
#define NARU_POISON(at, len)   __asan_poison_memory_region((at), (len))
#define NARU_UNPOISON(at, len) __asan_unpoison_memory_region((at), (len))
#else
#define NARU_POISON(at, len)   ((void)(at), (void)(len))
#define NARU_UNPOISON(at, len) ((void)(at), (void)(len))
#endif

#endif
