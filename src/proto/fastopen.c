/* Cookies of TCP Fast Open, made and remembered; see fastopen.h. */
#include "proto/fastopen.h"

#include "base/addr.h"
#include <string.h>

enum { AVOID_S = 60, LOST_MAX = 10 }; /* doubled with each loss; as Linux */

/* ---- Server ---- */

static uint64_t word_of(const uint8_t *p)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < 8; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static void put_word(uint8_t *p, uint64_t v)
{
    for (unsigned i = 0; i < 8; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

bool naru_fastopen_keys_set(struct naru_fastopen_keys *keys, const uint8_t *bytes, size_t len)
{
    if (len != NARU_FASTOPEN_KEY_LEN && len != (size_t)NARU_FASTOPEN_KEY_LEN * 2)
        return false;
    keys->count = (uint8_t)(len / NARU_FASTOPEN_KEY_LEN);
    for (unsigned i = 0; i < keys->count; i++, bytes += NARU_FASTOPEN_KEY_LEN)
        keys->key[i] = (struct naru_siphash_key){ { word_of(bytes), word_of(bytes + 8) } };
    return true;
}

void naru_fastopen_keys_random(struct naru_fastopen_keys *keys, struct naru_rand *rand)
{
    naru_siphash_key_init(&keys->key[0], rand);
    keys->count = 1;
}

size_t naru_fastopen_keys_get(const struct naru_fastopen_keys *keys, uint8_t bytes[32])
{
    for (unsigned i = 0; i < keys->count; i++) {
        put_word(bytes + (size_t)i * NARU_FASTOPEN_KEY_LEN, keys->key[i].k[0]);
        put_word(bytes + (size_t)i * NARU_FASTOPEN_KEY_LEN + 8, keys->key[i].k[1]);
    }
    return (size_t)keys->count * NARU_FASTOPEN_KEY_LEN;
}

static void make(const struct naru_siphash_key *key, const struct naru_addr *client,
                 const struct naru_addr *server, uint8_t cookie[NARU_FASTOPEN_COOKIE_LEN])
{
    uint8_t bytes[32];
    size_t len = naru_addr_is_v4(client) ? 4 : 16, from = 16 - len;
    memcpy(bytes, client->b + from, len);
    memcpy(bytes + len, server->b + from, len);
    put_word(cookie, naru_siphash(key, bytes, 2 * len));
}

void naru_fastopen_cookie(const struct naru_fastopen_keys *keys, const struct naru_addr *client,
                          const struct naru_addr *server, uint8_t cookie[NARU_FASTOPEN_COOKIE_LEN])
{
    make(&keys->key[0], client, server, cookie);
}

enum naru_fastopen_good naru_fastopen_check(const struct naru_fastopen_keys *keys,
                                            const struct naru_addr *client,
                                            const struct naru_addr *server, const uint8_t *cookie,
                                            size_t len)
{
    uint8_t good[NARU_FASTOPEN_COOKIE_LEN];
    for (unsigned i = 0; i < keys->count && len == sizeof(good); i++) {
        make(&keys->key[i], client, server, good);
        if (memcmp(good, cookie, len) == 0)
            return i == 0 ? NARU_FASTOPEN_GOOD : NARU_FASTOPEN_OLD;
    }
    return NARU_FASTOPEN_BAD;
}

/* ---- Client ---- */

static struct naru_fastopen_entry *find(struct naru_fastopen_cache *cache,
                                        const struct naru_addr *local,
                                        const struct naru_addr *remote)
{
    for (unsigned i = 0; i < NARU_FASTOPEN_CACHE; i++) {
        struct naru_fastopen_entry *e = &cache->entry[i];
        if (e->used_at != 0 && naru_addr_eq(&e->remote, remote) && naru_addr_eq(&e->local, local))
            return e;
    }
    return NULL;
}

struct naru_fastopen_entry *naru_fastopen_find(struct naru_fastopen_cache *cache,
                                               const struct naru_addr *local,
                                               const struct naru_addr *remote, naru_time now)
{
    struct naru_fastopen_entry *e = find(cache, local, remote);
    if (e != NULL)
        e->used_at = NARU_MAX(now, (naru_time)1);
    return e;
}

bool naru_fastopen_avoided(const struct naru_fastopen_entry *e, naru_time now)
{
    return e->lost > 1 && now < e->lost_at + NARU_SEC((naru_time)AVOID_S << e->lost);
}

/* A free place, or that of the one used longest ago. */
static struct naru_fastopen_entry *place(struct naru_fastopen_cache *cache)
{
    struct naru_fastopen_entry *oldest = &cache->entry[0];
    for (unsigned i = 1; i < NARU_FASTOPEN_CACHE; i++)
        if (cache->entry[i].used_at < oldest->used_at)
            oldest = &cache->entry[i];
    return oldest;
}

void naru_fastopen_learn(struct naru_fastopen_cache *cache, const struct naru_addr *local,
                         const struct naru_addr *remote, const struct naru_fastopen_news *news,
                         naru_time now)
{
    struct naru_fastopen_entry *e = find(cache, local, remote);
    if (e == NULL) {
        e = place(cache);
        *e = (struct naru_fastopen_entry){ .local = *local, .remote = *remote };
    }
    e->used_at = NARU_MAX(now, (naru_time)1);
    if (news->mss != 0)
        e->mss = news->mss;
    if (news->cookie_len > 0 && news->cookie_len <= NARU_FASTOPEN_COOKIE_MAX) {
        memcpy(e->cookie, news->cookie, news->cookie_len);
        e->cookie_len = news->cookie_len;
        e->experimental = news->experimental;
    }
    if (news->lost) {
        e->lost_at = now;
        e->lost = (uint8_t)NARU_MIN(e->lost + 1, LOST_MAX);
    } else {
        e->lost = 0;
    }
}
