/*
 * Text without printf: appending to a buffer of fixed size, cut at its end, always ending in NUL.
 *
 * naru_addr_parse, naru_addr_parse_prefix, naru_addr_format and naru_err_text of <naru/types.h> are
 * defined in text.c and addr.c.
 */
#ifndef NARU_BASE_TEXT_H
#define NARU_BASE_TEXT_H

#include "base/defs.h"
#include <naru/types.h>

struct naru_text {
    char *at;    /* the whole buffer */
    size_t size; /* of it, the NUL included */
    size_t len;  /* of the whole text, also where it was cut */
};

/* size may be 0: then nothing is written, and len still counts. */
void naru_text_init(struct naru_text *t, char *buf, size_t size);

NARU_INLINE bool naru_text_cut(const struct naru_text *t) { return t->len >= t->size; }

void naru_text_char(struct naru_text *t, char c);
void naru_text_str(struct naru_text *t, const char *s);
void naru_text_mem(struct naru_text *t, const char *s, size_t len);
void naru_text_uint(struct naru_text *t, uint64_t n);
void naru_text_int(struct naru_text *t, int64_t n);

/* Lower case, without 0x, at least digits wide. */
void naru_text_hex(struct naru_text *t, uint64_t n, unsigned digits);

/* Zero-padded to width. */
void naru_text_uint_pad(struct naru_text *t, uint64_t n, unsigned width);

/* "1.250000": seconds with six decimals. */
void naru_text_time(struct naru_text *t, naru_time at);

/* Dotted, or RFC 5952. */
void naru_text_addr(struct naru_text *t, const struct naru_addr *a);

/* "10.0.0.1:80", "[fe80::1]:80". */
void naru_text_endpoint(struct naru_text *t, const struct naru_endpoint *e);

/* "02:00:00:00:00:01" */
void naru_text_mac(struct naru_text *t, const uint8_t mac[6]);

#endif
