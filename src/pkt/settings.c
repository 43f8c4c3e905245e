/*
 * The configuration that scripts expect, and the sysctls by which they change it; see settings.h.
 */
#include "pkt/settings.h"

#include "base/defs.h"
#include "host/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RCVBUF_MAX = 1 << 30 };

void naru_settings_init(struct naru_config *config, bool freebsd)
{
    naru_config_init(config);
    config->alloc = naru_alloc_malloc();
    naru_seed_from_number(1, config->seed);
    config->tcp_rcvbuf_max = 15 * 1024 * 1024; /* window scale 8 */
    config->tcp_syn_retries = 5;
    config->tcp_answer_unsent = freebsd;
    if (freebsd) {
        config->tcp_quickack = false;
        config->tcp_bsd = true;
        config->tcp_ecn_retries = 1;
        config->tcp_syn_retries = 12;
        config->tcp_rto_max_ms = 64000;
        config->tcp_rcvbuf_max = 2 * 1024 * 1024;
        config->tcp_rcvbuf_default = 65536;
        config->tcp_sndbuf_default = 32768;
    }
}

enum action {
    BOOL,
    BYTE,
    MILLISECONDS,
    SECONDS,
    BYTES,
    COUNT,         /* 1 to the largest number */
    LAST_OF_THREE, /* "min default max": tcp_rmem, tcp_wmem */
    FASTOPEN,      /* Linux's tcp_fastopen */
    FASTOPEN_KEY,  /* four hexadecimal words */
    ECN,           /* Linux's tcp_ecn */
    ECN_BSD,       /* FreeBSD's, where 4 only accepts */
    DROP_SYNFIN,   /* the flag of struct naru_play */
    TLP,           /* Linux's tcp_early_retrans */
    MICROSECONDS,  /* of a setting in milliseconds */
    DROP_OPTIONS,  /* FreeBSD's rexmit_drop_options: with the third retransmission */
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
    { "net.ipv4.tcp_rto_min_us", MICROSECONDS, C(tcp_rto_min_ms) },
    { "net.ipv4.tcp_early_retrans", TLP, C(tcp_tlp) },
    { "net.ipv4.tcp_slow_start_after_idle", BOOL, C(tcp_idle_restart) },
    { "net.ipv6.auto_flowlabels", BOOL, C(ipv6_flow_label) },
    { "net.ipv4.tcp_notsent_lowat", COUNT, C(tcp_notsent_lowat) },
    { "net.ipv4.tcp_rto_max_ms", MILLISECONDS, C(tcp_rto_max_ms) },
    { "net.ipv4.tcp_mtu_probing", BYTE, C(tcp_mtu_probing) },
    { "net.ipv4.tcp_base_mss", BYTES, C(tcp_base_mss) },
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
    { "net.inet.tcp.rexmit_drop_options", DROP_OPTIONS, C(tcp_syn_plain) },
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
static void set_fastopen_key(struct naru_config *config, const char *value)
{
    unsigned word[4];
    if (sscanf(value, "%x-%x-%x-%x", &word[0], &word[1], &word[2], &word[3]) != 4)
        return;
    for (unsigned i = 0; i < 16; i++)
        config->tcp_fastopen_key[i] = (uint8_t)(word[i / 4] >> (8 * (i % 4)));
    config->tcp_fastopen_key_given = true;
}

static void set_one(struct naru_config *config, bool *drop_synfin, const struct sysctl *s,
                    const char *value)
{
    char *at = (char *)config + s->at;
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
        set_fastopen_key(config, value);
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
    case TLP:
        *(bool *)at = n == 3 || n == 4;
        break;
    case MICROSECONDS:
        word = NARU_MAX(word / 1000, 1u);
        memcpy(at, &word, sizeof(word));
        break;
    case COUNT:
        word = (uint32_t)NARU_MAX(NARU_MIN(n, (unsigned long)UINT32_MAX), 1UL);
        memcpy(at, &word, sizeof(word));
        break;
    case DROP_SYNFIN:
        *drop_synfin = n != 0;
        break;
    case DROP_OPTIONS:
        *(uint8_t *)at = n != 0 ? 3 : 0;
        break;
    case NOTHING:
        break;
    }
}

/* Of Linux's own defaults only what differs here. */
void naru_settings_defaults(struct naru_config *config)
{
    static const char *const pairs[][2] = {
        { "net.ipv4.tcp_ecn", "0" },
        { "net.ipv4.tcp_slow_start_after_idle", "0" },
        { "net.ipv4.tcp_fastopen", "0x403" },
        { "net.ipv4.tcp_fastopen_key", "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4" },
    };
    bool unused = false;
    for (size_t i = 0; i < NARU_ARRAY_LEN(pairs); i++)
        (void)naru_settings_sysctl(config, &unused, pairs[i][0], pairs[i][1]);
}

bool naru_settings_sysctl(struct naru_config *config, bool *drop_synfin, const char *name,
                          const char *value)
{
    char dotted[96];
    size_t n = 0;
    if (strncmp(name, "/proc/sys/", 10) == 0)
        name += 10;
    for (; name[n] != '\0' && n < sizeof(dotted) - 1; n++)
        dotted[n] = name[n] == '/' ? '.' : name[n];
    dotted[n] = '\0';
    if (strcmp(dotted, "net.inet.tcp.rfc1323") == 0) {
        config->tcp_timestamps = strtol(value, NULL, 0) != 0;
        config->tcp_window_scale = config->tcp_timestamps;
        return true;
    }
    if (strcmp(dotted, "net.ipv4.tcp_congestion_control") == 0) {
        config->tcp_congestion =
            strcmp(value, "reno") == 0 ? NARU_CONGESTION_RENO : NARU_CONGESTION_CUBIC;
        return true;
    }
    for (size_t i = 0; i < NARU_ARRAY_LEN(sysctls); i++) {
        if (strcmp(sysctls[i].name, dotted) == 0) {
            set_one(config, drop_synfin, &sysctls[i], value);
            return true;
        }
    }
    for (size_t i = 0; i < NARU_ARRAY_LEN(without_effect); i++)
        if (strncmp(dotted, without_effect[i], strlen(without_effect[i])) == 0)
            return true;
    return false;
}
