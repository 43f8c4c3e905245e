/*
 * Addresses: their text (RFC 4291 2.2, RFC 5952) and their prefixes.
 *
 * Accepted are all forms of RFC 4291 2.2, "::" for one or more groups, a dotted tail, and plain
 * dotted IPv4 with exactly four decimal numbers; a leading zero is refused in those, since readers
 * differ on whether it means octal (RFC 6943 3.1.1).  Not done: zones ("fe80::1%eth0").
 */
#include "base/addr.h"

#include "base/text.h"

#include <string.h>

struct naru_addr naru_addr_v4(uint32_t host_order)
{
    uint8_t p[4];
    naru_put32(p, host_order);
    return naru_addr_from4(p);
}

/* ---- parsing: each takes what it understands off *s and says if that was good ---- */

/* A decimal number up to max, without leading zeros. */
static bool take_decimal(const char **s, unsigned max, unsigned *out)
{
    const char *p = *s;
    unsigned n = 0;

    if (*p < '0' || *p > '9' || (p[0] == '0' && p[1] >= '0' && p[1] <= '9'))
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        n = n * 10 + (unsigned)(*p - '0');
        if (n > max)
            return false;
    }
    *s = p;
    *out = n;
    return true;
}

static bool take_dotted(const char **s, uint8_t out[4])
{
    const char *p = *s;
    for (unsigned i = 0; i < 4; i++) {
        unsigned n;
        if (i > 0 && *p++ != '.')
            return false;
        if (!take_decimal(&p, 255, &n))
            return false;
        out[i] = (uint8_t)n;
    }
    *s = p;
    return true;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* One to four hexadecimal digits. */
static bool take_group(const char **s, uint8_t out[2])
{
    const char *p = *s;
    unsigned n = 0;

    while (hex_digit(*p) >= 0 && p - *s < 4)
        n = n << 4 | (unsigned)hex_digit(*p++);
    if (p == *s || hex_digit(*p) >= 0)
        return false;
    naru_put16(out, n);
    *s = p;
    return true;
}

/* True if what comes next is a number and a dot. */
static bool at_dotted(const char *p)
{
    while (*p >= '0' && *p <= '9')
        p++;
    return *p == '.';
}

static bool take_ipv6(const char **s, struct naru_addr *out)
{
    const char *p = *s;
    uint8_t b[16] = { 0 };
    size_t len = 0;         /* bytes of b so far */
    size_t gap = SIZE_MAX;  /* where "::" stands among them */
    bool separated = false; /* a colon has just been read: a group must follow */

    if (p[0] == ':' && p[1] != ':')
        return false;
    while (len < 16 && *p != '\0') {
        if (p[0] == ':' && p[1] == ':') {
            if (gap != SIZE_MAX || separated)
                return false;
            gap = len;
            p += 2;
            if (hex_digit(*p) < 0)
                break;
        }
        if (len <= 12 && at_dotted(p)) {
            if (!take_dotted(&p, b + len))
                return false;
            len += 4;
            separated = false;
            break;
        }
        if (!take_group(&p, b + len))
            return false;
        len += 2;
        separated = p[0] == ':' && p[1] != ':';
        if (separated)
            p++;
        else if (*p != ':')
            break;
    }
    /* Eight groups may still be followed by nothing but a "::" that stands for none: refused. */
    if (separated || (gap == SIZE_MAX ? len != 16 : len > 14))
        return false;
    if (gap != SIZE_MAX) {
        memmove(b + 16 - (len - gap), b + gap, len - gap);
        memset(b + gap, 0, 16 - len);
    }
    memcpy(out->b, b, 16);
    *s = p;
    return true;
}

static bool take_addr(const char **s, struct naru_addr *out, bool *dotted)
{
    uint8_t v4[4];

    *dotted = at_dotted(*s);
    if (!*dotted)
        return take_ipv6(s, out);
    if (!take_dotted(s, v4))
        return false;
    *out = naru_addr_from4(v4);
    return true;
}

bool naru_addr_parse(const char *text, struct naru_addr *out)
{
    struct naru_addr a;
    bool dotted;
    if (!take_addr(&text, &a, &dotted) || *text != '\0')
        return false;
    *out = a;
    return true;
}

bool naru_addr_parse_prefix(const char *text, struct naru_addr *out, unsigned *len)
{
    struct naru_addr a;
    bool dotted;
    unsigned n;

    if (!take_addr(&text, &a, &dotted) || *text++ != '/')
        return false;
    if (!take_decimal(&text, dotted ? 32 : 128, &n) || *text != '\0')
        return false;
    if (!dotted && naru_addr_is_v4(&a)) {
        /* "::ffff:10.0.0.0/104" is 10.0.0.0/8; a shorter one would not be a prefix of IPv4. */
        if (n < 96)
            return false;
        n -= 96;
    }
    *out = a;
    *len = n;
    return true;
}

/* ---- text ---- */

/* The longest run of at least two zero groups, the first of equals (RFC 5952 4.2). */
static void zero_run(const struct naru_addr *a, unsigned *start, unsigned *len)
{
    *start = 8;
    *len = 1;
    for (unsigned i = 0; i < 8;) {
        unsigned end = i;
        while (end < 8 && naru_get16(&a->b[(size_t)2 * end]) == 0)
            end++;
        if (end - i > *len) {
            *start = i;
            *len = end - i;
        }
        i = end + 1;
    }
}

void naru_text_addr(struct naru_text *t, const struct naru_addr *a)
{
    if (naru_addr_is_v4(a)) {
        for (unsigned i = 12; i < 16; i++) {
            if (i > 12)
                naru_text_char(t, '.');
            naru_text_uint(t, a->b[i]);
        }
        return;
    }

    unsigned start, len;
    zero_run(a, &start, &len);
    for (unsigned i = 0; i < 8; i++) {
        if (i == start) {
            naru_text_str(t, "::");
            i += len - 1;
            continue;
        }
        if (i > 0 && i != start + len)
            naru_text_char(t, ':');
        naru_text_hex(t, naru_get16(&a->b[(size_t)2 * i]), 1);
    }
}

size_t naru_addr_format(const struct naru_addr *a, char *buf, size_t size)
{
    struct naru_text t;
    naru_text_init(&t, buf, size);
    naru_text_addr(&t, a);
    return t.len;
}

/* ---- prefixes ---- */

unsigned naru_addr_common_len(const struct naru_addr *a, const struct naru_addr *b)
{
    uint64_t hi = naru_addr_hi(a) ^ naru_addr_hi(b);
    uint64_t lo = naru_addr_lo(a) ^ naru_addr_lo(b);
    if (hi != 0)
        return 63 - naru_bit_highest(hi);
    return lo != 0 ? 127 - naru_bit_highest(lo) : 128;
}

bool naru_addr_match128(const struct naru_addr *a, const struct naru_addr *b, unsigned len)
{
    return naru_addr_common_len(a, b) >= len;
}

bool naru_addr_in_prefix(const struct naru_addr *a, const struct naru_addr *prefix,
                         unsigned prefix_len)
{
    return naru_addr_is_v4(a) == naru_addr_is_v4(prefix) &&
           naru_addr_match128(a, prefix, naru_addr_prefix128(prefix, prefix_len));
}

/* a with all bits from len (of the IPv6 form) on set to those of fill. */
static struct naru_addr with_host_bits(const struct naru_addr *a, unsigned len, uint8_t fill)
{
    struct naru_addr out = *a;
    for (unsigned i = 0; i < 16; i++) {
        unsigned keep = len <= 8 * i ? 0 : NARU_MIN(len - 8 * i, 8U);
        unsigned mask = 0xffU >> keep;
        out.b[i] = (uint8_t)((a->b[i] & ~mask) | (fill & mask));
    }
    return out;
}

struct naru_addr naru_addr_network(const struct naru_addr *a, unsigned prefix_len)
{
    return with_host_bits(a, naru_addr_prefix128(a, prefix_len), 0);
}

struct naru_addr naru_addr_broadcast(const struct naru_addr *a, unsigned prefix_len)
{
    return with_host_bits(a, naru_addr_prefix128(a, prefix_len), 0xff);
}
