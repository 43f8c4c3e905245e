/*
 * Parsing the command line of `naru run`.
 *
 * Options end at "--" or at the first word that is not one; all after it is the program's.  Every
 * mistake is one line: what was given, and what was expected.
 */
#include "cli/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    NET = 256,
    IP,
    GATEWAY,
    DNS,
    MTU,
    HOST_LOOPBACK,
    CAPTURE,
    TRACE,
    SEED,
    LADDER,
    WAIT,
    ECN,
    FASTOPEN
};

static const struct option long_options[] = {
    { "net", required_argument, NULL, NET },
    { "ip", required_argument, NULL, IP },
    { "gateway", required_argument, NULL, GATEWAY },
    { "dns", required_argument, NULL, DNS },
    { "mtu", required_argument, NULL, MTU },
    { "host-loopback", no_argument, NULL, HOST_LOOPBACK },
    { "capture", required_argument, NULL, CAPTURE },
    { "trace", optional_argument, NULL, TRACE },
    { "seed", required_argument, NULL, SEED },
    { "ecn", required_argument, NULL, ECN },
    { "fastopen", required_argument, NULL, FASTOPEN },
    { "ladder", no_argument, NULL, LADDER },
    { "wait", no_argument, NULL, WAIT },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

bool naru_cli_unset(const struct naru_addr *addr)
{
    static const struct naru_addr zero;
    return memcmp(addr, &zero, sizeof zero) == 0;
}

bool naru_cli_is_v4(const struct naru_addr *addr)
{
    static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };
    return memcmp(addr->b, prefix, sizeof prefix) == 0;
}

__attribute__((format(printf, 1, 2))) static bool wrong(const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fputs("naru run: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    return false;
}

static bool parse_net(const char *text, struct naru_run_options *out)
{
    if (strcmp(text, "user") == 0)
        out->net = NARU_NET_USER;
    else if (strcmp(text, "none") == 0)
        out->net = NARU_NET_NONE;
    else if (strcmp(text, "tap") == 0)
        out->net = NARU_NET_TAP;
    else if (strncmp(text, "tap:", 4) == 0 && strlen(text + 4) >= 1 && strlen(text + 4) <= 15) {
        out->net = NARU_NET_TAP;
        out->tap = text + 4;
    } else
        return wrong("--net %s: expected user, tap, tap:NAME (1 to 15 characters) or none", text);
    return true;
}

static bool parse_ip(const char *text, struct naru_run_options *out)
{
    struct naru_cli_addr *ip = &out->ip[out->ip_count];
    if (out->ip_count == NARU_CLI_ADDRS)
        return wrong("--ip %s: at most %d addresses can be given", text, NARU_CLI_ADDRS);
    if (strchr(text, '/') == NULL || !naru_addr_parse_prefix(text, &ip->addr, &ip->len))
        return wrong("--ip %s: expected ADDRESS/LENGTH, such as 10.0.2.100/24 or fd00::100/64",
                     text);
    out->ip_count++;
    return true;
}

static bool parse_addr(const char *name, const char *text, struct naru_addr *v4,
                       struct naru_addr *v6)
{
    struct naru_addr addr;
    if (!naru_addr_parse(text, &addr) || naru_cli_unset(&addr))
        return wrong("--%s %s: expected an address, such as 10.0.2.2 or fd00::2", name, text);
    *(naru_cli_is_v4(&addr) ? v4 : v6) = addr;
    return true;
}

static bool parse_number(const char *text, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 0);
    if (end == text || *end != '\0' || text[0] == '-' || errno != 0)
        return false;
    *out = value;
    return true;
}

static bool parse_mtu(const char *text, struct naru_run_options *out)
{
    uint64_t value;
    if (!parse_number(text, &value) || value < 68 || value > 65535)
        return wrong("--mtu %s: expected a number of bytes from 68 to 65535", text);
    out->mtu = (uint32_t)value;
    return true;
}

static bool parse_seed(const char *text, struct naru_run_options *out)
{
    out->has_seed = true;
    return parse_number(text, &out->seed) ||
           wrong("--seed %s: expected a number from 0 to 18446744073709551615", text);
}

/* A number of Linux's sysctl of that name. */
static bool parse_bits(const char *name, const char *text, unsigned max, int *out)
{
    uint64_t value;
    if (!parse_number(text, &value) || value > max)
        return wrong("--%s %s: expected a number from 0 to %u, as net.ipv4.tcp_%s has it", name,
                     text, max, name);
    *out = (int)value;
    return true;
}

static bool parse_one(int which, const char *text, struct naru_run_options *out)
{
    switch (which) {
    case NET:
        return parse_net(text, out);
    case IP:
        return parse_ip(text, out);
    case GATEWAY:
        return parse_addr("gateway", text, &out->gateway4, &out->gateway6);
    case DNS:
        return parse_addr("dns", text, &out->dns4, &out->dns6);
    case MTU:
        return parse_mtu(text, out);
    case HOST_LOOPBACK:
        out->host_loopback = true;
        return true;
    case CAPTURE:
        out->capture = text;
        return true;
    case TRACE:
        out->trace = text != NULL ? text : "-";
        return true;
    case SEED:
        return parse_seed(text, out);
    case ECN:
        return parse_bits("ecn", text, 5, &out->ecn);
    case FASTOPEN:
        return parse_bits("fastopen", text, 0x7ff, &out->fastopen);
    case LADDER:
        out->ladder = true;
        return true;
    case WAIT:
        out->wait = true;
        return true;
    default: /* h */
        out->help = true;
        return true;
    }
}

static bool unknown(int which, char **argv)
{
    const char *word = argv[optind - 1];
    if (which == ':')
        return wrong("%s: expected a value after it", word);
    return wrong("%s: no such option; naru run --help lists them", word);
}

/* What does not go together. */
static bool check(const struct naru_run_options *out)
{
    if (out->program[0] == NULL)
        return wrong("no program given: expected naru run [options] -- PROGRAM [ARGS...]");
    if (out->host_loopback && out->net != NARU_NET_USER)
        return wrong("--host-loopback: expected only with --net user, whose gateway it opens");
    if (out->ladder && out->net != NARU_NET_USER)
        return wrong("--ladder: expected only with --net user, where both ends can be seen");
    if (out->net == NARU_NET_NONE && out->ip_count > 0)
        return wrong("--ip: expected only with --net user or --net tap");
    if (out->net != NARU_NET_TAP && out->mtu != 0 && out->mtu < 1280 && out->ip_count == 0)
        return wrong("--mtu %u: IPv6 needs 1280; give an IPv4 --ip to do without", out->mtu);
    return true;
}

bool naru_run_options_parse(int argc, char **argv, struct naru_run_options *out)
{
    int which;
    *out = (struct naru_run_options){ .net = NARU_NET_USER, .ecn = -1, .fastopen = -1 };
    opterr = 0;
    optind = 0;
    while ((which = getopt_long(argc, argv, "+:h", long_options, NULL)) != -1) {
        if (which == '?' || which == ':')
            return unknown(which, argv);
        if (!parse_one(which, optarg, out))
            return false;
    }
    out->program = argv + optind;
    return out->help || check(out);
}
