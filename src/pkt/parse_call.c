/*
 * System calls of a script: name(arguments) = result [ERRNO (note)].
 */
#include "pkt/parse.h"
#include "pkt/symbols.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <string.h>

enum { DEPTH_MAX = 16 };

static struct naru_script_expr *parse_expr(struct naru_scan *s, unsigned depth);

static struct naru_script_expr *new_expr(struct naru_scan *s, enum naru_script_expr_kind kind)
{
    struct naru_script_expr *e = naru_arena_take(s->arena, sizeof(*e));
    e->kind = kind;
    return e;
}

/* Members up to the closing bracket. */
static struct naru_script_expr *members(struct naru_scan *s, const char *close, unsigned depth)
{
    struct naru_script_expr *first = NULL, **end = &first;
    if (naru_scan_accept(s, close))
        return NULL;
    do {
        *end = parse_expr(s, depth + 1);
        end = &(*end)->next;
    } while (!s->failed && naru_scan_accept(s, ","));
    naru_scan_need(s, close);
    return first;
}

static struct naru_script_expr *symbol(struct naru_scan *s, const char *word)
{
    const char *value = naru_scan_defined(s, word);
    struct naru_script_expr *e = new_expr(s, NARU_SCRIPT_WORD);
    if (value != NULL && isdigit((unsigned char)value[0])) {
        struct naru_scan inner = *s;
        inner.at = value;
        e->kind = NARU_SCRIPT_INT;
        e->value = naru_scan_int(&inner);
        return e;
    }
    e->text = value != NULL ? value : word;
    if (naru_symbol_find(e->text, &e->value))
        e->kind = NARU_SCRIPT_INT;
    return e;
}

/* htons(8080), inet_addr("1.2.3.4"), msg_iov(1)=..., sin_port=..., or a constant. */
static struct naru_script_expr *after_word(struct naru_scan *s, const char *word, unsigned depth)
{
    struct naru_script_expr *inside = NULL;
    bool called = naru_scan_accept(s, "(");
    if (called)
        inside = members(s, ")", depth);
    if (naru_scan_peek(s) == '=' && s->at[1] != '=') {
        naru_scan_need(s, "=");
        struct naru_script_expr *e = parse_expr(s, depth + 1);
        e->name = word;
        return e;
    }
    if (!called)
        return symbol(s, word);
    if (inside == NULL)
        return new_expr(s, NARU_SCRIPT_ELLIPSIS);
    struct naru_script_expr *copy = new_expr(s, inside->kind);
    *copy = *inside;
    copy->next = NULL;
    return copy;
}

static struct naru_script_expr *parse_one(struct naru_scan *s, unsigned depth)
{
    struct naru_script_expr *e;
    int c = naru_scan_peek(s);
    if (depth > DEPTH_MAX)
        naru_scan_fail(s, "brackets nested too deep");
    if (s->failed)
        return new_expr(s, NARU_SCRIPT_ELLIPSIS);
    if (naru_scan_accept(s, "..."))
        return new_expr(s, NARU_SCRIPT_ELLIPSIS);
    if (naru_scan_accept(s, "[")) {
        e = new_expr(s, NARU_SCRIPT_LIST);
        e->first = members(s, "]", depth);
        return e;
    }
    if (naru_scan_accept(s, "{")) {
        e = new_expr(s, NARU_SCRIPT_STRUCT);
        e->first = members(s, "}", depth);
        return e;
    }
    if (c == '"') {
        e = new_expr(s, NARU_SCRIPT_STRING);
        e->text = naru_scan_quoted(s, '"');
        return e;
    }
    if (isalpha(c) || c == '_')
        return after_word(s, naru_scan_word(s), depth);
    e = new_expr(s, NARU_SCRIPT_INT);
    bool inverted = naru_scan_accept(s, "~");
    e->value = naru_scan_int(s);
    if (inverted)
        e->value = ~e->value;
    return e;
}

static struct naru_script_expr *parse_expr(struct naru_scan *s, unsigned depth)
{
    struct naru_script_expr *e = parse_one(s, depth);
    while (naru_scan_peek(s) == '|' || naru_scan_peek(s) == '+') {
        bool sum = naru_scan_accept(s, "+");
        if (!sum)
            naru_scan_need(s, "|");
        struct naru_script_expr *right = parse_one(s, depth);
        if (e->kind != NARU_SCRIPT_INT || right->kind != NARU_SCRIPT_INT) {
            const char *word = e->kind == NARU_SCRIPT_WORD ? e->text : right->text;
            naru_scan_skip(s, "unknown symbol %s", word != NULL ? word : "");
            break;
        }
        e->value = sum ? e->value + right->value : (e->value | right->value);
    }
    return e;
}

static void parse_result(struct naru_scan *s, struct naru_script_call *call)
{
    naru_scan_need(s, "=");
    call->result = parse_one(s, 0);
    if (call->result->kind == NARU_SCRIPT_WORD)
        naru_scan_skip(s, "unknown symbol %s", call->result->text);
    else if (call->result->kind != NARU_SCRIPT_INT && call->result->kind != NARU_SCRIPT_ELLIPSIS)
        naru_scan_fail(s, "the result of a call is a number");
    const char *error = naru_scan_word(s);
    int64_t value;
    if (error != NULL) {
        if (error[0] != 'E' || !naru_symbol_find(error, &value)) {
            naru_scan_fail(s, "%s is no errno", error);
            return;
        }
        call->error = (int)value;
        call->error_name = error;
    }
    if (naru_scan_accept(s, "("))
        (void)naru_scan_until(s, ")");
}

void naru_parse_call(struct naru_scan *s, struct naru_script_call *call)
{
    struct naru_script_expr **end = &call->arg;
    call->name = naru_scan_word(s);
    if (call->name == NULL) {
        naru_scan_fail(s, "syntax: a packet, a call, a command or code is wanted behind the time");
        return;
    }
    naru_scan_need(s, "(");
    if (!naru_scan_accept(s, ")")) {
        do {
            *end = parse_expr(s, 0);
            end = &(*end)->next;
            call->arg_count++;
        } while (!s->failed && naru_scan_accept(s, ","));
        naru_scan_need(s, ")");
    }
    parse_result(s, call);
}
