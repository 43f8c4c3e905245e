/*
 * Names of DNS: compressed, as text, compared (RFC 1035 3.1, 4.1.4; RFC 4343; see dns.h).
 */
#include "wire/dns.h"

#include "base/addr.h"

#include <string.h>

enum { POINTER = 0xc0, LABEL = 0x00, KIND = 0xc0 };

/* Adds one label and leaves room for the last 0; false: the name would be too long. */
static bool label_add(struct naru_dns_name *name, const uint8_t *label, size_t len)
{
    if (len == 0 || len > NARU_DNS_LABEL_MAX || name->len + 1U + len + 1U > NARU_DNS_NAME_MAX)
        return false;
    name->b[name->len] = (uint8_t)len;
    memcpy(name->b + name->len + 1, label, len);
    name->len = (uint8_t)(name->len + 1 + len);
    return true;
}

static void end(struct naru_dns_name *name) { name->b[name->len++] = 0; }

enum naru_drop naru_dns_name_parse(struct naru_span message, size_t *at, struct naru_dns_name *name)
{
    size_t i = *at, start = *at; /* pointers lead to before start */
    bool jumped = false;

    name->len = 0;
    for (;;) {
        if (i >= message.len)
            return NARU_DROP_DNS_SHORT;
        uint8_t len = message.at[i];
        if ((len & KIND) == POINTER) {
            if (message.len - i < 2)
                return NARU_DROP_DNS_SHORT;
            if (!jumped)
                *at = i + 2;
            jumped = true;
            i = naru_get16(message.at + i) & 0x3fff;
            if (i >= start)
                return NARU_DROP_DNS_NAME;
            start = i;
        } else if ((len & KIND) != LABEL) {
            return NARU_DROP_DNS_NAME;
        } else if (len == 0) {
            break;
        } else if (len > message.len - i - 1) {
            return NARU_DROP_DNS_SHORT;
        } else if (!label_add(name, message.at + i + 1, len)) {
            return NARU_DROP_DNS_NAME;
        } else {
            i += 1U + len;
        }
    }
    end(name);
    if (!jumped)
        *at = i + 1;
    return NARU_DROP_NONE;
}

bool naru_dns_name_from_text(struct naru_dns_name *name, const char *text)
{
    name->len = 0;
    if (text[0] == '.' && text[1] == '\0')
        text++; /* the root */
    while (*text != '\0') {
        uint8_t label[NARU_DNS_LABEL_MAX];
        size_t len = 0;
        for (; *text != '\0' && *text != '.'; text++) {
            if (len == sizeof(label))
                return false;
            label[len++] = (uint8_t)*text;
        }
        if (!label_add(name, label, len))
            return false;
        if (*text == '.')
            text++;
    }
    end(name);
    return true;
}

static void text_label_add(struct naru_dns_name *name, const char *text, size_t len)
{
    bool fits = label_add(name, (const uint8_t *)text, len);
    NARU_ASSERT(fits);
}

static void number_label_add(struct naru_dns_name *name, unsigned n)
{
    char digits[12];
    struct naru_text t;
    naru_text_init(&t, digits, sizeof(digits));
    naru_text_uint(&t, n);
    text_label_add(name, digits, t.len);
}

void naru_dns_name_from_addr(struct naru_dns_name *name, const struct naru_addr *addr)
{
    name->len = 0;
    if (naru_addr_is_v4(addr)) {
        for (unsigned i = 16; i > 12; i--)
            number_label_add(name, addr->b[i - 1]);
        text_label_add(name, "in-addr", 7);
    } else {
        for (unsigned i = 32; i > 0; i--) {
            unsigned nibble = addr->b[(i - 1) / 2] >> ((i & 1) != 0 ? 4 : 0) & 0xf;
            text_label_add(name, &"0123456789abcdef"[nibble], 1);
        }
        text_label_add(name, "ip6", 3);
    }
    text_label_add(name, "arpa", 4);
    end(name);
}

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? (uint8_t)(c + 32) : c; }

/* Lengths are below 64, and so never changed by lower(). */
bool naru_dns_name_eq(const struct naru_dns_name *a, const struct naru_dns_name *b)
{
    if (a->len != b->len)
        return false;
    for (unsigned i = 0; i < a->len; i++)
        if (lower(a->b[i]) != lower(b->b[i]))
            return false;
    return true;
}

static void char_show(struct naru_text *t, uint8_t c)
{
    if (c <= ' ' || c >= 127 || c == '.' || c == '\\') {
        naru_text_char(t, '\\');
        naru_text_uint_pad(t, c, 3);
    } else {
        naru_text_char(t, (char)c);
    }
}

void naru_dns_name_show(struct naru_text *t, const struct naru_dns_name *name)
{
    if (name->len <= 1)
        naru_text_char(t, '.');
    for (unsigned i = 0; i + 1 < name->len; i += 1U + name->b[i]) {
        if (i > 0)
            naru_text_char(t, '.');
        for (unsigned k = 1; k <= name->b[i]; k++)
            char_show(t, name->b[i + k]);
    }
}
