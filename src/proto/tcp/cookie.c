/*
 * SYN cookies (RFC 4987 3.6): a listener that is out of half-open places remembers nothing; the
 * acknowledgement brings everything back.
 *
 * The sequence number is a keyed hash of the name, the peer's ISS and a counter of minutes, plus 8
 * bits: the counter's lowest five and the index of the MSS.  What window scale, SACK and ECN (RFC
 * 3168; accurate ECN becomes that) the peer offered rides in the low bits of our timestamp, which
 * the peer echoes; without timestamps they are given up.
 */
#include "proto/tcp/internal.h"

#include <string.h>

enum {
    LIFE_MINUTES = 2,
    TS_BITS = 6, /* low bits of the timestamp: window scale, SACK, ECN */
    TS_NO_WSCALE = 0xf,
    TS_SACK = 0x10,
    TS_ECN = 0x20,
};

/* The sizes that matter on the Internet; a peer gets the largest that is not above its own. */
static const uint16_t sizes[8] = { 216, 536, 1220, 1300, 1400, 1440, 1460, 8960 };

static uint32_t minutes(naru_time now) { return (uint32_t)(now / NARU_SEC(60)); }

static uint32_t hash(const struct naru_siphash_key *key, const struct naru_hash_tuple *tuple,
                     uint32_t a, uint32_t b)
{
    uint8_t bytes[16 + 16 + 4 + 4 + 4 + 4];
    memcpy(bytes, tuple->local->b, 16);
    memcpy(bytes + 16, tuple->remote->b, 16);
    naru_put16(bytes + 32, tuple->local_port);
    naru_put16(bytes + 34, tuple->remote_port);
    naru_put32(bytes + 36, tuple->extra);
    naru_put32(bytes + 40, a);
    naru_put32(bytes + 44, b);
    return (uint32_t)naru_siphash(key, bytes, sizeof(bytes));
}

/* Top 24 bits: hash of what cannot be forged.  Low 8: minute (5 bits), size (3), masked. */
static naru_seq make(const struct naru_tcp_env *env, const struct naru_hash_tuple *tuple,
                     naru_seq irs, uint32_t minute, unsigned size)
{
    uint32_t mask = hash(&env->cookie_key[0], tuple, irs.v, 0);
    uint32_t data = (minute & 0x1f) << 3 | size;
    uint32_t mac = hash(&env->cookie_key[1], tuple, irs.v, minute << 3 | size);
    return naru_seq_of((mac & 0xffffff00u) | ((data ^ mask) & 0xffu));
}

void naru_tcp_cookie_make(struct naru_tcp_env *env, const struct naru_hash_tuple *tuple,
                          const struct naru_tcp_setup *setup, const struct naru_tcp_hdr *syn,
                          naru_time now, struct naru_tcp_hdr *out)
{
    const struct naru_config *config = env->config;
    uint16_t mss = (syn->opts & NARU_TCP_OPT_MSS) && syn->mss != 0 ? syn->mss : setup->mss_default;
    uint32_t rcvbuf = setup->opts != NULL ? setup->opts->rcvbuf : env->opts.rcvbuf;
    uint8_t ecn = setup->opts != NULL ? setup->opts->ecn : env->opts.ecn;
    unsigned size = 7;
    while (size > 0 && sizes[size] > mss)
        size--;
    *out = (struct naru_tcp_hdr){
        .sport = syn->dport,
        .dport = syn->sport,
        .seq = make(env, tuple, syn->seq, minutes(now), size),
        .ack = naru_seq_add(syn->seq, 1),
        .flags = NARU_TCP_SYN | NARU_TCP_ACK,
        .wnd = (uint16_t)NARU_MIN(rcvbuf, 65535u),
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
        syn->ecn == NARU_ECN_NOT_ECT && ecn != NARU_ECN_MODE_OFF) {
        bits |= TS_ECN;
        out->flags |= NARU_TCP_ECE;
    }
    /* Not later than the clock, so that the connection's own timestamps go on from here. */
    uint32_t ts = naru_tcp_ms(now) + setup->ts_offset, low = (1u << TS_BITS) - 1;
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
    uint32_t data = (iss.v ^ hash(&env->cookie_key[0], tuple, irs.v, 0)) & 0xff;
    uint32_t age = (minutes(now) - (data >> 3)) & 0x1f;
    if ((ack->flags & (NARU_TCP_ACK | NARU_TCP_SYN | NARU_TCP_RST)) != NARU_TCP_ACK ||
        age >= LIFE_MINUTES)
        return false;
    unsigned size = data & 7;
    if (!naru_seq_eq(make(env, tuple, irs, minutes(now) - age, size), iss))
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
