/*
 * Slabs for objects of one size.
 *
 * The slabs are kept in an array in order of address, used only when one is added and by trim,
 * which finds the slab of a free object by bisection.
 */
#include "base/pool.h"

#include <string.h>

#define SLAB_BYTES_FIRST 2048
#define SLAB_BYTES_PLAIN 65536      /* up to here each slab doubles */
#define SLAB_BYTES_MAX   (2U << 20) /* a large page, which a large pool lives in */
#define ALIGN_ALLOC      16         /* what struct naru_mem promises */

struct naru_pool_slab {
    uint8_t *base;    /* as allocated */
    uint32_t bytes;   /* as allocated */
    uint32_t objects; /* in it */
    uint32_t idle;    /* scratch of trim */
};

void naru_pool_init(struct naru_pool *p, struct naru_mem *mem, size_t size, size_t align,
                    uint32_t count_max)
{
    NARU_ASSERT(size > 0 && size <= UINT32_MAX / 2);
    NARU_ASSERT(align > 0 && align <= NARU_CACHE_LINE && (align & (align - 1)) == 0);
    if (align < sizeof(void *))
        align = sizeof(void *);
    *p = (struct naru_pool){
        .object_size = (uint32_t)naru_round_up(size, align),
        .align = (uint32_t)align,
        .count_max = count_max == 0 ? UINT32_MAX : count_max,
        .mem = mem,
    };
}

static void release_slab(struct naru_pool *p, struct naru_pool_slab *slab)
{
    NARU_UNPOISON(slab->base, slab->bytes);
    naru_mem_free(p->mem, slab->base, slab->bytes);
    p->slab_bytes -= slab->bytes;
}

static void release_array(struct naru_pool *p)
{
    naru_mem_free(p->mem, p->slabs, p->slab_room * sizeof(*p->slabs));
    p->slabs = NULL;
    p->slab_room = 0;
}

static void release_all(struct naru_pool *p)
{
    for (uint32_t i = 0; i < p->slab_count; i++)
        release_slab(p, &p->slabs[i]);
    release_array(p);
    p->slab_count = 0;
    p->free_first = NULL;
    p->fresh = p->fresh_end = NULL;
}

void naru_pool_deinit(struct naru_pool *p)
{
    release_all(p);
    p->count = 0;
}

static bool grow_array(struct naru_pool *p)
{
    if (p->slab_count < p->slab_room)
        return true;

    uint32_t room = p->slab_room == 0 ? 4 : p->slab_room * 2;
    struct naru_pool_slab *slabs = naru_mem_alloc(p->mem, room * sizeof(*slabs));
    if (slabs == NULL)
        return false;
    if (p->slab_count > 0)
        memcpy(slabs, p->slabs, p->slab_count * sizeof(*slabs));
    uint32_t count = p->slab_count;
    release_array(p);
    p->slabs = slabs;
    p->slab_room = room;
    p->slab_count = count;
    return true;
}

