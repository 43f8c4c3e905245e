/*
 * DHCP messages (see dhcp.h).
 */
#include "wire/dhcp.h"

#include "base/addr.h"

#include <string.h>

enum {
    OP = 0,
    HTYPE = 1,
    HLEN = 2,
    XID = 4,
    SECS = 8,
    FLAGS = 10,
    CIADDR = 12,
    YIADDR = 16,
    SIADDR = 20,
    GIADDR = 24,
    CHADDR = 28,
    SNAME = 44,
    SNAME_LEN = 64,
    FILE_NAME = 108,
    FILE_LEN = 128,
    MAGIC = 236,
};
enum { BOOTREQUEST = 1, BOOTREPLY = 2, ETHERNET = 1, BROADCAST = 0x8000 };
enum { OVERLOAD_FILE = 1, OVERLOAD_SNAME = 2 };

#define MAGIC_COOKIE 0x63825363U

/* ---- Parse ---- */

bool naru_dhcp_option_next(struct naru_span *options, struct naru_dhcp_option *o)
{
    while (options->len > 0 && options->at[0] == NARU_DHCP_OPT_PAD)
        naru_span_take(options, 1);
    if (options->len < 2 || options->at[0] == NARU_DHCP_OPT_END)
        return false;
    const uint8_t *p = options->at;
    size_t len = p[1];
    if (len > options->len - 2)
        return false;
    naru_span_take(options, 2 + len);
    o->kind = p[0];
    o->data = naru_span(p + 2, len);
    return true;
}

/* The walk stopped: at an end it may stop at? */
static bool ended(const struct naru_span *rest)
{
    return rest->len == 0 || rest->at[0] == NARU_DHCP_OPT_END;
}

static void addr_set(struct naru_addr *slot, struct naru_span data)
{
    if (data.len == 4 && naru_addr_is_zero(slot))
        *slot = naru_addr_from4(data.at);
}

static void addrs_set(struct naru_addr *slot, unsigned *count, struct naru_span data)
{
    if (*count > 0 || data.len % 4 != 0)
        return;
    *count = (unsigned)NARU_MIN(data.len / 4, (size_t)NARU_DHCP_ADDRS_MAX);
    for (unsigned i = 0; i < *count; i++)
        slot[i] = naru_addr_from4(data.at + (size_t)i * 4);
}

static void u32_set(uint32_t *slot, struct naru_span data)
{
    if (data.len == 4 && *slot == 0)
        *slot = naru_get32(data.at);
}

static void u16_set(uint16_t *slot, struct naru_span data)
{
    if (data.len == 2 && *slot == 0)
        *slot = naru_get16(data.at);
}

static void span_set(struct naru_span *slot, struct naru_span data)
{
    if (slot->len == 0)
        *slot = data;
}

/* One that names an address or several. */
static bool address_option(const struct naru_dhcp_option *o, struct naru_dhcp_msg *m)
{
    switch (o->kind) {
    case NARU_DHCP_OPT_MASK:
        addr_set(&m->mask, o->data);
        return true;
    case NARU_DHCP_OPT_ROUTER:
        addrs_set(m->router, &m->router_count, o->data);
        return true;
    case NARU_DHCP_OPT_DNS:
        addrs_set(m->dns, &m->dns_count, o->data);
        return true;
    case NARU_DHCP_OPT_BROADCAST:
        addr_set(&m->broadcast_addr, o->data);
        return true;
    case NARU_DHCP_OPT_REQUESTED:
        addr_set(&m->requested, o->data);
        return true;
    case NARU_DHCP_OPT_SERVER:
        addr_set(&m->server, o->data);
        return true;
    default:
        return false;
    }
}

static void other_option(const struct naru_dhcp_option *o, struct naru_dhcp_msg *m)
{
    switch (o->kind) {
    case NARU_DHCP_OPT_TYPE:
        if (o->data.len == 1 && o->data.at[0] <= NARU_DHCP_INFORM && m->type == NARU_DHCP_NONE)
            m->type = (enum naru_dhcp_type)o->data.at[0];
        break;
    case NARU_DHCP_OPT_HOST_NAME:
        span_set(&m->host_name, o->data);
        break;
    case NARU_DHCP_OPT_DOMAIN:
        span_set(&m->domain, o->data);
        break;
    case NARU_DHCP_OPT_CLIENT_ID:
        span_set(&m->client_id, o->data);
        break;
    case NARU_DHCP_OPT_PARAMETERS:
        span_set(&m->parameters, o->data);
        break;
    case NARU_DHCP_OPT_MTU:
        u16_set(&m->mtu, o->data);
        break;
    case NARU_DHCP_OPT_MAX_SIZE:
        u16_set(&m->max_size, o->data);
        break;
    case NARU_DHCP_OPT_LEASE:
        u32_set(&m->lease_s, o->data);
        break;
    case NARU_DHCP_OPT_RENEWAL:
        u32_set(&m->renewal_s, o->data);
        break;
    case NARU_DHCP_OPT_REBINDING:
        u32_set(&m->rebinding_s, o->data);
        break;
    default:
        break;
    }
}

