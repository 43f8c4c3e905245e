/*
 * Characters to words and numbers, for a language whose tokens depend on where they stand (`.` is a
 * flag, a fraction and part of `...`).
 *
 * The first error sticks: from then on nothing matches, so that a parser need not look after every
 * step.
 */
#ifndef NARU_PKT_SCAN_H
#define NARU_PKT_SCAN_H

#include "pkt/script.h"

struct naru_scan {
    const char *at;
    unsigned line;
    unsigned if_depth;
    struct naru_arena *arena;
    const struct naru_script_defines *defines; /* of the command line */
    struct naru_script_defines own;            /* of the script */
    const struct naru_script_defines *usual;   /* where nobody says otherwise; or NULL */
    struct naru_script_result *result;
    bool failed;
};

/* Both keep the first one. */
void naru_scan_fail(struct naru_scan *s, const char *format, ...) NARU_PRINTF(2, 3);
void naru_scan_skip(struct naru_scan *s, const char *format, ...) NARU_PRINTF(2, 3);

/* Over blanks and comments to the next character, which is returned; 0 at the end or on error. */
int naru_scan_peek(struct naru_scan *s);
/* Without skipping blanks. */
int naru_scan_here(const struct naru_scan *s);

/* Takes it if it comes next (after blanks). */
bool naru_scan_accept(struct naru_scan *s, const char *text);
/* The same, or an error that names it. */
void naru_scan_need(struct naru_scan *s, const char *text);

/* A word of letters, digits and _ that begins with a letter or _; NULL if none comes next. */
const char *naru_scan_word(struct naru_scan *s);
/* Takes that word if it comes next. */
bool naru_scan_accept_word(struct naru_scan *s, const char *word);

/* Decimal, 0x or a defined symbol, perhaps with a sign; an error if none comes next. */
int64_t naru_scan_int(struct naru_scan *s);
/* The same within bounds. */
uint32_t naru_scan_uint(struct naru_scan *s, uint32_t max);

/* "0.1" seconds. */
naru_time naru_scan_seconds(struct naru_scan *s);
double naru_scan_real(struct naru_scan *s);

/* "text", `text`: the delimiter comes next. */
const char *naru_scan_quoted(struct naru_scan *s, char delimiter);

/* The text up to this end, which is taken; blanks at both sides are not. */
const char *naru_scan_until(struct naru_scan *s, const char *end);

/* The value of a defined word, or NULL. */
const char *naru_scan_defined(const struct naru_scan *s, const char *word);

#endif
