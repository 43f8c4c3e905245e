/*
 * SYN cookies (RFC 4987 3.6): a listener that is out of half-open places remembers nothing; the
 * acknowledgement brings everything back.
 *
 * The sequence number is a keyed hash of the name and the peer's ISS, with a key that lives for a
 * minute and is known for one more; in its lowest three bits stands the index of the MSS, under
 * three other bits of the hash.  So of 2^32 numbers sixteen are good at any time.  What window
 * scale, SACK and ECN (RFC 3168; accurate ECN becomes that) the peer offered rides in the low bits
 * of our timestamp, which the peer echoes; without timestamps they are given up.
 */
#include "proto/tcp/internal.h"

enum {
    LIFE_MINUTES = 2,
    SIZE_MASK = 7, /* low bits of the sequence number: index of the MSS */
    TS_BITS = 6,   /* low bits of the timestamp: window scale, SACK, ECN */
    TS_NO_WSCALE = 0xf,
    TS_SACK = 0x10,
    TS_ECN = 0x20,
};

/* The sizes that matter on the Internet; a peer gets the largest that is not above its own. */
static const uint16_t sizes[8] = { 216, 536, 1220, 1300, 1400, 1440, 1460, 8960 };

static uint32_t minutes(naru_time now) { return (uint32_t)(now / NARU_SEC(60)); }

void naru_tcp_cookie_init(struct naru_tcp_env *env)
{
    for (unsigned i = 0; i < LIFE_MINUTES; i++)
        naru_siphash_key_init(&env->cookie_key[i], env->rand);
    env->cookie_minute = 0;
}

/* A new minute has a new key. */
static void change_keys(struct naru_tcp_env *env, naru_time now)
{
    uint32_t minute = minutes(now), passed = minute - env->cookie_minute;
    if (NARU_LIKELY(passed == 0))
        return;
    env->cookie_key[1] = env->cookie_key[0];
    for (unsigned i = 0; i < NARU_MIN(passed, (uint32_t)LIFE_MINUTES); i++)
        naru_siphash_key_init(&env->cookie_key[i], env->rand);
    env->cookie_minute = minute;
}

static uint64_t hash(const struct naru_siphash_key *key, const struct naru_hash_tuple *tuple,
                     naru_seq irs)
{
    struct naru_hash_tuple with_irs = *tuple;
    with_irs.extra = irs.v;
    return naru_siphash_flow(key, &with_irs);
}

static naru_seq make(uint64_t hash, unsigned size)
{
    return naru_seq_of(((uint32_t)hash & ~(uint32_t)SIZE_MASK) |
                       ((uint32_t)(hash >> 32 ^ size) & SIZE_MASK));
}

/* The index of the MSS in a sequence number made of that hash; -1: it was not. */
static int size_of(uint64_t hash, naru_seq iss)
{
    uint32_t size = (iss.v ^ (uint32_t)(hash >> 32)) & SIZE_MASK;
    return naru_seq_eq(make(hash, size), iss) ? (int)size : -1;
}

void naru_tcp_cookie_make(struct naru_tcp_env *env, const struct naru_hash_tuple *tuple,
                          const struct naru_tcp_setup *setup, const struct naru_tcp_hdr *syn,
                          naru_time now, struct naru_tcp_hdr *out)
{
    const struct naru_config *config = env->config;
    uint16_t mss = (syn->opts & NARU_TCP_OPT_MSS) && syn->mss != 0 ? syn->mss : setup->mss_default;
    const struct naru_tcp_opts *opts =
        setup->like != NULL ? naru_tcp_opts(setup->like) : &env->opts;
    unsigned size = SIZE_MASK;
    while (size > 0 && sizes[size] > mss)
        size--;
    change_keys(env, now);
    *out = (struct naru_tcp_hdr){
        .sport = syn->dport,
        .dport = syn->sport,
        .seq = make(hash(&env->cookie_key[0], tuple, syn->seq), size),
        .ack = naru_seq_add(syn->seq, 1),
        .flags = NARU_TCP_SYN | NARU_TCP_ACK,
        .wnd = (uint16_t)NARU_MIN(opts->rcvbuf, 65535u),
        .opts = NARU_TCP_OPT_MSS,
        .mss = setup->mss,
    };
    env->counters.cookies_sent++;
    if (!(syn->opts & NARU_TCP_OPT_TS) || !config->tcp_timestamps)
        return;
    uint32_t bits = TS_NO_WSCALE;
    if ((syn->opts & NARU_TCP_OPT_WSCALE) && config->tcp_window_scale) {
        bits = NARU_MIN((unsigned)syn->wscale, 14u);
        out->opts |= NARU_TCP_OPT_WSCALE;
        out->wscale = env->wscale;
    }
    if ((syn->opts & NARU_TCP_OPT_SACK_OK) && config->tcp_sack) {
        bits |= TS_SACK;
        out->opts |= NARU_TCP_OPT_SACK_OK;
    }
    if ((syn->flags & (NARU_TCP_ECE | NARU_TCP_CWR)) == (NARU_TCP_ECE | NARU_TCP_CWR) &&
        syn->ecn == NARU_ECN_NOT_ECT && opts->ecn != NARU_ECN_MODE_OFF) {
        bits |= TS_ECN;
        out->flags |= NARU_TCP_ECE;
    }
    /* Not later than the clock, so that the connection's own timestamps go on from here. */
    uint32_t ts = naru_tcp_ms(now) + setup->secret.ts, low = (1u << TS_BITS) - 1;
    uint32_t val = (ts & ~low) | bits;
    if ((int32_t)(val - ts) > 0)
        val -= 1u << TS_BITS;
    out->opts |= NARU_TCP_OPT_TS;
    out->ts_val = val;
    out->ts_ecr = syn->ts_val;
}

bool naru_tcp_cookie_check(struct naru_tcp_env *env, const struct naru_hash_tuple *tuple,
                           const struct naru_tcp_hdr *ack, naru_time now,
                           struct naru_tcp_cookie *out)
{
    naru_seq iss = naru_seq_sub(ack->ack, 1), irs = naru_seq_sub(ack->seq, 1);
    if ((ack->flags & (NARU_TCP_ACK | NARU_TCP_SYN | NARU_TCP_RST)) != NARU_TCP_ACK)
        return false;
    change_keys(env, now);
    int size = -1;
    for (unsigned i = 0; size < 0 && i < LIFE_MINUTES; i++)
        size = size_of(hash(&env->cookie_key[i], tuple, irs), iss);
    if (size < 0)
        return false;
    *out = (struct naru_tcp_cookie){ .iss = iss, .irs = irs, .mss = sizes[size] };
    if ((ack->opts & NARU_TCP_OPT_TS) && env->config->tcp_timestamps) {
        uint32_t bits = ack->ts_ecr & ((1u << TS_BITS) - 1);
        out->timestamps = true;
        out->ts_val = ack->ts_val;
        out->sack = (bits & TS_SACK) != 0;
        out->ecn = (bits & TS_ECN) != 0;
        out->window_scale = (bits & 0xf) != TS_NO_WSCALE;
        out->wscale = out->window_scale ? (uint8_t)(bits & 0xf) : 0;
    }
    return true;
}