/* All options of one field; overload gets what option 52 says.  False: one goes beyond the field.
 */
static bool field_parse(struct naru_span field, struct naru_dhcp_msg *m, unsigned *overload)
{
    struct naru_dhcp_option o;
    while (naru_dhcp_option_next(&field, &o)) {
        if (o.kind == NARU_DHCP_OPT_OVERLOAD && o.data.len == 1)
            *overload |= o.data.at[0];
        else if (!address_option(&o, m))
            other_option(&o, m);
    }
    return ended(&field);
}

enum naru_drop naru_dhcp_parse(struct naru_span in, struct naru_dhcp_msg *m)
{
    unsigned overload = 0, ignored = 0;
    const uint8_t *p = naru_span_take(&in, NARU_DHCP_LEN);
    if (p == NULL)
        return NARU_DROP_DHCP_SHORT;
    if ((p[OP] != BOOTREQUEST && p[OP] != BOOTREPLY) || p[HTYPE] != ETHERNET || p[HLEN] != 6 ||
        naru_get32(p + MAGIC) != MAGIC_COOKIE)
        return NARU_DROP_DHCP_FORMAT;

    *m = (struct naru_dhcp_msg){
        .reply = p[OP] == BOOTREPLY,
        .xid = naru_get32(p + XID),
        .secs = naru_get16(p + SECS),
        .broadcast = (naru_get16(p + FLAGS) & BROADCAST) != 0,
        .ciaddr = naru_addr_from4(p + CIADDR),
        .yiaddr = naru_addr_from4(p + YIADDR),
        .siaddr = naru_addr_from4(p + SIADDR),
        .giaddr = naru_addr_from4(p + GIADDR),
        .options = in,
    };
    memcpy(m->chaddr, p + CHADDR, sizeof(m->chaddr));
    if (!field_parse(in, m, &overload))
        return NARU_DROP_DHCP_OPTION;
    if ((overload & OVERLOAD_FILE) != 0 &&
        !field_parse(naru_span(p + FILE_NAME, FILE_LEN), m, &ignored))
        return NARU_DROP_DHCP_OPTION;
    if ((overload & OVERLOAD_SNAME) != 0 &&
        !field_parse(naru_span(p + SNAME, SNAME_LEN), m, &ignored))
        return NARU_DROP_DHCP_OPTION;
    return NARU_DROP_NONE;
}

bool naru_dhcp_prefix_len(const struct naru_addr *mask, unsigned *prefix_len)
{
    uint32_t ones = naru_addr_v4_bits(mask), zeros = ~ones;
    if (!naru_addr_is_v4(mask) || (zeros & (zeros + 1)) != 0)
        return false;
    *prefix_len = zeros == 0 ? 32 : 31 - naru_bit_highest(zeros);
    return true;
}

/* ---- Emit ---- */

/* Room for an option's data; NULL when there is none, and then w is full for good. */
static uint8_t *option_begin(struct naru_writer *w, enum naru_dhcp_opt kind, size_t len)
{
    uint8_t *p = len > 255 ? NULL : naru_writer_take(w, 2 + len);
    if (p == NULL) {
        w->at = NULL;
        w->len = 0;
        return NULL;
    }
    naru_put8(p, kind);
    naru_put8(p + 1, (unsigned)len);
    return p + 2;
}

static void option_u8(struct naru_writer *w, enum naru_dhcp_opt kind, uint8_t value)
{
    uint8_t *p = value == 0 ? NULL : option_begin(w, kind, 1);
    if (p != NULL)
        naru_put8(p, value);
}

static void option_u16(struct naru_writer *w, enum naru_dhcp_opt kind, uint16_t value)
{
    uint8_t *p = value == 0 ? NULL : option_begin(w, kind, 2);
    if (p != NULL)
        naru_put16(p, value);
}

