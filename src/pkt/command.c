/*
 * Commands of a script: nothing is run.  Those that are known become the stack's configuration, or
 * a question to it; with any other the script needs a host, and is skipped.
 *
 * What naru does not have is accepted and changes nothing: the script then fails where it shows.
 */
#include "pkt/play.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 32, RCVBUF_MAX = 1 << 30 };

struct command {
    struct naru_play *p;
    unsigned count;
    const char *word[WORDS_MAX];
};

/* ---- sysctl ---- */

enum action {
    BOOL,
    BYTE,
    MILLISECONDS,
    SECONDS,
    BYTES,
    LAST_OF_THREE, /* "min default max": tcp_rmem, tcp_wmem */
    FASTOPEN,      /* Linux's tcp_fastopen */
    FASTOPEN_KEY,  /* four hexadecimal words */
    ECN,           /* Linux's tcp_ecn */
    ECN_BSD,       /* FreeBSD's, where 4 only accepts */
    DROP_SYNFIN,   /* the flag of struct naru_play */
    NOTHING,       /* no effect here */
};

struct sysctl {
    const char *name;
    enum action action;
    size_t at; /* offset in struct naru_config; of tcp_rmem the default's, the maximum follows */
};

#define C(field) offsetof(struct naru_config, field)

static const struct sysctl sysctls[] = {
    { "net.ipv4.tcp_timestamps", BOOL, C(tcp_timestamps) },
    { "net.ipv4.tcp_sack", BOOL, C(tcp_sack) },
    { "net.ipv4.tcp_window_scaling", BOOL, C(tcp_window_scale) },
    { "net.ipv4.tcp_syncookies", BOOL, C(tcp_syn_cookies) },
    { "net.ipv4.tcp_fastopen", FASTOPEN, C(tcp_fastopen) },
    { "net.ipv4.tcp_fastopen_key", FASTOPEN_KEY, C(tcp_fastopen_key) },
    { "net.ipv4.tcp_ecn", ECN, C(tcp_ecn) },
    { "net.ipv4.tcp_syn_retries", BYTE, C(tcp_syn_retries) },
    { "net.ipv4.tcp_synack_retries", BYTE, C(tcp_synack_retries) },
    { "net.ipv4.tcp_retries2", BYTE, C(tcp_retries) },
    { "net.ipv4.tcp_fin_timeout", SECONDS, C(tcp_fin_wait_2_ms) },
    { "net.ipv4.tcp_rto_min_us", NOTHING, 0 },
    { "net.ipv4.tcp_rmem", LAST_OF_THREE, C(tcp_rcvbuf_default) },
    { "net.ipv4.tcp_wmem", LAST_OF_THREE, C(tcp_sndbuf_default) },
    { "net.inet.tcp.sack.enable", BOOL, C(tcp_sack) },
    { "net.inet.tcp.syncookies", BOOL, C(tcp_syn_cookies) },
    { "net.inet.tcp.ecn.enable", ECN_BSD, C(tcp_ecn) },
    { "net.inet.tcp.ecn.maxretries", BYTE, C(tcp_ecn_retries) },
    { "net.inet.tcp.recvspace", BYTES, C(tcp_rcvbuf_default) },
    { "net.inet.tcp.sendspace", BYTES, C(tcp_sndbuf_default) },
    { "kern.ipc.maxsockbuf", BYTES, C(tcp_rcvbuf_max) },
    { "net.inet.tcp.finwait2_timeout", MILLISECONDS, C(tcp_fin_wait_2_ms) },
    { "net.inet.tcp.insecure_syn", BOOL, C(tcp_rfc793_syn) },
    { "net.inet.tcp.drop_synfin", DROP_SYNFIN, 0 },
};

#undef C

/* Families of names that change nothing here. */
static const char *const without_effect[] = {
    "net.ipv4.tcp_", "net.ipv4.ip_",  "net.ipv4.route.", "net.ipv4.icmp_", "net.ipv6.",
    "net.core.",     "net.inet.tcp.", "net.inet.ip.",    "net.inet.icmp.", "net.inet6.",
};

static void set_three(char *at, const char *value)
{
    unsigned long low, middle, high;
    if (sscanf(value, "%lu %lu %lu", &low, &middle, &high) != 3)
        return;
    uint32_t pair[2] = { (uint32_t)middle, (uint32_t)NARU_MAX(high, middle) };
    memcpy(at, pair, sizeof(pair));
}

