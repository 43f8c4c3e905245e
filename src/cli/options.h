/*
 * The command line of `naru run`.
 */
#ifndef NARU_CLI_OPTIONS_H
#define NARU_CLI_OPTIONS_H

#include <naru/types.h>

enum naru_net {
    NARU_NET_USER, /* through the gateway, with the host's sockets */
    NARU_NET_TAP,
    NARU_NET_NONE, /* the loopback alone */
};

#define NARU_CLI_ADDRS 16

struct naru_cli_addr {
    struct naru_addr addr;
    unsigned len;
};

struct naru_run_options {
    enum naru_net net;
    const char *tap; /* NULL: a new one */
    struct naru_cli_addr ip[NARU_CLI_ADDRS];
    unsigned ip_count;
    struct naru_addr gateway4, gateway6, dns4, dns6; /* all zero: not given */
    uint32_t mtu;                                    /* 0: not given */
    int ecn, fastopen;                               /* -1: not given */
    bool host_loopback, ladder, wait, has_seed, help;
    const char *capture, *trace; /* NULL: none; "-": standard output, standard error */
    uint64_t seed;
    char **program; /* NULL-terminated */
};

/*
 * argv[0] is "run".  False after one line on standard error that says what is wrong and what was
 * expected.
 */
bool naru_run_options_parse(int argc, char **argv, struct naru_run_options *out);

/* True for an address of all zero bytes. */
bool naru_cli_unset(const struct naru_addr *addr);
bool naru_cli_is_v4(const struct naru_addr *addr);

#endif
