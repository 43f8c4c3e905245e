/*
 * Characters to words and numbers; see scan.h.
 */
#include "pkt/scan.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- Errors ---- */

NARU_PRINTF(3, 0)
static void conclude(struct naru_scan *s, enum naru_script_verdict verdict, const char *format,
                     va_list args)
{
    if (s->failed)
        return;
    s->failed = true;
    s->result->verdict = verdict;
    s->result->line = s->line;
    vsnprintf(s->result->text, sizeof(s->result->text), format, args);
}

void naru_scan_fail(struct naru_scan *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    conclude(s, NARU_SCRIPT_FAILED, format, args);
    va_end(args);
}

void naru_scan_skip(struct naru_scan *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    conclude(s, NARU_SCRIPT_SKIPPED, format, args);
    va_end(args);
}

/* ---- Blanks, comments, conditions ---- */

static bool is_word(int c) { return isalnum(c) || c == '_'; }

static int at(const struct naru_scan *s) { return (unsigned char)*s->at; }

static void to_line_end(struct naru_scan *s)
{
    while (*s->at != '\0' && *s->at != '\n')
        s->at++;
}

static bool starts(const struct naru_scan *s, const char *text)
{
    return strncmp(s->at, text, strlen(text)) == 0;
}

static void over_comment(struct naru_scan *s)
{
    s->at += 2;
    while (*s->at != '\0' && !starts(s, "*/")) {
        s->line += *s->at == '\n';
        s->at++;
    }
    if (*s->at == '\0')
        naru_scan_fail(s, "a comment that does not end");
    else
        s->at += 2;
}

/* From a condition that does not hold to its #else or #endif. */
static void over_branch(struct naru_scan *s)
{
    unsigned depth = 0;
    for (;;) {
        to_line_end(s);
        if (*s->at == '\0') {
            naru_scan_fail(s, "#endif is missing");
            return;
        }
        s->at++;
        s->line++;
        if (starts(s, "#if")) {
            depth++;
        } else if (starts(s, "#endif")) {
            if (depth == 0)
                break;
            depth--;
        } else if (starts(s, "#else") && depth == 0) {
            s->if_depth++;
            break;
        }
    }
    to_line_end(s);
}

/* Lines that begin with # are comments but for these (the FreeBSD scripts go through cpp). */
static void over_hash(struct naru_scan *s)
{
    char name[64] = "";
    bool ifdef = starts(s, "#ifdef "), ifndef = starts(s, "#ifndef ");
    if (ifdef || ifndef) {
        sscanf(s->at + (ifdef ? 7 : 8), "%63[A-Za-z0-9_]", name);
        if ((naru_scan_defined(s, name) != NULL) == ifdef)
            s->if_depth++;
        else
            over_branch(s);
    } else if (starts(s, "#else") && s->if_depth > 0) {
        s->if_depth--;
        over_branch(s);
    } else if (starts(s, "#endif")) {
        if (s->if_depth == 0)
            naru_scan_fail(s, "#endif without #ifdef");
        else
            s->if_depth--;
    }
    to_line_end(s);
}

int naru_scan_peek(struct naru_scan *s)
{
    while (!s->failed) {
        if (*s->at == '\n') {
            s->line++;
            s->at++;
        } else if (isspace(at(s))) {
            s->at++;
        } else if (starts(s, "//")) {
            to_line_end(s);
        } else if (starts(s, "/*")) {
            over_comment(s);
        } else if (*s->at == '#') {
            over_hash(s);
        } else {
            if (*s->at == '\0' && s->if_depth > 0)
                naru_scan_fail(s, "#endif is missing");
            return at(s);
        }
    }
    return 0;
}

int naru_scan_here(const struct naru_scan *s) { return s->failed ? 0 : at(s); }

/* ---- Words ---- */

bool naru_scan_accept(struct naru_scan *s, const char *text)
{
    (void)naru_scan_peek(s);
    if (s->failed || !starts(s, text))
        return false;
    s->at += strlen(text);
    return true;
}

static void fail_at(struct naru_scan *s, const char *wanted)
{
    char got[24];
    size_t n = 0;
    (void)naru_scan_peek(s);
    while (n < sizeof(got) - 1 && s->at[n] != '\0' && s->at[n] != '\n') {
        got[n] = s->at[n];
        n++;
    }
    got[n] = '\0';
    naru_scan_fail(s, "syntax: %s is wanted, got \"%s\"", wanted,
                   n == 0 ? "the end of the line" : got);
}

void naru_scan_need(struct naru_scan *s, const char *text)
{
    char wanted[40];
    snprintf(wanted, sizeof(wanted), "\"%s\"", text);
    if (!naru_scan_accept(s, text))
        fail_at(s, wanted);
}

