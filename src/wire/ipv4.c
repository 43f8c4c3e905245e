/*
 * The IPv4 header (see ipv4.h).
 */
#include "wire/ipv4.h"

#include "base/addr.h"

#include <string.h>

enum {
    VERSION_IHL = 0,
    TOS = 1,
    TOTAL_LENGTH = 2,
    IDENTIFICATION = 4,
    FLAGS_OFFSET = 6,
    TTL = 8,
    PROTOCOL = 9,
    CHECKSUM = 10,
    SOURCE = 12,
    DESTINATION = 16,
    OPTIONS = 20,
};
enum { DF = 0x4000, MF = 0x2000, OFFSET_MASK = 0x1fff };

/* The header without a look at the total length; in behind header and options (H-3.2.1.1-1). */
static enum naru_drop header_parse(struct naru_span *in, struct naru_ipv4_hdr *h)
{
    const uint8_t *p = in->at;
    if (in->len < NARU_IPV4_LEN)
        return NARU_DROP_IPV4_SHORT;
    if (p[VERSION_IHL] >> 4 != 4)
        return NARU_DROP_IPV4_VERSION;

    size_t header_len = (size_t)(p[VERSION_IHL] & 0xf) * 4;
    if (header_len < NARU_IPV4_LEN || naru_span_take(in, header_len) == NULL)
        return NARU_DROP_IPV4_HEADER_LEN;

    unsigned flags = naru_get16(p + FLAGS_OFFSET);
    h->src = naru_addr_from4(p + SOURCE);
    h->dst = naru_addr_from4(p + DESTINATION);
    h->total_len = naru_get16(p + TOTAL_LENGTH);
    h->ident = naru_get16(p + IDENTIFICATION);
    h->frag_offset = (uint16_t)((flags & OFFSET_MASK) << 3);
    h->df = (flags & DF) != 0;
    h->mf = (flags & MF) != 0;
    h->tos = p[TOS];
    h->ttl = p[TTL];
    h->protocol = p[PROTOCOL];
    h->header_len = (uint8_t)header_len;
    h->checksum = naru_get16(p + CHECKSUM);
    h->options = naru_span(p + OPTIONS, header_len - NARU_IPV4_LEN);
    return NARU_DROP_NONE;
}

enum naru_drop naru_ipv4_parse(struct naru_span *in, struct naru_ipv4_hdr *h)
{
    enum naru_drop drop = header_parse(in, h);
    if (drop != NARU_DROP_NONE)
        return drop;
    if (h->total_len < h->header_len || (size_t)h->total_len - h->header_len > in->len)
        return NARU_DROP_IPV4_LENGTH;
    in->len = (size_t)h->total_len - h->header_len; /* Ethernet padding ends here. */
    return NARU_DROP_NONE;
}

enum naru_drop naru_ipv4_parse_quoted(struct naru_span *in, struct naru_ipv4_hdr *h)
{
    enum naru_drop drop = header_parse(in, h);
    if (drop != NARU_DROP_NONE)
        return drop;
    /* Some systems quote with a total length already changed: it may only shorten. */
    if (h->total_len >= h->header_len && (size_t)h->total_len - h->header_len < in->len)
        in->len = (size_t)h->total_len - h->header_len;
    return NARU_DROP_NONE;
}

bool naru_ipv4_checksum_ok(const uint8_t *header, size_t header_len)
{
    return naru_csum_ok(naru_csum_header(0, header, header_len));
}

static NARU_NOINLINE void checksum_set(uint8_t *header, size_t header_len)
{
    naru_put16(header + CHECKSUM, 0);
    naru_put16(header + CHECKSUM, naru_csum_finish(naru_csum_add(0, header, header_len)));
}

/* Summed from values: reading back what was just written in small pieces makes a processor wait. */
size_t naru_ipv4_emit(uint8_t *at, const struct naru_ipv4_hdr *h)
{
    size_t len = naru_ipv4_len(h);
    NARU_ASSERT(len <= NARU_IPV4_LEN_MAX && (h->frag_offset & 7) == 0);
    uint32_t flags = (h->df ? DF : 0U) | (h->mf ? MF : 0U) | (uint32_t)(h->frag_offset >> 3);
    uint32_t version = 4U << 28 | (uint32_t)(len / 4) << 24 | (uint32_t)h->tos << 16 | h->total_len;
    uint32_t ident = (uint32_t)h->ident << 16 | flags;
    uint32_t ttl = (uint32_t)h->ttl << 24 | (uint32_t)h->protocol << 16;
    uint32_t src = naru_addr_v4_bits(&h->src), dst = naru_addr_v4_bits(&h->dst);

    naru_put32(at + VERSION_IHL, version);
    naru_put32(at + IDENTIFICATION, ident);
    naru_put32(at + TTL, ttl | naru_ipv4_words_checksum(version, ident, ttl, src, dst));
    naru_put32(at + SOURCE, src);
    naru_put32(at + DESTINATION, dst);
    if (NARU_UNLIKELY(h->options.len > 0)) {
        memset(at + OPTIONS, NARU_IPV4_OPT_END, len - OPTIONS);
        memcpy(at + OPTIONS, h->options.at, h->options.len);
        checksum_set(at, len);
    }
    return len;
}

