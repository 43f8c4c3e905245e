/*
 * TCP segments (see tcp.h).
 */
#include "wire/tcp.h"

#include "wire/plain_syn.h"

#include <string.h>

enum {
    SOURCE_PORT = 0,
    DESTINATION_PORT = 2,
    SEQUENCE = 4,
    ACKNOWLEDGMENT = 8,
    OFFSET_FLAGS = 12,
    WINDOW = 14,
    CHECKSUM = NARU_TCP_CHECKSUM_AT,
    URGENT = 18,
    OPTIONS = 20,
};
enum { FLAGS_MASK = 0x1ff };

/* Lengths of options. */
enum {
    MSS_LEN = 4,
    WSCALE_LEN = 3,
    SACK_OK_LEN = 2,
    SACK_BLOCK_LEN = 8,
    TS_LEN = 10,
    USER_TIMEOUT_LEN = 4,
    ACCECN_COUNTER_LEN = 3,
};
enum { USER_TIMEOUT_MINUTES = 0x8000 };

/* All that Linux and we offer in a SYN. */
enum { SYN_OFFER_LEN = 20 };

/* ---- Parse ---- */

static void sack_parse(const uint8_t *data, size_t len, struct naru_tcp_hdr *h)
{
    if (len < SACK_BLOCK_LEN || len % SACK_BLOCK_LEN != 0)
        return;
    unsigned count = (unsigned)NARU_MIN(len / SACK_BLOCK_LEN, (size_t)NARU_TCP_SACK_MAX);
    for (unsigned i = 0; i < count; i++, data += SACK_BLOCK_LEN) {
        h->sack[i].left = naru_seq_of(naru_get32(data));
        h->sack[i].right = naru_seq_of(naru_get32(data + 4));
    }
    h->sack_count = (uint8_t)count;
    h->opts |= NARU_TCP_OPT_SACK;
}

/* 0 asks for a cookie; a cookie has an even length of 4 to 16 (RFC 7413 4.1.1). */
static void fastopen_parse(const uint8_t *cookie, size_t len, unsigned bits, struct naru_tcp_hdr *h)
{
    if (len != 0 && (len < 4 || len > NARU_TCP_COOKIE_MAX || len % 2 != 0))
        return;
    h->cookie = cookie;
    h->cookie_len = (uint8_t)len;
    h->opts = (uint16_t)((h->opts & ~(unsigned)NARU_TCP_OPT_FASTOPEN_EXP) | bits);
}

/* Which counter stands there (RFC 9768 3.2.3). */
static unsigned accecn_at(bool first1, unsigned place) { return first1 ? 2 - place : place; }

static uint32_t get24(const uint8_t *p) { return (uint32_t)p[0] << 16 | naru_get16(p + 1); }

/* Counters may be missing from the end; a length that fits none makes it no option. */
static void accecn_parse(bool first1, const uint8_t *data, size_t len, struct naru_tcp_hdr *h)
{
    if (len % ACCECN_COUNTER_LEN != 0 || len > ACCECN_COUNTER_LEN * NARU_TCP_ACCECN_COUNTERS)
        return;
    h->accecn_count = (uint8_t)(len / ACCECN_COUNTER_LEN);
    for (unsigned i = 0; i < h->accecn_count; i++)
        h->accecn[accecn_at(first1, i)] = get24(data + (size_t)i * ACCECN_COUNTER_LEN);
    h->opts = (uint16_t)(h->opts & ~(unsigned)NARU_TCP_OPT_ACCECN_FIRST1);
    h->opts |= NARU_TCP_OPT_ACCECN;
    if (first1)
        h->opts |= NARU_TCP_OPT_ACCECN_FIRST1;
}

