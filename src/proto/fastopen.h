/*
 * TCP Fast Open (RFC 7413), what a host remembers of it: the keys its cookies are made with, and
 * the cookies that others gave it.
 *
 * A cookie is a keyed hash of the two addresses, made as Linux makes it (SipHash-2-4 of the
 * client's and the server's address), so that machines of both kinds behind one address may share a
 * key. Of two keys the first makes cookies, and both are believed: so keys can be changed.
 *
 * The cache of a client is bounded; the entry that was used longest ago makes room.  A path on
 * which SYNs with data or the option were lost more than once is left alone for a while, longer
 * each time (4.1.3.1): some middleboxes drop them.
 */
#ifndef NARU_PROTO_FASTOPEN_H
#define NARU_PROTO_FASTOPEN_H

#include "base/siphash.h"
#include <naru/types.h>

enum {
    NARU_FASTOPEN_KEY_LEN = 16,
    NARU_FASTOPEN_COOKIE_LEN = 8, /* of ours */
    NARU_FASTOPEN_COOKIE_MAX = 16,
    NARU_FASTOPEN_CACHE = 64, /* servers */
};

/* ---- Server ---- */

struct naru_fastopen_keys {
    struct naru_siphash_key key[2];
    uint8_t count; /* 0: not set */
};

/* One or two keys of 16 bytes; false: another length. */
bool naru_fastopen_keys_set(struct naru_fastopen_keys *keys, const uint8_t *bytes, size_t len);
void naru_fastopen_keys_random(struct naru_fastopen_keys *keys, struct naru_rand *rand);
/* Their bytes, as they were set; the length. */
size_t naru_fastopen_keys_get(const struct naru_fastopen_keys *keys, uint8_t bytes[32]);

void naru_fastopen_cookie(const struct naru_fastopen_keys *keys, const struct naru_addr *client,
                          const struct naru_addr *server, uint8_t cookie[NARU_FASTOPEN_COOKIE_LEN]);

enum naru_fastopen_good {
    NARU_FASTOPEN_BAD,
    NARU_FASTOPEN_GOOD,
    NARU_FASTOPEN_OLD, /* of the second key: good, and a new one should be given */
};

enum naru_fastopen_good naru_fastopen_check(const struct naru_fastopen_keys *keys,
                                            const struct naru_addr *client,
                                            const struct naru_addr *server, const uint8_t *cookie,
                                            size_t len);

/* ---- Client ---- */

struct naru_fastopen_entry {
    struct naru_addr local, remote;
    naru_time used_at; /* 0: free */
    naru_time lost_at;
    uint16_t mss;       /* the server's; 0: not known */
    uint8_t lost;       /* SYNs in a row */
    uint8_t cookie_len; /* 0: none */
    bool experimental;  /* it came in option 254 */
    uint8_t cookie[NARU_FASTOPEN_COOKIE_MAX];
};

struct naru_fastopen_cache {
    struct naru_fastopen_entry entry[NARU_FASTOPEN_CACHE];
};

/* What is known of that server, or NULL. */
struct naru_fastopen_entry *naru_fastopen_find(struct naru_fastopen_cache *cache,
                                               const struct naru_addr *local,
                                               const struct naru_addr *remote, naru_time now);
/* Is it better left alone? */
bool naru_fastopen_avoided(const struct naru_fastopen_entry *e, naru_time now);

/* What a SYN,ACK told; cookie_len 0: no cookie, mss 0: none. */
struct naru_fastopen_news {
    const uint8_t *cookie;
    uint8_t cookie_len;
    bool experimental;
    uint16_t mss;
    bool lost; /* neither cookie nor data came through, and the SYN was sent again */
};

void naru_fastopen_learn(struct naru_fastopen_cache *cache, const struct naru_addr *local,
                         const struct naru_addr *remote, const struct naru_fastopen_news *news,
                         naru_time now);

#endif