void naru_ipv4_patch_ttl(uint8_t *header)
{
    uint16_t old = naru_get16(header + TTL);
    NARU_ASSERT(header[TTL] > 0);
    header[TTL]--;
    naru_put16(header + CHECKSUM,
               naru_csum_patch16(naru_get16(header + CHECKSUM), old, naru_get16(header + TTL)));
}

void naru_ipv4_patch_len(uint8_t *header, uint16_t total_len, uint16_t ident)
{
    naru_put16(header + TOTAL_LENGTH, total_len);
    naru_put16(header + IDENTIFICATION, ident);
    checksum_set(header, (size_t)(header[VERSION_IHL] & 0xf) * 4);
}

/* ---- Options ---- */

/* IP options that TCP does not know are ignored (MUST-50). */
bool naru_ipv4_option_next(const struct naru_ipv4_hdr *h, unsigned *at,
                           struct naru_ipv4_option *option, unsigned *problem)
{
    const uint8_t *p = h->options.at;
    size_t len = h->options.len, i = *at;

    *problem = 0;
    while (i < len && p[i] == NARU_IPV4_OPT_NOP)
        i++;
    if (i >= len || p[i] == NARU_IPV4_OPT_END) {
        *at = (unsigned)len;
        return false;
    }
    if (len - i < 2 || p[i + 1] < 2 || p[i + 1] > len - i) {
        *problem = (unsigned)(OPTIONS + i + (len - i < 2 ? 0 : 1));
        *at = (unsigned)len;
        return false;
    }
    option->type = p[i];
    option->at = (uint8_t)(OPTIONS + i);
    option->data = naru_span(p + i + 2, (size_t)p[i + 1] - 2);
    *at = (unsigned)(i + p[i + 1]);
    return true;
}

/*
 * Record route and source routes: pointer, then addresses; the pointer counts from 1 at the type.
 * Timestamp: the same with a byte of overflow and flags before the stamps.  Gives where the pointer
 * itself would be complained of, 0 if it is fine.
 */
static unsigned pointer_problem(const struct naru_ipv4_option *o, unsigned first, unsigned unit)
{
    if (o->data.len < first - 3)
        return o->at + 1U; /* the length */
    unsigned pointer = o->data.at[0], len = (unsigned)o->data.len + 2;
    if (pointer < first || (pointer <= len && len - pointer + 1 < unit))
        return o->at + 2U;
    return 0;
}

static struct naru_span *slot_of(struct naru_ipv4_options *o, uint8_t type)
{
    switch (type) {
    case NARU_IPV4_OPT_RR:
        return &o->rr;
    case NARU_IPV4_OPT_TS:
        return &o->ts;
    case NARU_IPV4_OPT_LSRR:
        return &o->lsrr;
    case NARU_IPV4_OPT_SSRR:
        return &o->ssrr;
    default:
        return NULL;
    }
}

NARU_NOINLINE enum naru_drop naru_ipv4_options_parse(const struct naru_ipv4_hdr *h,
                                                     struct naru_ipv4_options *o)
{
    struct naru_ipv4_option option;
    unsigned at = 0, problem;

    *o = (struct naru_ipv4_options){ 0 };
    while (naru_ipv4_option_next(h, &at, &option, &problem)) {
        struct naru_span *slot = slot_of(o, option.type);
        if (option.type == NARU_IPV4_OPT_ROUTER_ALERT) {
            o->router_alert = option.data.len == 2;
        } else if (slot != NULL) {
            problem = option.type == NARU_IPV4_OPT_TS ? pointer_problem(&option, 5, 4)
                                                      : pointer_problem(&option, 4, 4);
            if (slot->at != NULL)
                problem = option.at; /* at most once */
            if (problem != 0)
                break;
            *slot = option.data;
        }
    }
    o->problem = (uint8_t)problem;
    return problem != 0 ? NARU_DROP_IPV4_OPTION : NARU_DROP_NONE;
}
