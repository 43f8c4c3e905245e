/* Frames made by hand; see craft.h.  Not done: IPv4 options, jumbograms. */
#include "lib/craft.h"

#include <string.h>

void craft_put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

void craft_put32(uint8_t *p, uint32_t v)
{
    craft_put16(p, v >> 16);
    craft_put16(p + 2, v & 0xffff);
}

uint32_t craft_get16(const uint8_t *p) { return (uint32_t)p[0] << 8 | p[1]; }

uint32_t craft_get32(const uint8_t *p) { return craft_get16(p) << 16 | craft_get16(p + 2); }

static bool is_v4(const struct naru_addr *a)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    return memcmp(a->b, mapped, 12) == 0;
}

const struct craft_ends craft_router = {
    .src = { .b = { 0xfe, 0x80, [15] = 0x66 } },
    .dst = { .b = { 0xff, 2, [15] = 1 } },
    .src_mac = { 2, 0, 0, 0, 0, 0x66 },
    .dst_mac = { 0x33, 0x33, 0, 0, 0, 1 },
    .hop_limit = 255,
};

/* ---- Checksums ---- */

static uint32_t sum(uint32_t s, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        s += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
    return s;
}

static uint32_t fold(uint32_t s)
{
    while (s >> 16 != 0)
        s = (s & 0xffff) + (s >> 16);
    return ~s & 0xffff;
}

/* The checksum of len bytes at p, of that protocol, between the addresses at addrs. */
static void repair_transport(uint8_t *p, size_t len, unsigned proto, const uint8_t *addrs,
                             size_t addrs_len)
{
    size_t at = proto == CRAFT_TCP_PROTO ? 16 : proto == CRAFT_UDP ? 6 : 2;
    bool pseudo = proto == CRAFT_TCP_PROTO || proto == CRAFT_UDP || proto == CRAFT_ICMPV6;
    if ((!pseudo && proto != CRAFT_ICMP && proto != CRAFT_IGMP) || len < at + 2)
        return;
    craft_put16(p + at, 0);
    uint32_t s = pseudo ? sum((uint32_t)len + proto, addrs, addrs_len) : 0;
    uint32_t check = fold(sum(s, p, len));
    craft_put16(p + at, check == 0 && proto == CRAFT_UDP ? 0xffff : check);
}

static void repair4(uint8_t *ip, size_t len)
{
    size_t head = (size_t)(ip[0] & 15) * 4, total = craft_get16(ip + 2);
    if (head < CRAFT_IPV4 || head > len)
        return;
    craft_put16(ip + 10, 0);
    craft_put16(ip + 10, fold(sum(0, ip, head)));
    if ((craft_get16(ip + 6) & 0x3fff) == 0 && total >= head && total <= len)
        repair_transport(ip + head, total - head, ip[9], ip + 12, 8);
}

/* Over the extension headers, as far as they go. */
static void repair6(uint8_t *ip, size_t len)
{
    size_t at = CRAFT_IPV6, end = CRAFT_IPV6 + craft_get16(ip + 4);
    unsigned next = ip[6];
    if (end > len)
        return;
    while (next == 0 || next == 43 || next == 60 || next == CRAFT_FRAGMENT) {
        if (at + 8 > end || (next == CRAFT_FRAGMENT && (craft_get16(ip + at + 2) & 0xfff9) != 0))
            return;
        size_t here = next == CRAFT_FRAGMENT ? 8 : ((size_t)ip[at + 1] + 1) * 8;
        next = ip[at];
        at += here;
    }
    if (at < end)
        repair_transport(ip + at, end - at, next, ip + 8, 32);
}

size_t craft_link_len(const uint8_t *frame, size_t len)
{
    return len >= 18 && craft_get16(frame + 12) == 0x8100 ? 18 : CRAFT_ETH;
}

void craft_repair(uint8_t *frame, size_t len)
{
    size_t link = craft_link_len(frame, len);
    if (len < link + CRAFT_IPV4)
        return;
    unsigned type = craft_get16(frame + link - 2);
    if (type == 0x0800)
        repair4(frame + link, len - link);
    else if (type == 0x86dd && len >= link + CRAFT_IPV6)
        repair6(frame + link, len - link);
}