/* The number of slabs that begin at or before address at. */
static uint32_t slabs_up_to(const struct naru_pool *p, const void *at)
{
    uint32_t lo = 0, hi = p->slab_count;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if ((uintptr_t)p->slabs[mid].base <= (uintptr_t)at)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

/*
 * Objects of the next slab, at least one: twice the bytes of the one before, then as much as an
 * eighth of all, so that slabs are few and what is unused stays in proportion.
 */
static uint32_t next_slab_objects(const struct naru_pool *p, size_t slack)
{
    uint64_t part = NARU_MAX(p->slab_bytes / 8, (uint64_t)SLAB_BYTES_PLAIN);
    size_t bytes = part >= SLAB_BYTES_MAX ? SLAB_BYTES_MAX : (size_t)part;
    if (p->slab_count < 5)
        bytes = (size_t)SLAB_BYTES_FIRST << p->slab_count;
    uint32_t objects = (uint32_t)((bytes - slack) / p->object_size);
    uint32_t wanted = p->count_max - p->count;
    if (objects > wanted)
        objects = wanted;
    return objects == 0 ? 1 : objects;
}

static bool add_slab(struct naru_pool *p)
{
    size_t slack = p->align > ALIGN_ALLOC ? p->align - ALIGN_ALLOC : 0;
    uint32_t objects = next_slab_objects(p, slack);
    size_t bytes = (size_t)objects * p->object_size + slack;

    if (!grow_array(p))
        return false;
    uint8_t *base = naru_mem_alloc(p->mem, bytes);
    if (base == NULL)
        return false;
    p->fresh = base + (naru_round_up((uintptr_t)base, p->align) - (uintptr_t)base);
    p->fresh_end = p->fresh + (size_t)objects * p->object_size;
    NARU_POISON(base, bytes);

    uint32_t at = slabs_up_to(p, base);
    memmove(&p->slabs[at + 1], &p->slabs[at], (p->slab_count - at) * sizeof(*p->slabs));
    p->slabs[at] = (struct naru_pool_slab){
        .base = base,
        .bytes = (uint32_t)bytes,
        .objects = objects,
    };
    p->slab_count++;
    p->slab_bytes += bytes;
    return true;
}

void *naru_pool_get_slow(struct naru_pool *p)
{
    if (p->count >= p->count_max)
        return NULL;
    if (p->fresh == p->fresh_end && !add_slab(p))
        return NULL;

    void *obj = p->fresh;
    p->fresh += p->object_size;
    NARU_UNPOISON(obj, p->object_size);
    if (++p->count > p->count_peak)
        p->count_peak = p->count;
    return obj;
}

static struct naru_pool_slab *slab_of(const struct naru_pool *p, const void *obj)
{
    uint32_t n = slabs_up_to(p, obj);
    NARU_ASSERT(n > 0);
    return &p->slabs[n - 1];
}

static void *next_free(void *obj)
{
    NARU_UNPOISON(obj, sizeof(void *));
    void *next = *(void **)obj;
    NARU_POISON(obj, sizeof(void *));
    return next;
}

static void set_next_free(void *obj, void *next)
{
    NARU_UNPOISON(obj, sizeof(void *));
    *(void **)obj = next;
    NARU_POISON(obj, sizeof(void *));
}

/* Counts the idle objects of every slab. */
static void count_idle(struct naru_pool *p)
{
    for (uint32_t i = 0; i < p->slab_count; i++)
        p->slabs[i].idle = 0;
    for (void *obj = p->free_first; obj != NULL; obj = next_free(obj))
        slab_of(p, obj)->idle++;
    if (p->fresh != p->fresh_end) {
        size_t fresh = (size_t)(p->fresh_end - p->fresh) / p->object_size;
        slab_of(p, p->fresh)->idle += (uint32_t)fresh;
    }
}

/* Takes the objects of idle slabs out of the free list; the order of the others stays. */
static void forget_idle(struct naru_pool *p)
{
    void *first = NULL, *last = NULL;
    for (void *obj = p->free_first, *next; obj != NULL; obj = next) {
        const struct naru_pool_slab *slab = slab_of(p, obj);
        next = next_free(obj);
        if (slab->idle == slab->objects)
            continue;
        if (last == NULL)
            first = obj;
        else
            set_next_free(last, obj);
        last = obj;
    }
    if (last != NULL)
        set_next_free(last, NULL);
    p->free_first = first;

    if (p->fresh != p->fresh_end) {
        const struct naru_pool_slab *slab = slab_of(p, p->fresh);
        if (slab->idle == slab->objects)
            p->fresh = p->fresh_end = NULL;
    }
}

size_t naru_pool_trim(struct naru_pool *p)
{
    uint64_t before = p->slab_bytes;
    uint32_t kept = 0;

    if (p->count == 0) {
        release_all(p);
        return (size_t)before;
    }
    count_idle(p);
    forget_idle(p);
    for (uint32_t i = 0; i < p->slab_count; i++) {
        if (p->slabs[i].idle == p->slabs[i].objects)
            release_slab(p, &p->slabs[i]);
        else
            p->slabs[kept++] = p->slabs[i];
    }
    p->slab_count = kept;
    return (size_t)(before - p->slab_bytes);
}