static size_t word_len(struct naru_scan *s)
{
    size_t n = 0;
    (void)naru_scan_peek(s);
    if (s->failed || !(isalpha(at(s)) || *s->at == '_'))
        return 0;
    while (is_word((unsigned char)s->at[n]))
        n++;
    return n;
}

const char *naru_scan_word(struct naru_scan *s)
{
    size_t n = word_len(s);
    if (n == 0)
        return NULL;
    const char *word = naru_arena_text(s->arena, s->at, n);
    s->at += n;
    return word;
}

bool naru_scan_accept_word(struct naru_scan *s, const char *word)
{
    size_t n = word_len(s);
    if (n == 0 || n != strlen(word) || strncmp(s->at, word, n) != 0)
        return false;
    s->at += n;
    return true;
}

static const char *find(const struct naru_script_defines *d, const char *word)
{
    for (unsigned i = 0; i < d->count; i++)
        if (strcmp(d->at[i].name, word) == 0)
            return d->at[i].value;
    return NULL;
}

const char *naru_scan_defined(const struct naru_scan *s, const char *word)
{
    const char *value = find(&s->own, word);
    if (value == NULL)
        value = find(s->defines, word);
    return value == NULL && s->usual != NULL ? find(s->usual, word) : value;
}

/* ---- Numbers ---- */

static unsigned digit(int c)
{
    return isdigit(c) ? (unsigned)(c - '0') : (unsigned)(tolower(c) - 'a' + 10);
}

static bool number(const char **text, int64_t *value)
{
    const char *p = *text;
    unsigned base = 10;
    uint64_t v = 0;
    if (p[0] == '0' && (p[1] == 'x' || p[1] == 'X') && isxdigit((unsigned char)p[2])) {
        base = 16;
        p += 2;
    }
    if (!isxdigit((unsigned char)*p) || digit((unsigned char)*p) >= base)
        return false;
    while (isxdigit((unsigned char)*p) && digit((unsigned char)*p) < base) {
        if (v > (UINT64_MAX >> 1) / base - base)
            return false;
        v = v * base + digit((unsigned char)*p++);
    }
    *text = p;
    *value = (int64_t)v;
    return true;
}

int64_t naru_scan_int(struct naru_scan *s)
{
    int64_t value = 0;
    bool minus = naru_scan_accept(s, "-");
    (void)naru_scan_peek(s);
    if (s->failed)
        return 0;
    if (word_len(s) > 0) {
        const char *before = s->at, *word = naru_scan_word(s);
        const char *text = naru_scan_defined(s, word);
        if (text != NULL && number(&text, &value))
            return minus ? -value : value;
        s->at = before;
    }
    if (!number(&s->at, &value))
        fail_at(s, "a number");
    return minus ? -value : value;
}

uint32_t naru_scan_uint(struct naru_scan *s, uint32_t max)
{
    int64_t value = naru_scan_int(s);
    if (value < 0 || value > max) {
        naru_scan_fail(s, "a number out of its range: %lld", (long long)value);
        return 0;
    }
    return (uint32_t)value;
}

naru_time naru_scan_seconds(struct naru_scan *s)
{
    naru_time unit = NARU_SEC(1), time = 0;
    (void)naru_scan_peek(s);
    if (s->failed)
        return 0;
    const char *begin = s->at;
    while (isdigit(at(s)) && s->at - begin < 9)
        time = time * 10 + (*s->at++ - '0') * NARU_SEC(1);
    if (s->at[0] == '.' && isdigit((unsigned char)s->at[1])) {
        for (s->at++; isdigit(at(s)); s->at++) {
            unit /= 10;
            time += (*s->at - '0') * unit;
        }
    } else if (s->at == begin) {
        fail_at(s, "a time");
    }
    return time;
}

double naru_scan_real(struct naru_scan *s) { return (double)naru_scan_seconds(s) / 1e9; }

/* ---- Runs of text ---- */

const char *naru_scan_quoted(struct naru_scan *s, char delimiter)
{
    const char open[2] = { delimiter, '\0' };
    naru_scan_need(s, open);
    return naru_scan_until(s, open);
}

const char *naru_scan_until(struct naru_scan *s, const char *end)
{
    const char *stop = s->failed ? NULL : strstr(s->at, end);
    if (stop == NULL) {
        naru_scan_fail(s, "the closing %s is missing", end);
        return "";
    }
    const char *from = s->at, *to = stop;
    for (const char *p = from; p < to; p++)
        s->line += *p == '\n';
    s->at = stop + strlen(end);
    while (from < to && isspace((unsigned char)*from))
        from++;
    while (to > from && isspace((unsigned char)to[-1]))
        to--;
    return naru_arena_text(s->arena, from, (size_t)(to - from));
}