/* ---- Packets ---- */

static size_t link_header(uint8_t *frame, const struct craft_ends *ends, unsigned type)
{
    size_t at = 12;
    memcpy(frame, ends->dst_mac, 6);
    memcpy(frame + 6, ends->src_mac, 6);
    if (ends->vlan != 0) {
        craft_put16(frame + at, 0x8100);
        craft_put16(frame + at + 2, ends->vlan);
        at += 4;
    }
    craft_put16(frame + at, type);
    return at + 2;
}

static size_t ip_header(uint8_t *ip, const struct craft_ends *ends, unsigned proto, size_t len)
{
    uint8_t hop_limit = ends->hop_limit != 0 ? ends->hop_limit : 64;
    if (is_v4(&ends->dst)) {
        memset(ip, 0, CRAFT_IPV4);
        ip[0] = 0x45;
        ip[1] = ends->tos;
        craft_put16(ip + 2, (uint32_t)(CRAFT_IPV4 + len));
        ip[8] = hop_limit;
        ip[9] = (uint8_t)proto;
        memcpy(ip + 12, ends->src.b + 12, 4);
        memcpy(ip + 16, ends->dst.b + 12, 4);
        return CRAFT_IPV4;
    }
    craft_put32(ip, 0x60000000U | (uint32_t)ends->tos << 20);
    craft_put16(ip + 4, (uint32_t)len);
    ip[6] = (uint8_t)proto;
    ip[7] = hop_limit;
    memcpy(ip + 8, ends->src.b, 16);
    memcpy(ip + 24, ends->dst.b, 16);
    return CRAFT_IPV6;
}

size_t craft_ip(uint8_t *frame, const struct craft_ends *ends, unsigned proto, const void *payload,
                size_t len)
{
    size_t at = link_header(frame, ends, is_v4(&ends->dst) ? 0x0800 : 0x86dd);
    if (len > CRAFT_MAX - 64)
        len = CRAFT_MAX - 64;
    at += ip_header(frame + at, ends, proto, len);
    if (len > 0)
        memmove(frame + at, payload, len);
    craft_repair(frame, at + len);
    return at + len;
}

size_t craft_fragment(uint8_t *frame, const struct craft_ends *ends, unsigned proto,
                      const struct craft_piece *piece, const void *payload, size_t len)
{
    bool v4 = is_v4(&ends->dst);
    size_t at = link_header(frame, ends, v4 ? 0x0800 : 0x86dd);
    if (len > CRAFT_MAX - 128)
        len = CRAFT_MAX - 128;
    if (v4) {
        uint8_t *ip = frame + at;
        at += ip_header(ip, ends, proto, len);
        craft_put16(ip + 4, piece->ident);
        craft_put16(ip + 6, (piece->more ? 0x2000U : 0U) | piece->offset / 8);
    } else {
        at += ip_header(frame + at, ends, CRAFT_FRAGMENT, len + 8);
        frame[at] = (uint8_t)proto;
        frame[at + 1] = 0;
        craft_put16(frame + at + 2, (piece->offset & 0xfff8) | (piece->more ? 1U : 0U));
        craft_put32(frame + at + 4, piece->ident);
        at += 8;
    }
    if (len > 0)
        memcpy(frame + at, payload, len);
    if (v4)
        craft_repair(frame, at + len);
    return at + len;
}

size_t craft_tcp(uint8_t *frame, const struct craft_ends *ends, const struct craft_segment *s)
{
    uint8_t p[CRAFT_MAX];
    size_t option_len = s->option_len > 40 ? 40 : s->option_len;
    size_t head = CRAFT_TCP + (option_len + 3) / 4 * 4;
    size_t len = s->payload_len > CRAFT_MAX - 160 ? CRAFT_MAX - 160 : s->payload_len;
    memset(p, 0, head);
    craft_put16(p, s->sport);
    craft_put16(p + 2, s->dport);
    craft_put32(p + 4, s->seq);
    craft_put32(p + 8, s->ack);
    p[12] = (uint8_t)(head / 4 << 4);
    p[13] = s->flags;
    craft_put16(p + 14, s->window);
    craft_put16(p + 18, s->urgent);
    if (option_len > 0)
        memcpy(p + CRAFT_TCP, s->option, option_len);
    if (len > 0)
        memcpy(p + head, s->payload, len);
    return craft_ip(frame, ends, CRAFT_TCP_PROTO, p, head + len);
}