/* One option that is not padding; a length that does not fit its kind makes it none (MUST-4). */
static void option_parse(uint8_t kind, const uint8_t *data, size_t len, struct naru_tcp_hdr *h)
{
    switch (kind) {
    case NARU_TCP_KIND_MSS:
        if (len == MSS_LEN - 2) {
            h->mss = naru_get16(data);
            h->opts |= NARU_TCP_OPT_MSS;
        }
        break;
    case NARU_TCP_KIND_WSCALE:
        if (len == WSCALE_LEN - 2) {
            h->wscale = data[0];
            h->opts |= NARU_TCP_OPT_WSCALE;
        }
        break;
    case NARU_TCP_KIND_SACK_OK:
        if (len == SACK_OK_LEN - 2)
            h->opts |= NARU_TCP_OPT_SACK_OK;
        break;
    case NARU_TCP_KIND_SACK:
        sack_parse(data, len, h);
        break;
    case NARU_TCP_KIND_TS:
        if (len == TS_LEN - 2) {
            h->ts_val = naru_get32(data);
            h->ts_ecr = naru_get32(data + 4);
            h->opts |= NARU_TCP_OPT_TS;
        }
        break;
    case NARU_TCP_KIND_USER_TIMEOUT:
        if (len == USER_TIMEOUT_LEN - 2) {
            uint32_t raw = naru_get16(data);
            h->user_timeout_s = (raw & USER_TIMEOUT_MINUTES) != 0
                                    ? (raw & ~(uint32_t)USER_TIMEOUT_MINUTES) * 60
                                    : raw;
            h->opts |= NARU_TCP_OPT_USER_TIMEOUT;
        }
        break;
    case NARU_TCP_KIND_FASTOPEN:
        fastopen_parse(data, len, NARU_TCP_OPT_FASTOPEN, h);
        break;
    case NARU_TCP_KIND_ACCECN_FIRST0:
    case NARU_TCP_KIND_ACCECN_FIRST1:
        accecn_parse(kind == NARU_TCP_KIND_ACCECN_FIRST1, data, len, h);
        break;
    case NARU_TCP_KIND_EXPERIMENT:
        if (len >= 2 && naru_get16(data) == NARU_TCP_FASTOPEN_EXID)
            fastopen_parse(data + 2, len - 2, NARU_TCP_OPT_FASTOPEN | NARU_TCP_OPT_FASTOPEN_EXP, h);
        break;
    default:
        break;
    }
}

/* On any segment, at any alignment; what is unknown is passed over (MUST-5, MUST-6, MUST-7,
 * MUST-64, MUST-68). */
static NARU_NOINLINE void options_parse(const uint8_t *p, const uint8_t *end,
                                        struct naru_tcp_hdr *h)
{
    while (p < end && *p != NARU_TCP_KIND_EOL) {
        if (*p == NARU_TCP_KIND_NOP) {
            p++;
            continue;
        }
        if (end - p < 2 || p[1] < 2 || p[1] > end - p)
            return; /* nobody knows where the next one would begin */
        option_parse(p[0], p + 2, (size_t)p[1] - 2, h);
        p += p[1];
    }
}

/* Those of nearly every SYN: MSS alone, or all that Linux and we offer.  False: others. */
static bool syn_options_parse(const uint8_t *p, size_t len, struct naru_tcp_hdr *h)
{
    if ((len != MSS_LEN && len != SYN_OFFER_LEN) || (naru_get32(p) & 0xffff0000u) != NARU_PLAIN_MSS)
        return false;
    if (len == SYN_OFFER_LEN) {
        if (naru_get32(p + 4) != NARU_PLAIN_SACK_OK_TS ||
            (naru_get32(p + 16) & 0xffffff00u) != NARU_PLAIN_NOP_WSCALE)
            return false;
        h->ts_val = naru_get32(p + 8);
        h->ts_ecr = naru_get32(p + 12);
        h->wscale = p[19];
        h->opts = NARU_TCP_OPT_SACK_OK | NARU_TCP_OPT_TS | NARU_TCP_OPT_WSCALE;
    }
    h->mss = naru_get16(p + 2);
    h->opts |= NARU_TCP_OPT_MSS;
    return true;
}

