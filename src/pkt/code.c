/*
 * Code of a script, %{ ... }%: asserts over TCP_INFO, and variables that count.
 *
 * A small part of Python: assert EXPR[, MESSAGE]; NAME = EXPR; NAME += EXPR; NAME -= EXPR;
 * print(...).  EXPR has integers, names, comparisons (chained), and or not, arithmetic, brackets.
 * Anything else skips the script.  It is evaluated when its time has come.
 */
#include "base/text.h"
#include "pkt/info.h"
#include "pkt/play.h"
#include "pkt/symbols.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct code {
    struct naru_play *p;
    const char *at;
    bool has_info;
    struct naru_tcp_info info;
    bool bad;
    struct naru_text seen; /* "tcpi_snd_cwnd is 8": the names of this statement */
    char seen_buf[256];
    unsigned depth;
};

enum { DEPTH_MAX = 32 };

static int64_t eval_or(struct code *c);

/* ---- Tokens ---- */

static void blanks(struct code *c)
{
    for (;;) {
        if (*c->at == ' ' || *c->at == '\t' || *c->at == '\r')
            c->at++;
        else if (c->at[0] == '\\' && c->at[1] == '\n')
            c->at += 2;
        else
            return;
    }
}

static bool accept(struct code *c, const char *text)
{
    size_t len = strlen(text);
    blanks(c);
    if (strncmp(c->at, text, len) != 0)
        return false;
    if (isalpha((unsigned char)text[0]) &&
        (isalnum((unsigned char)c->at[len]) || c->at[len] == '_'))
        return false;
    c->at += len;
    return true;
}

static size_t name_len(const char *at)
{
    size_t n = 0;
    if (!isalpha((unsigned char)*at) && *at != '_')
        return 0;
    while (isalnum((unsigned char)at[n]) || at[n] == '_')
        n++;
    return n;
}

static void bad(struct code *c, const char *what)
{
    if (!c->bad)
        naru_play_skip(c->p, "code: %s", what);
    c->bad = true;
}

/* ---- Names ---- */

static int64_t *variable(struct naru_play *p, const char *name, bool make)
{
    for (unsigned i = 0; i < p->name_count; i++)
        if (strcmp(p->name[i], name) == 0)
            return &p->name_value[i];
    if (!make || p->name_count == NARU_PLAY_NAMES)
        return NULL;
    p->name[p->name_count] = name;
    return &p->name_value[p->name_count++];
}

static int64_t value_of(struct code *c, const char *name)
{
    int64_t value = 0;
    const int64_t *own = variable(c->p, name, false);
    if (own != NULL)
        value = *own;
    else if (strcmp(name, "True") == 0)
        value = 1;
    else if (strcmp(name, "False") == 0 || strcmp(name, "None") == 0)
        value = 0;
    else if (strncmp(name, "tcpi_", 5) == 0) {
        if (!c->has_info)
            naru_play_fail(c->p, "code: no connection whose %s could be told", name);
        else if (!naru_info_field(&c->info, name, c->p->now, &value))
            bad(c, name);
    } else if (naru_symbol_find(name, &value)) {
        return value;
    } else {
        bad(c, name);
    }
    naru_text_str(&c->seen, c->seen.len == 0 ? "" : ", ");
    naru_text_str(&c->seen, name);
    naru_text_str(&c->seen, " is ");
    naru_text_int(&c->seen, value);
    return value;
}

/* ---- Expressions ---- */

static int64_t eval_atom(struct code *c)
{
    blanks(c);
    if (c->depth > DEPTH_MAX)
        bad(c, "brackets nested too deep");
    if (c->bad)
        return 0;
    if (accept(c, "(")) {
        c->depth++;
        int64_t value = eval_or(c);
        c->depth--;
        if (!accept(c, ")"))
            bad(c, "a bracket is missing");
        return value;
    }
    if (accept(c, "-"))
        return -eval_atom(c);
    if (accept(c, "~"))
        return ~eval_atom(c);
    if (isdigit((unsigned char)*c->at)) {
        char *end;
        int64_t value = strtoll(c->at, &end, 0);
        if (*end == '.' || *end == 'e')
            bad(c, "numbers with fractions");
        c->at = end;
        return value;
    }
    size_t n = name_len(c->at);
    if (n == 0) {
        bad(c, "an expression that is not understood");
        return 0;
    }
    const char *name = naru_arena_text(c->p->arena, c->at, n);
    c->at += n;
    return value_of(c, name);
}

static int64_t eval_product(struct code *c)
{
    int64_t v = eval_atom(c);
    while (!c->bad) {
        if (accept(c, "*")) {
            v *= eval_atom(c);
        } else if (accept(c, "//") || accept(c, "/") || accept(c, "%")) {
            char op = c->at[-1];
            int64_t by = eval_atom(c);
            if (by == 0)
                bad(c, "a division by zero");
            else
                v = op == '%' ? v % by : v / by;
        } else {
            break;
        }
    }
    return v;
}

