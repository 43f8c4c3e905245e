/*
 * Scripts: option lines, then events with their times.
 */
#include "pkt/parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Options ---- */

void naru_script_options_init(struct naru_script_options *options)
{
    *options = (struct naru_script_options){
        .version = NARU_SCRIPT_V4,
        .mtu = 1500,
        .bind_port = 8080,
        .connect_port = 8080,
        .tolerance = NARU_US(4000),
        .tolerance_percent = 12.5,
    };
    (void)naru_addr_parse("192.168.0.1", &options->local[0]);
    (void)naru_addr_parse("192.0.2.1", &options->remote[0]);
    (void)naru_addr_parse("fd3d:0a0b:17d6::1", &options->local[1]);
    (void)naru_addr_parse("fd3d:fa7b:d17d::1", &options->remote[1]);
}

static bool set_version(struct naru_script_options *o, const char *value)
{
    static const struct {
        const char *name;
        enum naru_script_version version;
    } names[] = {
        { "ipv4", NARU_SCRIPT_V4 },
        { "ipv6", NARU_SCRIPT_V6 },
        { "ipv4-mapped-ipv6", NARU_SCRIPT_MAPPED },
    };
    for (size_t i = 0; i < NARU_ARRAY_LEN(names); i++) {
        if (strcmp(value, names[i].name) != 0)
            continue;
        o->version = names[i].version;
        o->version_set = true;
        return true;
    }
    return false;
}

static bool set_addr(struct naru_addr pair[2], const char *value)
{
    struct naru_addr addr;
    if (!naru_addr_parse(value, &addr))
        return false;
    pair[strchr(value, ':') != NULL] = addr;
    return true;
}

static bool whole(const char *value, int64_t min, int64_t max, int64_t *out)
{
    char *end;
    *out = strtoll(value, &end, 0);
    return end != value && *end == '\0' && *out >= min && *out <= max;
}

static bool set_number(struct naru_script_options *o, const char *name, const char *value)
{
    int64_t n;
    if (!whole(value, 0, INT32_MAX, &n))
        return false;
    if (strcmp(name, "bind_port") == 0 && n <= UINT16_MAX)
        o->bind_port = (uint16_t)n;
    else if (strcmp(name, "connect_port") == 0 && n <= UINT16_MAX)
        o->connect_port = (uint16_t)n;
    else if (strcmp(name, "mss") == 0 && n <= UINT16_MAX)
        o->gso_size = (uint32_t)n;
    else if (strcmp(name, "tolerance_usecs") == 0) {
        o->tolerance = NARU_US(n);
        o->tolerance_set = true;
    } else if (strcmp(name, "tcp_ts_tick_usecs") == 0)
        o->ts_tick = NARU_US(n);
    else if (strcmp(name, "mtu") == 0 && n >= 68 && n <= UINT16_MAX) {
        o->mtu = (uint32_t)n;
        o->mtu_set = true;
    } else
        return false;
    return true;
}

static bool set_percent(struct naru_script_options *o, const char *value)
{
    char *end;
    o->tolerance_percent = strtod(value, &end);
    return end != value && *end == '\0' && o->tolerance_percent >= 0;
}

bool naru_script_option(struct naru_script_options *o, const char *name, const char *value,
                        struct naru_script_result *result)
{
    /* What only a wire needs, or is the default here. */
    static const char *const ignored[] = { "gateway_ip",    "netmask_ip",  "speed",
                                           "non_fatal",     "wire_client", "verbose",
                                           "send_omit_free" };
    bool good = true;
    for (size_t i = 0; i < NARU_ARRAY_LEN(ignored); i++)
        if (strcmp(name, ignored[i]) == 0)
            return true;
    if (strcmp(name, "ip_version") == 0)
        good = set_version(o, value);
    else if (strcmp(name, "local_ip") == 0)
        good = set_addr(o->local, value);
    else if (strcmp(name, "remote_ip") == 0)
        good = set_addr(o->remote, value);
    else if (strcmp(name, "tolerance_percent") == 0)
        good = set_percent(o, value);
    else if (strcmp(name, "tcp_ts_ecr_scaled") == 0)
        o->ts_ecr_scaled = true;
    else if (strcmp(name, "strict_segments") == 0)
        o->strict_segments = true;
    else
        good = set_number(o, name, value);
    if (!good) {
        result->verdict = NARU_SCRIPT_FAILED;
        snprintf(result->text, sizeof(result->text), "option --%s=%s: unknown, or no such value",
                 name, value);
    }
    return good;
}

/* "SYM=val" of --define. */
static void define(struct naru_scan *s, const char *text)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || s->own.count == NARU_ARRAY_LEN(s->own.at)) {
        naru_scan_fail(s, "--define wants NAME=VALUE");
        return;
    }
    struct naru_script_define *d = &s->own.at[s->own.count++];
    size_t len = strlen(equals + 1);
    bool quoted = len >= 2 && (equals[1] == '"' || equals[1] == '`');
    d->name = naru_arena_text(s->arena, text, (size_t)(equals - text));
    d->value = naru_arena_text(s->arena, equals + 1 + quoted, len - (quoted ? 2 : 0));
}