enum naru_drop naru_tcp_parse(struct naru_span *in, struct naru_tcp_hdr *h)
{
    const uint8_t *p = in->at;
    if (in->len < NARU_TCP_LEN)
        return NARU_DROP_TCP_SHORT;
    size_t header_len = (size_t)(p[OFFSET_FLAGS] >> 4) * 4;
    if (header_len < NARU_TCP_LEN || naru_span_take(in, header_len) == NULL)
        return NARU_DROP_TCP_HEADER_LEN;

    h->sport = naru_get16(p + SOURCE_PORT);
    h->dport = naru_get16(p + DESTINATION_PORT);
    h->seq = naru_seq_of(naru_get32(p + SEQUENCE));
    h->ack = naru_seq_of(naru_get32(p + ACKNOWLEDGMENT));
    h->flags = naru_get16(p + OFFSET_FLAGS) & FLAGS_MASK;
    h->wnd = naru_get16(p + WINDOW);
    h->checksum = naru_get16(p + CHECKSUM);
    h->urg = naru_get16(p + URGENT);
    h->header_len = (uint8_t)header_len;
    h->ecn = 0;
    h->opts = 0;
    h->sack_count = 0;
    h->cookie_len = 0;
    h->cookie = NULL;

    /* What nearly every segment has. */
    if (NARU_LIKELY(header_len == NARU_TCP_LEN + NARU_TCP_TS_LEN) &&
        NARU_LIKELY(naru_get32(p + OPTIONS) == NARU_PLAIN_NOP_NOP_TS)) {
        h->ts_val = naru_get32(p + OPTIONS + 4);
        h->ts_ecr = naru_get32(p + OPTIONS + 8);
        h->opts = NARU_TCP_OPT_TS;
    } else if (header_len > NARU_TCP_LEN &&
               !syn_options_parse(p + OPTIONS, header_len - NARU_TCP_LEN, h)) {
        options_parse(p + OPTIONS, p + header_len, h);
    }
    return NARU_DROP_NONE;
}

/* ---- Emit ---- */

NARU_INLINE bool has(const struct naru_tcp_hdr *h, unsigned opt) { return (h->opts & opt) != 0; }

static size_t fastopen_len(const struct naru_tcp_hdr *h)
{
    return (has(h, NARU_TCP_OPT_FASTOPEN_EXP) ? 4U : 2U) + (size_t)h->cookie_len;
}

static size_t accecn_len(const struct naru_tcp_hdr *h)
{
    return 2U + ACCECN_COUNTER_LEN * (size_t)h->accecn_count;
}

/* All but SACK blocks, padded. */
static size_t fixed_options_len(const struct naru_tcp_hdr *h)
{
    size_t len = 0;
    if (has(h, NARU_TCP_OPT_MSS))
        len += MSS_LEN;
    if (has(h, NARU_TCP_OPT_TS))
        len += NARU_TCP_TS_LEN; /* two bytes for SACK_OK or padding */
    else if (has(h, NARU_TCP_OPT_SACK_OK))
        len += 4;
    if (has(h, NARU_TCP_OPT_WSCALE))
        len += 4;
    if (has(h, NARU_TCP_OPT_USER_TIMEOUT))
        len += USER_TIMEOUT_LEN;
    if (has(h, NARU_TCP_OPT_FASTOPEN))
        len += naru_round_up(fastopen_len(h), 4);
    if (has(h, NARU_TCP_OPT_ACCECN))
        len += naru_round_up(accecn_len(h), 4);
    return len;
}

static size_t options_len(const struct naru_tcp_hdr *h)
{
    size_t len = fixed_options_len(h);
    if (has(h, NARU_TCP_OPT_SACK))
        len += 4 + (size_t)SACK_BLOCK_LEN * h->sack_count;
    return len;
}

bool naru_tcp_fits(const struct naru_tcp_hdr *h)
{
    return options_len(h) <= NARU_TCP_OPTIONS_MAX && h->sack_count <= NARU_TCP_SACK_MAX;
}

