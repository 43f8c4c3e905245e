/*
 * Text without printf.
 */
#include "base/text.h"

#include "base/addr.h"

#include <string.h>

#define STR_MAX 65535

void naru_text_init(struct naru_text *t, char *buf, size_t size)
{
    *t = (struct naru_text){ .at = buf, .size = size };
    if (size > 0)
        buf[0] = '\0';
}

void naru_text_mem(struct naru_text *t, const char *s, size_t len)
{
    if (t->len + 1 < t->size) {
        size_t room = t->size - 1 - t->len;
        size_t part = NARU_MIN(len, room);
        memcpy(t->at + t->len, s, part);
        t->at[t->len + part] = '\0';
    }
    t->len += len;
}

void naru_text_char(struct naru_text *t, char c) { naru_text_mem(t, &c, 1); }

void naru_text_str(struct naru_text *t, const char *s)
{
    size_t len = 0;
    while (len < STR_MAX && s[len] != '\0') /* without a bound, gcc makes it a call of strlen */
        len++;
    naru_text_mem(t, s, len);
}

/* n in that base, at least width digits (at most 64). */
static void put_number(struct naru_text *t, uint64_t n, unsigned base, unsigned width)
{
    char digits[64];
    size_t at = sizeof(digits);

    do {
        digits[--at] = "0123456789abcdef"[n % base];
        n /= base;
    } while (n > 0);
    while (at > 0 && sizeof(digits) - at < width)
        digits[--at] = '0';
    naru_text_mem(t, digits + at, sizeof(digits) - at);
}

void naru_text_uint(struct naru_text *t, uint64_t n) { put_number(t, n, 10, 1); }

void naru_text_uint_pad(struct naru_text *t, uint64_t n, unsigned width)
{
    put_number(t, n, 10, width);
}

void naru_text_int(struct naru_text *t, int64_t n)
{
    if (n < 0)
        naru_text_char(t, '-');
    put_number(t, n < 0 ? 0 - (uint64_t)n : (uint64_t)n, 10, 1);
}

void naru_text_hex(struct naru_text *t, uint64_t n, unsigned digits)
{
    put_number(t, n, 16, digits);
}

void naru_text_time(struct naru_text *t, naru_time at)
{
    uint64_t us = (at < 0 ? 0 - (uint64_t)at : (uint64_t)at) / 1000;
    if (at < 0 && us > 0)
        naru_text_char(t, '-');
    put_number(t, us / 1000000, 10, 1);
    naru_text_char(t, '.');
    put_number(t, us % 1000000, 10, 6);
}

void naru_text_endpoint(struct naru_text *t, const struct naru_endpoint *e)
{
    char addr[NARU_ADDR_TEXT_SIZE];
    size_t len = naru_addr_format(&e->addr, addr, sizeof(addr));
    bool brackets = !naru_addr_is_v4(&e->addr);

    if (brackets)
        naru_text_char(t, '[');
    naru_text_mem(t, addr, len);
    if (brackets)
        naru_text_char(t, ']');
    naru_text_char(t, ':');
    naru_text_uint(t, e->port);
}

void naru_text_mac(struct naru_text *t, const uint8_t mac[6])
{
    for (unsigned i = 0; i < 6; i++) {
        if (i > 0)
            naru_text_char(t, ':');
        naru_text_hex(t, mac[i], 2);
    }
}