static int64_t eval_sum(struct code *c)
{
    int64_t v = eval_product(c);
    while (!c->bad) {
        if (accept(c, "+"))
            v += eval_product(c);
        else if (accept(c, "-"))
            v -= eval_product(c);
        else
            break;
    }
    return v;
}

static int64_t eval_shift(struct code *c)
{
    int64_t v = eval_sum(c);
    while (!c->bad) {
        if (accept(c, "<<"))
            v = (int64_t)((uint64_t)v << (eval_sum(c) & 63));
        else if (accept(c, ">>"))
            v >>= eval_sum(c) & 63;
        else
            break;
    }
    return v;
}

static int64_t eval_bits(struct code *c)
{
    int64_t v = eval_shift(c);
    while (!c->bad) {
        if (accept(c, "&"))
            v &= eval_shift(c);
        else if (accept(c, "|"))
            v |= eval_shift(c);
        else if (accept(c, "^"))
            v ^= eval_shift(c);
        else
            break;
    }
    return v;
}

static int64_t eval_compare(struct code *c)
{
    int64_t left = eval_bits(c);
    bool any = false, all = true;
    while (!c->bad) {
        static const char *const ops[] = { "==", "!=", "<=", ">=", "<", ">" };
        unsigned op = 0;
        while (op < NARU_ARRAY_LEN(ops) && !accept(c, ops[op]))
            op++;
        if (op == NARU_ARRAY_LEN(ops))
            break;
        int64_t right = eval_bits(c);
        const bool holds[] = { left == right, left != right, left <= right, left >= right,
                               left<right, left> right };
        all &= holds[op];
        any = true;
        left = right;
    }
    return any ? all : left;
}

static int64_t eval_not(struct code *c)
{
    return accept(c, "not") ? !eval_not(c) : eval_compare(c);
}

static int64_t eval_and(struct code *c)
{
    int64_t v = eval_not(c);
    while (!c->bad && accept(c, "and")) {
        int64_t right = eval_not(c);
        v = v != 0 && right != 0;
    }
    return v;
}

static int64_t eval_or(struct code *c)
{
    int64_t v = eval_and(c);
    while (!c->bad && accept(c, "or")) {
        int64_t right = eval_and(c);
        v = v != 0 || right != 0;
    }
    return v;
}

/* ---- Statements ---- */

/* To the ; or line end that is outside of strings and brackets. */
static void to_statement_end(struct code *c)
{
    int open = 0;
    char quote = '\0';
    for (; *c->at != '\0'; c->at++) {
        if (quote != '\0')
            quote = *c->at == quote ? '\0' : quote;
        else if (*c->at == '"' || *c->at == '\'')
            quote = *c->at;
        else if (*c->at == '(' || *c->at == '[')
            open++;
        else if (*c->at == ')' || *c->at == ']')
            open--;
        else if (open <= 0 && (*c->at == ';' || (*c->at == '\n' && c->at[-1] != '\\')))
            return;
    }
}

static void do_assert(struct code *c)
{
    const char *from = c->at;
    int64_t holds = eval_or(c);
    if (c->bad || naru_play_ended(c->p) || holds != 0)
        return;
    int len = (int)(c->at - from);
    while (len > 0 && isspace((unsigned char)*from)) {
        from++;
        len--;
    }
    naru_play_fail(c->p, "wanted %.*s, got %s, at %.6f", len, from, c->seen_buf,
                   (double)naru_play_time(c->p->now) / 1e9);
}

static void do_assignment(struct code *c)
{
    size_t n = name_len(c->at);
    const char *name = naru_arena_text(c->p->arena, c->at, n);
    c->at += n;
    bool add = accept(c, "+="), sub = !add && accept(c, "-=");
    int64_t *old = variable(c->p, name, true);
    if ((!add && !sub && !accept(c, "=")) || n == 0 || old == NULL) {
        bad(c, "a statement that is not understood");
        return;
    }
    int64_t value = eval_or(c);
    old = variable(c->p, name, true);
    *old = add ? *old + value : sub ? *old - value : value;
}

static void statement(struct code *c)
{
    naru_text_init(&c->seen, c->seen_buf, sizeof(c->seen_buf));
    if (accept(c, "assert"))
        do_assert(c);
    else if (*c->at != '#' && !accept(c, "print") && !accept(c, "import"))
        do_assignment(c);
}

void naru_code(struct naru_play *p, const char *text)
{
    struct code c = { .p = p, .at = text };
    const struct naru_play_fd *f = p->under_test >= 0 ? &p->fd[p->under_test] : NULL;
    if (f != NULL && f->sock != NULL)
        c.has_info = naru_sock_tcp_info(f->sock, &c.info, p->now) == NARU_OK;
    while (!c.bad && !naru_play_ended(p)) {
        while (*c.at == ';' || isspace((unsigned char)*c.at))
            c.at++;
        if (*c.at == '\0')
            break;
        statement(&c);
        to_statement_end(&c);
    }
}