/* Each word is written as the bytes of a little-endian number. */
static void set_fastopen_key(struct naru_play *p, const char *value)
{
    unsigned word[4];
    if (sscanf(value, "%x-%x-%x-%x", &word[0], &word[1], &word[2], &word[3]) != 4)
        return;
    for (unsigned i = 0; i < 16; i++)
        p->config.tcp_fastopen_key[i] = (uint8_t)(word[i / 4] >> (8 * (i % 4)));
    p->config.tcp_fastopen_key_given = true;
}

static void set_one(struct naru_play *p, const struct sysctl *s, const char *value)
{
    char *at = (char *)&p->config + s->at;
    unsigned long n = strtoul(value, NULL, 0);
    uint32_t word = (uint32_t)NARU_MIN(n, (unsigned long)INT32_MAX);
    if (s->at == offsetof(struct naru_config, tcp_rcvbuf_max))
        word = NARU_MIN(word, (uint32_t)RCVBUF_MAX);
    switch (s->action) {
    case BOOL:
        *(bool *)at = n != 0;
        break;
    case BYTE:
        *(uint8_t *)at = (uint8_t)NARU_MIN(n, 255UL);
        break;
    case FASTOPEN: {
        uint16_t bits = (uint16_t)n;
        memcpy(at, &bits, sizeof(bits));
        break;
    }
    case FASTOPEN_KEY:
        set_fastopen_key(p, value);
        break;
    case ECN:
        *(uint8_t *)at = (uint8_t)NARU_MIN(n, (unsigned long)NARU_ECN_MODE_ACCEPT_ACCURATE);
        break;
    case ECN_BSD:
        *(uint8_t *)at =
            (uint8_t)(n < NARU_ECN_MODE_ACCEPT_ACCURATE_ASK ? n : NARU_ECN_MODE_ACCEPT_ACCURATE);
        break;
    case SECONDS:
        word = (uint32_t)NARU_MIN(n * 1000, (unsigned long)INT32_MAX);
        memcpy(at, &word, sizeof(word));
        break;
    case MILLISECONDS:
    case BYTES:
        memcpy(at, &word, sizeof(word));
        break;
    case LAST_OF_THREE:
        set_three(at, value);
        break;
    case DROP_SYNFIN:
        p->drop_synfin = n != 0;
        break;
    case NOTHING:
        break;
    }
}

/* "net/ipv4/tcp_sack" is net.ipv4.tcp_sack. */
static void set_sysctl(struct naru_play *p, const char *name, const char *value)
{
    char dotted[96];
    size_t n = 0;
    if (strncmp(name, "/proc/sys/", 10) == 0)
        name += 10;
    for (; name[n] != '\0' && n < sizeof(dotted) - 1; n++)
        dotted[n] = name[n] == '/' ? '.' : name[n];
    dotted[n] = '\0';
    if (strcmp(dotted, "net.inet.tcp.rfc1323") == 0) {
        p->config.tcp_timestamps = strtol(value, NULL, 0) != 0;
        p->config.tcp_window_scale = p->config.tcp_timestamps;
        return;
    }
    if (strcmp(dotted, "net.ipv4.tcp_congestion_control") == 0) {
        p->config.tcp_congestion =
            strcmp(value, "reno") == 0 ? NARU_CONGESTION_RENO : NARU_CONGESTION_CUBIC;
        return;
    }
    for (size_t i = 0; i < NARU_ARRAY_LEN(sysctls); i++) {
        if (strcmp(sysctls[i].name, dotted) == 0) {
            set_one(p, &sysctls[i], value);
            return;
        }
    }
    for (size_t i = 0; i < NARU_ARRAY_LEN(without_effect); i++)
        if (strncmp(dotted, without_effect[i], strlen(without_effect[i])) == 0)
            return;
    naru_play_skip(p, "the sysctl %s", dotted);
}

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
        set_sysctl(c->p, name, equals + 1);
    }
    /* A stack is configured when it is made. */
    if (c->p->stack != NULL && memcmp(&before, &c->p->config, sizeof(before)) != 0)
        naru_play_skip(c->p, "a sysctl that changes while the script runs");
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
    if (ends_with(name, "defaults.sh") || strstr(name, "sysctl_restore_") != NULL)
        return;
    if (strcmp(name, "sysctl") == 0 || ends_with(name, "set_sysctls.py"))
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
