/*
 * Options of Neighbor Discovery messages (RFC 4861 4.6, RFC 8106 5, RFC 3971 5.3.2; see nd.h).
 */
#include "wire/nd.h"

#include "base/addr.h"

#include <string.h>

enum { HEAD = 2 }; /* type, length in eights */

/* An ND packet with a zero-length option is silently dropped (V6-4861-4.6-1). */
bool naru_nd_option_next(struct naru_span *options, struct naru_nd_option *o)
{
    const uint8_t *p = options->at;
    if (options->len < HEAD || p[1] == 0)
        return false;
    size_t len = (size_t)p[1] * 8;
    if (naru_span_take(options, len) == NULL)
        return false;
    o->type = p[0];
    o->data = naru_span(p + HEAD, len - HEAD);
    return true;
}

/* The first of its kind, if it holds an Ethernet address or a nonce of the usual size. */
static void six_set(const uint8_t **slot, const struct naru_nd_option *o)
{
    if (*slot == NULL && o->data.len == 6)
        *slot = o->data.at;
}

/* Unknown ND options are skipped, the rest of the message is processed; options are accepted in any
 * order and never depend on one another (V6-4861-4.1-2, V6-4861-9-1). */
enum naru_drop naru_nd_options_parse(struct naru_span options, struct naru_nd_options *o)
{
    struct naru_nd_option option;
    *o = (struct naru_nd_options){ 0 };
    for (unsigned count = 0; naru_nd_option_next(&options, &option); count++) {
        if (count == NARU_ND_OPTIONS_MAX)
            return NARU_DROP_ND_OPTION;
        switch (option.type) {
        case NARU_ND_OPT_SLLA:
            six_set(&o->slla, &option);
            break;
        case NARU_ND_OPT_TLLA:
            six_set(&o->tlla, &option);
            break;
        case NARU_ND_OPT_NONCE:
            six_set(&o->nonce, &option);
            break;
        case NARU_ND_OPT_MTU:
            if (o->mtu == 0 && option.data.len == 6)
                o->mtu = naru_get32(option.data.at + 2);
            break;
        case NARU_ND_OPT_REDIRECTED:
            if (o->redirected.at == NULL)
                o->redirected = naru_span(option.data.at + 6, option.data.len - 6);
            break;
        default: /* prefixes and resolvers come many times; others are ignored (RFC 4861 4.6) */
            break;
        }
    }
    return options.len == 0 ? NARU_DROP_NONE : NARU_DROP_ND_OPTION;
}

enum { PREFIX_LEN = 0, PREFIX_FLAGS = 1, VALID = 2, PREFERRED = 6, PREFIX = 14 };
enum { PREFIX_ON_LINK = 0x80, PREFIX_AUTONOMOUS = 0x40 };

bool naru_nd_prefix_parse(const struct naru_nd_option *o, struct naru_nd_prefix *p)
{
    if (o->type != NARU_ND_OPT_PREFIX || o->data.len != NARU_ND_PREFIX_LEN - HEAD)
        return false;
    const uint8_t *at = o->data.at;
    p->prefix_len = at[PREFIX_LEN];
    p->on_link = (at[PREFIX_FLAGS] & PREFIX_ON_LINK) != 0;
    p->autonomous = (at[PREFIX_FLAGS] & PREFIX_AUTONOMOUS) != 0;
    p->valid_s = naru_get32(at + VALID);
    p->preferred_s = naru_get32(at + PREFERRED);
    p->prefix = naru_addr_from16(at + PREFIX);
    return p->prefix_len <= 128 && !naru_addr_is_v4(&p->prefix);
}

bool naru_nd_rdnss_parse(const struct naru_nd_option *o, struct naru_nd_rdnss *r)
{
    if (o->type != NARU_ND_OPT_RDNSS || o->data.len < 6 + 16 || (o->data.len - 6) % 16 != 0)
        return false;
    r->lifetime_s = naru_get32(o->data.at + 2);
    r->addrs = naru_span(o->data.at + 6, o->data.len - 6);
    r->count = (unsigned)(r->addrs.len / 16);
    return true;
}

struct naru_addr naru_nd_rdnss_get(const struct naru_nd_rdnss *r, unsigned n)
{
    NARU_ASSERT(n < r->count);
    return naru_addr_from16(r->addrs.at + (size_t)n * 16);
}

bool naru_nd_dnssl_parse(const struct naru_nd_option *o, struct naru_nd_dnssl *d)
{
    if (o->type != NARU_ND_OPT_DNSSL || o->data.len < 6 + 8)
        return false;
    d->lifetime_s = naru_get32(o->data.at + 2);
    d->names = naru_span(o->data.at + 6, o->data.len - 6);
    return true;
}

static bool is_host_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* One name off the front, without compression (RFC 8106 5.2).  False: none is left, or it is no
 * name; *good: it may be shown. */