static void option_line(struct naru_scan *s, struct naru_script *script)
{
    const char *name = naru_scan_word(s);
    const char *value = "1";
    if (name == NULL) {
        naru_scan_fail(s, "an option has a name");
        return;
    }
    if (naru_scan_here(s) == '=' || naru_scan_here(s) == ' ') {
        char text[256] = "";
        int used = 0;
        s->at += naru_scan_here(s) == '=';
        sscanf(s->at, "%*[ ]%n", &used);
        s->at += used;
        used = 0;
        sscanf(s->at, "%255[^ \t\r\n]%n", text, &used);
        s->at += used;
        if (text[0] != '\0')
            value = naru_arena_text(s->arena, text, strlen(text));
    }
    if (strcmp(name, "define") == 0) {
        define(s, value);
    } else if (!naru_script_option(&script->options, name, value, s->result)) {
        s->failed = true;
        s->result->line = s->line;
    }
}

/* ---- Times ---- */

static struct naru_script_time parse_time(struct naru_scan *s)
{
    struct naru_script_time t = { .when = NARU_SCRIPT_ABSOLUTE };
    if (naru_scan_accept(s, "*")) {
        t.when = NARU_SCRIPT_ANY;
        return t;
    }
    if (naru_scan_accept(s, "+"))
        t.when = NARU_SCRIPT_RELATIVE;
    t.at = naru_scan_seconds(s);
    t.until = t.at;
    if (naru_scan_here(s) == '~') {
        t.window = naru_scan_accept(s, "~");
        (void)naru_scan_accept(s, "+");
        t.until = naru_scan_seconds(s);
    } else if (naru_scan_here(s) == '.' && naru_scan_accept(s, "...")) {
        t.blocking = true;
        t.until = naru_scan_seconds(s);
    }
    if (t.until < t.at)
        naru_scan_fail(s, "a time that ends before it begins");
    return t;
}

/* ---- Events ---- */

static struct naru_script_event *parse_event(struct naru_scan *s)
{
    struct naru_script_event *e = naru_arena_take(s->arena, sizeof(*e));
    int c = naru_scan_peek(s);
    if (c == '`')
        e->time.when = NARU_SCRIPT_RELATIVE; /* before the first event, or behind the last */
    else
        e->time = parse_time(s);
    c = naru_scan_peek(s);
    e->line = s->line;
    if (c == '`') {
        e->kind = NARU_SCRIPT_COMMAND;
        e->u.text = naru_scan_quoted(s, '`');
    } else if (c == '<' || c == '>') {
        e->kind = NARU_SCRIPT_PACKET;
        naru_parse_packet(s, &e->u.packet);
    } else if (naru_scan_accept(s, "%{")) {
        e->kind = NARU_SCRIPT_CODE;
        e->u.text = naru_scan_until(s, "}%");
    } else {
        e->kind = NARU_SCRIPT_CALL;
        naru_parse_call(s, &e->u.call);
    }
    bool awaited = e->kind == NARU_SCRIPT_PACKET && !e->u.packet.inbound;
    if ((e->time.when == NARU_SCRIPT_ANY || e->time.window) && !awaited)
        naru_scan_fail(s, "only a packet from the stack may come at any time or in a window");
    if (e->time.blocking && e->kind != NARU_SCRIPT_CALL)
        naru_scan_fail(s, "only a call can block");
    if (s->failed && e->kind != NARU_SCRIPT_CALL)
        s->result->line = e->line; /* what is missing at its end is not of the next line */
    return e;
}

/*
 * Words that differ by the version of IP, and that public scripts leave to who runs them: the
 * cookies of Fast Open between the usual addresses, by the key of those scripts and by none, and
 * how the error queue is called.
 */
static const struct naru_script_defines *usual(enum naru_script_version version)
{
    static const struct naru_script_defines words[] = {
        [NARU_SCRIPT_V4] = { 4,
                             { { "TFO_COOKIE", "3021b9d889017eeb" },
                               { "TFO_COOKIE_ZERO", "b7c12350a90dc8f5" },
                               { "CMSG_LEVEL_IP", "SOL_IP" },
                               { "CMSG_TYPE_RECVERR", "IP_RECVERR" } } },
        [NARU_SCRIPT_V6] = { 4,
                             { { "TFO_COOKIE", "c1d1e9742a47a9bc" },
                               { "TFO_COOKIE_ZERO", "82af1a8f9a205c34" },
                               { "CMSG_LEVEL_IP", "SOL_IPV6" },
                               { "CMSG_TYPE_RECVERR", "IPV6_RECVERR" } } },
        [NARU_SCRIPT_MAPPED] = { 4,
                                 { { "TFO_COOKIE", "3021b9d889017eeb" },
                                   { "TFO_COOKIE_ZERO", "b7c12350a90dc8f5" },
                                   { "CMSG_LEVEL_IP", "SOL_IPV6" },
                                   { "CMSG_TYPE_RECVERR", "IPV6_RECVERR" } } },
    };
    return &words[version];
}

enum naru_script_verdict naru_script_parse(struct naru_script *script, struct naru_arena *arena,
                                           const char *text,
                                           const struct naru_script_defines *defines,
                                           struct naru_script_result *result)
{
    struct naru_scan s = {
        .at = text, .line = 1, .arena = arena, .defines = defines, .result = result
    };
    struct naru_script_event **end = &script->first;
    result->verdict = NARU_SCRIPT_PASSED;
    while (naru_scan_accept(&s, "--"))
        option_line(&s, script);
    s.usual = usual(script->options.version);
    while (naru_scan_peek(&s) != 0) {
        *end = parse_event(&s);
        end = &(*end)->next;
    }
    if (!s.failed && script->first == NULL)
        naru_scan_fail(&s, "a script without events");
    return result->verdict;
}