size_t craft_udp(uint8_t *frame, const struct craft_ends *ends, uint16_t sport, uint16_t dport,
                 const void *payload, size_t len)
{
    uint8_t p[CRAFT_MAX] = { 0 };
    if (len > CRAFT_MAX - 160)
        len = CRAFT_MAX - 160;
    craft_put16(p, sport);
    craft_put16(p + 2, dport);
    craft_put16(p + 4, (uint32_t)len + 8);
    if (len > 0)
        memcpy(p + 8, payload, len);
    return craft_ip(frame, ends, CRAFT_UDP, p, len + 8);
}

size_t craft_icmp(uint8_t *frame, const struct craft_ends *ends, uint8_t type, uint8_t code,
                  uint32_t rest, const void *payload, size_t len)
{
    uint8_t p[CRAFT_MAX] = { type, code };
    if (len > CRAFT_MAX - 160)
        len = CRAFT_MAX - 160;
    craft_put32(p + 4, rest);
    if (len > 0)
        memcpy(p + 8, payload, len);
    return craft_ip(frame, ends, is_v4(&ends->dst) ? CRAFT_ICMP : CRAFT_ICMPV6, p, len + 8);
}

size_t craft_error(uint8_t *frame, const struct craft_ends *ends, const struct craft_ends *quoted,
                   unsigned type_code, uint32_t rest, unsigned proto, const void *transport,
                   size_t len)
{
    uint8_t packet[CRAFT_MAX];
    size_t all = craft_ip(packet, quoted, proto, transport, len);
    size_t link = craft_link_len(packet, all);
    return craft_icmp(frame, ends, (uint8_t)(type_code >> 8), (uint8_t)type_code, rest,
                      packet + link, all - link);
}

size_t craft_arp(uint8_t *frame, const struct craft_ends *ends, unsigned op)
{
    size_t at = link_header(frame, ends, 0x0806);
    uint8_t *p = frame + at;
    craft_put16(p, 1);
    craft_put16(p + 2, 0x0800);
    craft_put16(p + 4, 0x0604);
    craft_put16(p + 6, op);
    memcpy(p + 8, ends->src_mac, 6);
    memcpy(p + 14, ends->src.b + 12, 4);
    memcpy(p + 18, ends->dst_mac, 6);
    memcpy(p + 24, ends->dst.b + 12, 4);
    return at + 28;
}

/* ---- What comes back ---- */

bool craft_heard(const uint8_t *frame, size_t len, struct craft_heard *out)
{
    size_t link = craft_link_len(frame, len);
    if (len < link + CRAFT_IPV4)
        return false;
    bool v4 = craft_get16(frame + link - 2) == 0x0800;
    size_t at = link + (size_t)(v4 ? CRAFT_IPV4 : CRAFT_IPV6);
    if (len < at + CRAFT_TCP || frame[link + (v4 ? 9 : 6)] != CRAFT_TCP_PROTO)
        return false;
    const uint8_t *p = frame + at;
    size_t head = (size_t)(p[12] >> 4) * 4;
    if (head < CRAFT_TCP || at + head > len)
        return false;
    *out = (struct craft_heard){
        .sport = (uint16_t)craft_get16(p),
        .dport = (uint16_t)craft_get16(p + 2),
        .seq = craft_get32(p + 4),
        .ack = craft_get32(p + 8),
        .flags = p[13],
        .window = (uint16_t)craft_get16(p + 14),
        .v4 = v4,
        .len = (uint32_t)(len - at - head),
    };
    out->next =
        out->seq + out->len + ((out->flags & CRAFT_SYN) != 0) + ((out->flags & CRAFT_FIN) != 0);
    return true;
}