size_t naru_tcp_len(const struct naru_tcp_hdr *h)
{
    if (NARU_LIKELY(h->opts == NARU_TCP_OPT_TS))
        return NARU_TCP_LEN + NARU_TCP_TS_LEN;
    size_t len = options_len(h);
    NARU_ASSERT(len <= NARU_TCP_OPTIONS_MAX && h->sack_count <= NARU_TCP_SACK_MAX);
    return NARU_TCP_LEN + len;
}

unsigned naru_tcp_sack_room(const struct naru_tcp_hdr *h)
{
    size_t used = fixed_options_len(h) + 4;
    if (used > NARU_TCP_OPTIONS_MAX)
        return 0;
    return (unsigned)NARU_MIN((NARU_TCP_OPTIONS_MAX - used) / SACK_BLOCK_LEN,
                              (size_t)NARU_TCP_SACK_MAX);
}

static uint8_t *put4(uint8_t *p, unsigned a, unsigned b, unsigned c, unsigned d)
{
    naru_put8(p, a);
    naru_put8(p + 1, b);
    naru_put8(p + 2, c);
    naru_put8(p + 3, d);
    return p + 4;
}

static uint8_t *ts_emit(uint8_t *p, const struct naru_tcp_hdr *h)
{
    naru_put32(p, h->ts_val);
    naru_put32(p + 4, h->ts_ecr);
    return p + 8;
}

static uint8_t *sack_emit(uint8_t *p, const struct naru_tcp_hdr *h)
{
    p = put4(p, NARU_TCP_KIND_NOP, NARU_TCP_KIND_NOP, NARU_TCP_KIND_SACK,
             2U + SACK_BLOCK_LEN * (unsigned)h->sack_count);
    for (unsigned i = 0; i < h->sack_count; i++, p += SACK_BLOCK_LEN) {
        naru_put32(p, h->sack[i].left.v);
        naru_put32(p + 4, h->sack[i].right.v);
    }
    return p;
}

static uint8_t *fastopen_emit(uint8_t *p, const struct naru_tcp_hdr *h)
{
    size_t len = fastopen_len(h);
    uint8_t *end = p + naru_round_up(len, 4);
    if (has(h, NARU_TCP_OPT_FASTOPEN_EXP)) {
        p = put4(p, NARU_TCP_KIND_EXPERIMENT, (unsigned)len, NARU_TCP_FASTOPEN_EXID >> 8,
                 NARU_TCP_FASTOPEN_EXID & 0xff);
    } else {
        *p++ = NARU_TCP_KIND_FASTOPEN;
        *p++ = (uint8_t)len;
    }
    if (h->cookie_len > 0)
        memcpy(p, h->cookie, h->cookie_len);
    for (p += h->cookie_len; p < end; p++)
        *p = NARU_TCP_KIND_NOP;
    return end;
}

static uint8_t *accecn_emit(uint8_t *p, const struct naru_tcp_hdr *h)
{
    bool first1 = has(h, NARU_TCP_OPT_ACCECN_FIRST1);
    uint8_t *end = p + naru_round_up(accecn_len(h), 4);
    *p++ = first1 ? NARU_TCP_KIND_ACCECN_FIRST1 : NARU_TCP_KIND_ACCECN_FIRST0;
    *p++ = (uint8_t)accecn_len(h);
    for (unsigned i = 0; i < h->accecn_count; i++, p += ACCECN_COUNTER_LEN) {
        uint32_t value = h->accecn[accecn_at(first1, i)];
        naru_put8(p, value >> 16 & 0xff);
        naru_put16(p + 1, value & 0xffff);
    }
    while (p < end)
        *p++ = NARU_TCP_KIND_NOP;
    return end;
}

/* In seconds, or in minutes rounded up where seconds do not fit (RFC 5482 3.1). */
static unsigned user_timeout_raw(uint32_t seconds)
{
    if (seconds < USER_TIMEOUT_MINUTES)
        return seconds;
    uint32_t minutes = seconds / 60 + (seconds % 60 != 0);
    return USER_TIMEOUT_MINUTES | (unsigned)NARU_MIN(minutes, (uint32_t)USER_TIMEOUT_MINUTES - 1);
}

