/* Memory and randomness from the host; see alloc.h. */
#include "host/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#define LARGE_PAGE ((size_t)2 << 20)

/* Large pieces hold many objects met at random: in large pages, where the host has them. */
static void *malloc_alloc(void *user, size_t size)
{
    (void)user;
    if (size < LARGE_PAGE - LARGE_PAGE / 16)
        return malloc(size);
    size = (size + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
    void *at = aligned_alloc(LARGE_PAGE, size);
    if (at != NULL)
        (void)madvise(at, size, MADV_HUGEPAGE);
    return at;
}

static void malloc_free(void *user, void *ptr, size_t size)
{
    (void)user;
    (void)size;
    free(ptr);
}

struct naru_alloc naru_alloc_malloc(void)
{
    return (struct naru_alloc){ .alloc = malloc_alloc, .free = malloc_free };
}

int naru_random_fill(void *at, size_t len)
{
    uint8_t *p = at;

    while (len > 0) {
        ssize_t got = getrandom(p, len, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        p += got;
        len -= (size_t)got;
    }
    return 0;
}

/* One step of a multiplicative mixer: every bit of the number reaches every bit of the result. */
static uint64_t mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    return x;
}

void naru_seed_from_number(uint64_t number, uint8_t seed[32])
{
    for (unsigned i = 0; i < 4; i++) {
        uint64_t word = mix(number + (i + 1) * 0x9e3779b97f4a7c15u);
        for (unsigned k = 0; k < 8; k++)
            seed[8 * i + k] = (uint8_t)(word >> (8 * k));
    }
}
