/*
 * Which connection a captured frame belongs to; see flowkey.h.
 *
 * Frames here have passed, or are about to pass, the stack's own parsers, which count what is wrong
 * with them; this one only says "not a connection's" then.
 */
#include "host/flowkey.h"
#include "base/bytes.h"

#include <string.h>

#define ETHERTYPE_IPV4 0x0800
#define ETHERTYPE_IPV6 0x86dd
#define ETHERTYPE_VLAN 0x8100
#define EXTENSIONS_MAX 8

static struct naru_addr addr_v6(const uint8_t *p)
{
    struct naru_addr addr;

    memcpy(addr.b, p, 16);
    return addr;
}

/* The frame as far as it can be read, and its whole length. */
struct view {
    const uint8_t *frame;
    size_t have, len;
};

static bool parse_ports(const struct view *v, size_t at, size_t end, uint8_t proto,
                        struct naru_flowkey *key)
{
    if ((proto != 6 && proto != 17) || at + 8 > end || at + 8 > v->have || end > v->len)
        return false;
    key->proto = proto;
    key->transport = at;
    key->end = end;
    key->src.port = naru_get16(v->frame + at);
    key->dst.port = naru_get16(v->frame + at + 2);
    return true;
}

static bool parse_ipv4(const struct view *v, size_t at, struct naru_flowkey *key)
{
    const uint8_t *ip = v->frame + at;

    if (v->have < at + 20)
        return false;
    size_t header = (size_t)(ip[0] & 15) * 4;
    if (header < 20 || (naru_get16(ip + 6) & 0x1fff) != 0)
        return false;
    key->src.addr = naru_addr_v4(naru_get32(ip + 12));
    key->dst.addr = naru_addr_v4(naru_get32(ip + 16));
    return parse_ports(v, at + header, at + naru_get16(ip + 2), ip[9], key);
}

/* Hop-by-hop, routing and destination options; a fragment header only if it is an atomic one. */
static bool parse_ipv6(const struct view *v, size_t at, struct naru_flowkey *key)
{
    const uint8_t *ip = v->frame + at;

    if (v->have < at + 40)
        return false;
    size_t end = at + 40 + naru_get16(ip + 4);
    uint8_t next = ip[6];
    key->src.addr = addr_v6(ip + 8);
    key->dst.addr = addr_v6(ip + 24);
    at += 40;
    for (unsigned i = 0; i < EXTENSIONS_MAX && at + 8 <= v->have; i++) {
        const uint8_t *ext = v->frame + at;
        if (next == 44 && naru_get16(ext + 2) == 0)
            at += 8;
        else if (next == 0 || next == 43 || next == 60)
            at += 8u * (ext[1] + 1u);
        else
            break;
        next = ext[0];
    }
    return parse_ports(v, at, end, next, key);
}

bool naru_flowkey_parse(const uint8_t *frame, size_t have, size_t len, bool ethernet,
                        struct naru_flowkey *key)
{
    const struct view v = { frame, have, len };
    size_t at = 0;
    unsigned type = 0;

    *key = (struct naru_flowkey){ 0 };
    if (ethernet) {
        if (have < 14)
            return false;
        type = naru_get16(frame + 12);
        at = 14;
        while (type == ETHERTYPE_VLAN && have >= at + 4) {
            type = naru_get16(frame + at + 2);
            at += 4;
        }
    } else if (have > 0) {
        type = frame[0] >> 4 == 6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4;
    }
    if (type == ETHERTYPE_IPV4)
        return parse_ipv4(&v, at, key);
    if (type == ETHERTYPE_IPV6)
        return parse_ipv6(&v, at, key);
    return false;
}

static bool same(const struct naru_endpoint *a, const struct naru_endpoint *b)
{
    return a->port == b->port && memcmp(a->addr.b, b->addr.b, 16) == 0;
}

bool naru_flowkey_match(const struct naru_flowkey *key, bool out, const struct naru_endpoint *local,
                        const struct naru_endpoint *remote)
{
    return out ? same(&key->src, local) && same(&key->dst, remote)
               : same(&key->dst, local) && same(&key->src, remote);
}