/* In the order that Linux has, which users and their tools know.  Filled with NOPs, so that nothing
 * stands behind an end of list (MUST-69). */
static NARU_NOINLINE void options_emit(uint8_t *p, const struct naru_tcp_hdr *h)
{
    bool sack_ok = has(h, NARU_TCP_OPT_SACK_OK), ts = has(h, NARU_TCP_OPT_TS);
    if (has(h, NARU_TCP_OPT_MSS))
        p = put4(p, NARU_TCP_KIND_MSS, MSS_LEN, h->mss >> 8, h->mss & 0xff);
    if (ts) {
        p = sack_ok ? put4(p, NARU_TCP_KIND_SACK_OK, SACK_OK_LEN, NARU_TCP_KIND_TS, TS_LEN)
                    : put4(p, NARU_TCP_KIND_NOP, NARU_TCP_KIND_NOP, NARU_TCP_KIND_TS, TS_LEN);
        p = ts_emit(p, h);
    }
    if (has(h, NARU_TCP_OPT_ACCECN))
        p = accecn_emit(p, h);
    if (sack_ok && !ts)
        p = put4(p, NARU_TCP_KIND_NOP, NARU_TCP_KIND_NOP, NARU_TCP_KIND_SACK_OK, SACK_OK_LEN);
    if (has(h, NARU_TCP_OPT_WSCALE))
        p = put4(p, NARU_TCP_KIND_NOP, NARU_TCP_KIND_WSCALE, WSCALE_LEN, h->wscale);
    if (has(h, NARU_TCP_OPT_USER_TIMEOUT)) {
        unsigned raw = user_timeout_raw(h->user_timeout_s);
        p = put4(p, NARU_TCP_KIND_USER_TIMEOUT, USER_TIMEOUT_LEN, raw >> 8, raw & 0xff);
    }
    if (has(h, NARU_TCP_OPT_SACK))
        p = sack_emit(p, h);
    if (has(h, NARU_TCP_OPT_FASTOPEN))
        fastopen_emit(p, h);
}

size_t naru_tcp_emit(uint8_t *at, const struct naru_tcp_hdr *h)
{
    size_t len = naru_tcp_len(h);
    uint32_t flags = (uint32_t)(len / 4) << 12 | (h->flags & FLAGS_MASK);
    naru_put32(at + SOURCE_PORT, (uint32_t)h->sport << 16 | h->dport);
    naru_put32(at + SEQUENCE, h->seq.v);
    naru_put32(at + ACKNOWLEDGMENT, h->ack.v);
    naru_put32(at + OFFSET_FLAGS, flags << 16 | h->wnd);
    naru_put32(at + CHECKSUM, (uint32_t)h->checksum << 16 | h->urg);
    if (NARU_LIKELY(h->opts == NARU_TCP_OPT_TS)) {
        naru_put32(at + OPTIONS, NARU_PLAIN_NOP_NOP_TS);
        ts_emit(at + OPTIONS + 4, h);
    } else {
        options_emit(at + OPTIONS, h);
    }
    return len;
}

/* ---- Checksum ---- */

uint16_t naru_tcp_checksum(const struct naru_csum_ops *ops, uint32_t pseudo, const uint8_t *header,
                           size_t header_len, const struct naru_slice *slice, unsigned count)
{
    return naru_ip_checksum(ops, pseudo, header, header_len, slice, count);
}

bool naru_tcp_checksum_ok(const struct naru_csum_ops *ops, const struct naru_addr *src,
                          const struct naru_addr *dst, const uint8_t *segment, size_t len)
{
    uint32_t pseudo = naru_csum_pseudo(src, dst, NARU_PROTO_TCP, (uint32_t)len);
    if (len <= NARU_TCP_LEN_MAX && len % 4 == 0) /* mostly a header alone */
        return naru_csum_ok(naru_csum_header(pseudo, segment, len));
    return naru_csum_ok(ops->add(pseudo, segment, len));
}
