/*
 * Commands of a script: nothing is run.  Those that are known become the stack's configuration, or
 * a question to it; with any other the script needs a host, and is skipped.
 *
 * What naru does not have is accepted and changes nothing: the script then fails where it shows.
 */
#include "pkt/play.h"
#include "pkt/settings.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 32 };

struct command {
    struct naru_play *p;
    unsigned count;
    const char *word[WORDS_MAX];
};

/* ---- sysctl ---- */

static void each_sysctl(struct command *c)
{
    struct naru_config before = c->p->config;
    for (unsigned i = 1; i < c->count && !naru_play_ended(c->p); i++) {
        const char *equals = strchr(c->word[i], '=');
        if (c->word[i][0] == '-')
            continue;
        if (equals == NULL) {
            naru_play_skip(c->p, "needs a host: sysctl %s", c->word[i]);
            return;
        }
        char *name = naru_arena_text(c->p->arena, c->word[i], (size_t)(equals - c->word[i]));
        if (!naru_settings_sysctl(&c->p->config, &c->p->drop_synfin, name, equals + 1))
            naru_play_skip(c->p, "the sysctl %s", name);
    }
    /* A stack is configured when it is made. */
    if (c->p->stack != NULL && memcmp(&before, &c->p->config, sizeof(before)) != 0)
        naru_play_skip(c->p, "a sysctl that changes while the script runs");
}

/* A stack that lives already is as it is. */
static void set_defaults(struct command *c)
{
    if (c->p->stack == NULL)
        naru_settings_defaults(&c->p->config);
}

/* ---- Questions about connections ---- */

/* "sockstat ... | grep -c TIME_WAIT | grep 1": is there one in that state? */
static void ask_state(struct command *c)
{
    static const struct {
        const char *name;
        enum naru_tcp_state state;
    } names[] = {
        { "CLOSED", NARU_TCP_CLOSED },           { "LISTEN", NARU_TCP_LISTEN },
        { "SYN_SENT", NARU_TCP_SYN_SENT },       { "SYN_RCVD", NARU_TCP_SYN_RECEIVED },
        { "ESTABLISHED", NARU_TCP_ESTABLISHED }, { "FIN_WAIT_1", NARU_TCP_FIN_WAIT_1 },
        { "FIN_WAIT_2", NARU_TCP_FIN_WAIT_2 },   { "CLOSE_WAIT", NARU_TCP_CLOSE_WAIT },
        { "CLOSING", NARU_TCP_CLOSING },         { "LAST_ACK", NARU_TCP_LAST_ACK },
        { "TIME_WAIT", NARU_TCP_TIME_WAIT },
    };
    struct naru_sock_entry entry;
    uint64_t cursor = 0;
    const char *asked = NULL;
    enum naru_tcp_state state = NARU_TCP_CLOSED;
    for (unsigned i = 0; i < c->count; i++)
        for (size_t n = 0; n < NARU_ARRAY_LEN(names); n++)
            if (strcmp(c->word[i], names[n].name) == 0) {
                asked = names[n].name;
                state = names[n].state;
            }
    if (asked == NULL || c->p->stack == NULL) {
        naru_play_skip(c->p, "needs a host: sockstat");
        return;
    }
    while (naru_stack_walk(c->p->stack, &cursor, &entry))
        if (entry.type == NARU_SOCK_STREAM && entry.state == state)
            return;
    naru_play_fail(c->p, "wanted a connection in %s, got none, at %.6f", asked,
                   (double)naru_play_time(c->p->now) / 1e9);
}

/* ---- Commands ---- */

static void sleep_for(struct command *c)
{
    double seconds = c->count > 1 ? strtod(c->word[1], NULL) : 0;
    naru_play_run(c->p, c->p->now + (naru_time)(seconds * 1e9), false);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static void run(struct command *c)
{
    /* Offloads, queues and caches that are not here; what tcpdrop takes away ends with the script.
     */
    static const struct {
        const char *name, *first;
    } harmless[] = { { "true", NULL },        { ":", NULL },     { "ethtool", "-K" },
                     { "ip", "tcp_metrics" }, { "tc", "qdisc" }, { "tcpdrop", "-s" } };
    const char *name = c->word[0];
    for (size_t i = 0; i < NARU_ARRAY_LEN(harmless); i++)
        if (strcmp(name, harmless[i].name) == 0 &&
            (harmless[i].first == NULL ||
             (c->count > 1 && strcmp(c->word[1], harmless[i].first) == 0)))
            return;
    if (strstr(name, "sysctl_restore_") != NULL)
        return;
    if (ends_with(name, "defaults.sh"))
        set_defaults(c);
    else if (strcmp(name, "sysctl") == 0 || ends_with(name, "set_sysctls.py"))
        each_sysctl(c);
    else if (strcmp(name, "sleep") == 0)
        sleep_for(c);
    else if (strcmp(name, "sockstat") == 0)
        ask_state(c);
    else
        naru_play_skip(c->p, "needs a host: %s", name);
}

/* One word; its quotes come off.  NULL at the end of the command. */
static const char *word(struct naru_play *p, const char **text)
{
    const char *at = *text;
    char buf[256];
    size_t n = 0;
    char quote = '\0';
    while (*at == ' ' || *at == '\t' || (at[0] == '\\' && at[1] == '\n'))
        at += *at == '\\' ? 2 : 1;
    for (; *at != '\0'; at++) {
        if (quote == '\0' &&
            (isspace((unsigned char)*at) || *at == ';' || (at[0] == '&' && at[1] == '&')))
            break;
        if (quote != '\0' ? *at == quote : *at == '"' || *at == '\'')
            quote = quote != '\0' ? '\0' : *at;
        else if (n < sizeof(buf) - 1)
            buf[n++] = *at;
    }
    *text = at;
    return n == 0 ? NULL : naru_arena_text(p->arena, buf, n);
}

void naru_command(struct naru_play *p, const char *text)
{
    while (*text != '\0' && !naru_play_ended(p)) {
        struct command c = { .p = p };
        const char *w;
        while ((w = word(p, &text)) != NULL && c.count < WORDS_MAX)
            c.word[c.count++] = w;
        if (c.count > 0 && c.word[0][0] != '#')
            run(&c);
        if (*text != '\0')
            text++;
    }
}