static void option_u32(struct naru_writer *w, enum naru_dhcp_opt kind, uint32_t value)
{
    uint8_t *p = value == 0 ? NULL : option_begin(w, kind, 4);
    if (p != NULL)
        naru_put32(p, value);
}

static void option_span(struct naru_writer *w, enum naru_dhcp_opt kind, struct naru_span data)
{
    uint8_t *p = data.len == 0 ? NULL : option_begin(w, kind, data.len);
    if (p != NULL)
        memcpy(p, data.at, data.len);
}

static void option_addrs(struct naru_writer *w, enum naru_dhcp_opt kind,
                         const struct naru_addr *addr, unsigned count)
{
    NARU_ASSERT(count <= NARU_DHCP_ADDRS_MAX);
    uint8_t *p = count == 0 ? NULL : option_begin(w, kind, (size_t)count * 4);
    for (unsigned i = 0; p != NULL && i < count; i++, p += 4)
        memcpy(p, addr[i].b + 12, 4);
}

static void option_addr(struct naru_writer *w, enum naru_dhcp_opt kind,
                        const struct naru_addr *addr)
{
    option_addrs(w, kind, addr, naru_addr_is_zero(addr) ? 0 : 1);
}

static void options_emit(struct naru_writer *w, const struct naru_dhcp_msg *m)
{
    option_u8(w, NARU_DHCP_OPT_TYPE, (uint8_t)m->type);
    option_span(w, NARU_DHCP_OPT_CLIENT_ID, m->client_id);
    option_addr(w, NARU_DHCP_OPT_REQUESTED, &m->requested);
    option_addr(w, NARU_DHCP_OPT_SERVER, &m->server);
    option_u32(w, NARU_DHCP_OPT_LEASE, m->lease_s);
    option_u32(w, NARU_DHCP_OPT_RENEWAL, m->renewal_s);
    option_u32(w, NARU_DHCP_OPT_REBINDING, m->rebinding_s);
    option_addr(w, NARU_DHCP_OPT_MASK, &m->mask);
    option_addr(w, NARU_DHCP_OPT_BROADCAST, &m->broadcast_addr);
    option_addrs(w, NARU_DHCP_OPT_ROUTER, m->router, m->router_count);
    option_addrs(w, NARU_DHCP_OPT_DNS, m->dns, m->dns_count);
    option_span(w, NARU_DHCP_OPT_DOMAIN, m->domain);
    option_u16(w, NARU_DHCP_OPT_MTU, m->mtu);
    option_u16(w, NARU_DHCP_OPT_MAX_SIZE, m->max_size);
    option_span(w, NARU_DHCP_OPT_HOST_NAME, m->host_name);
    option_span(w, NARU_DHCP_OPT_PARAMETERS, m->parameters);
}

static void addr_put(uint8_t *p, const struct naru_addr *a) { memcpy(p, a->b + 12, 4); }

size_t naru_dhcp_emit(uint8_t *at, size_t room, const struct naru_dhcp_msg *m)
{
    struct naru_writer w = naru_writer(at, room);
    uint8_t *p = naru_writer_take(&w, NARU_DHCP_LEN);
    if (p == NULL)
        return 0;
    memset(p, 0, NARU_DHCP_LEN);
    naru_put8(p + OP, m->reply ? BOOTREPLY : BOOTREQUEST);
    naru_put8(p + HTYPE, ETHERNET);
    naru_put8(p + HLEN, 6);
    naru_put32(p + XID, m->xid);
    naru_put16(p + SECS, m->secs);
    naru_put16(p + FLAGS, m->broadcast ? BROADCAST : 0);
    addr_put(p + CIADDR, &m->ciaddr);
    addr_put(p + YIADDR, &m->yiaddr);
    addr_put(p + SIADDR, &m->siaddr);
    addr_put(p + GIADDR, &m->giaddr);
    memcpy(p + CHADDR, m->chaddr, sizeof(m->chaddr));
    naru_put32(p + MAGIC, MAGIC_COOKIE);

    options_emit(&w, m);
    p = naru_writer_take(&w, 1);
    if (p == NULL)
        return 0;
    *p = NARU_DHCP_OPT_END;
    size_t len = (size_t)(w.at - at);
    if (len >= NARU_DHCP_LEN_MIN)
        return len;
    p = naru_writer_take(&w, NARU_DHCP_LEN_MIN - len);
    if (p == NULL)
        return 0;
    memset(p, NARU_DHCP_OPT_PAD, NARU_DHCP_LEN_MIN - len);
    return NARU_DHCP_LEN_MIN;
}