static bool domain_take(struct naru_span *names, char *text, bool *good)
{
    size_t len = 0;
    *good = true;
    for (;;) {
        const uint8_t *p = naru_span_take(names, 1);
        if (p == NULL || *p > 63)
            return false;
        size_t label_len = *p;
        if (label_len == 0)
            break;
        p = naru_span_take(names, label_len);
        if (p == NULL || len + label_len + 1 >= NARU_ND_DOMAIN_SIZE)
            return false;
        if (len != 0)
            text[len++] = '.';
        for (size_t i = 0; i < label_len; i++) {
            *good = *good && is_host_char(p[i]);
            text[len++] = (char)p[i];
        }
    }
    text[len] = '\0';
    return len != 0; /* the root is padding */
}

bool naru_nd_dnssl_next(struct naru_nd_dnssl *d, char text[NARU_ND_DOMAIN_SIZE])
{
    bool good;
    while (domain_take(&d->names, text, &good))
        if (good)
            return true;
    return false;
}

/* ---- Emit ---- */

static uint8_t *begin(uint8_t *at, enum naru_nd_opt type, size_t len)
{
    NARU_ASSERT(len % 8 == 0 && len / 8 <= 255);
    memset(at, 0, len);
    naru_put8(at, type);
    naru_put8(at + 1, (unsigned)(len / 8));
    return at + HEAD;
}

size_t naru_nd_lladdr_emit(uint8_t *at, enum naru_nd_opt type, const uint8_t mac[6])
{
    NARU_ASSERT(type == NARU_ND_OPT_SLLA || type == NARU_ND_OPT_TLLA);
    memcpy(begin(at, type, NARU_ND_LLADDR_LEN), mac, 6);
    return NARU_ND_LLADDR_LEN;
}

size_t naru_nd_prefix_emit(uint8_t *at, const struct naru_nd_prefix *p)
{
    uint8_t *data = begin(at, NARU_ND_OPT_PREFIX, NARU_ND_PREFIX_LEN);
    naru_put8(data + PREFIX_LEN, p->prefix_len);
    naru_put8(data + PREFIX_FLAGS,
              (p->on_link ? PREFIX_ON_LINK : 0U) | (p->autonomous ? PREFIX_AUTONOMOUS : 0U));
    naru_put32(data + VALID, p->valid_s);
    naru_put32(data + PREFERRED, p->preferred_s);
    memcpy(data + PREFIX, p->prefix.b, 16);
    return NARU_ND_PREFIX_LEN;
}

size_t naru_nd_mtu_emit(uint8_t *at, uint32_t mtu)
{
    naru_put32(begin(at, NARU_ND_OPT_MTU, NARU_ND_MTU_LEN) + 2, mtu);
    return NARU_ND_MTU_LEN;
}

size_t naru_nd_nonce_emit(uint8_t *at, const uint8_t nonce[6])
{
    memcpy(begin(at, NARU_ND_OPT_NONCE, NARU_ND_NONCE_LEN), nonce, 6);
    return NARU_ND_NONCE_LEN;
}

size_t naru_nd_rdnss_emit(uint8_t *at, uint32_t lifetime_s, const struct naru_addr *addr,
                          unsigned count)
{
    NARU_ASSERT(count >= 1 && count <= 8);
    size_t len = 8 + 16 * (size_t)count;
    uint8_t *data = begin(at, NARU_ND_OPT_RDNSS, len);
    naru_put32(data + 2, lifetime_s);
    for (unsigned i = 0; i < count; i++)
        memcpy(data + 6 + (size_t)i * 16, addr[i].b, 16);
    return len;
}

size_t naru_nd_dnssl_emit(uint8_t *at, uint32_t lifetime_s, const char *name)
{
    uint8_t labels[NARU_ND_DOMAIN_SIZE + 2] = { 0 };
    size_t label = 0, len = 1;
    for (; *name != '\0'; name++) {
        NARU_ASSERT(len < NARU_ND_DOMAIN_SIZE);
        if (*name == '.')
            label = len;
        else
            labels[label]++;
        labels[len++] = *name == '.' ? 0 : (uint8_t)*name;
    }
    labels[len++] = 0;
    size_t total = (8 + len + 7) & ~(size_t)7;
    uint8_t *data = begin(at, NARU_ND_OPT_DNSSL, total);
    naru_put32(data + 2, lifetime_s);
    memcpy(data + 6, labels, len);
    return total;
}

size_t naru_nd_redirected_emit(uint8_t *at, const uint8_t *packet, size_t len)
{
    NARU_ASSERT(len % 8 == 0 && len <= 1272);
    memset(at, 0, 8);
    naru_put8(at, NARU_ND_OPT_REDIRECTED);
    naru_put8(at + 1, (unsigned)(1 + len / 8));
    if (len > 0)
        memcpy(at + 8, packet, len);
    return 8 + len;
}
