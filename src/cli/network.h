/*
 * What `naru run` connects the program's stack to: a gateway, a TAP, or nothing.
 */
#ifndef NARU_CLI_NETWORK_H
#define NARU_CLI_NETWORK_H

#include "cli/options.h"
#include "host/loop.h"
#include "host/wire.h"

struct naru_gate;
struct naru_tap;
struct naru_trace_fan;

struct naru_cli_network {
    const struct naru_run_options *options;
    struct naru_cli_addr ip[NARU_CLI_ADDRS]; /* the program's */
    unsigned ip_count;
    struct naru_addr gateway4, gateway6, dns4, dns6; /* all zero: none */
    uint32_t mtu;
    struct naru_gate *gate;
    struct naru_wire wire;
    struct naru_tap *tap;
    unsigned ifindex; /* of the program's stack, 0: none */
    const char *ifname;
};

/* Fills in what the options leave open.  Cannot fail. */
void naru_cli_network_plan(struct naru_cli_network *network,
                           const struct naru_run_options *options);

/*
 * Makes it and joins it to the program's stack, which is attached already.  fan: hears the
 * gateway's stack.  0, or a negative errno after a line on standard error.
 */
int naru_cli_network_up(struct naru_cli_network *network, struct naru_loop *loop,
                        struct naru_attachment *program, const uint8_t seed[32],
                        struct naru_trace_fan *fan);
void naru_cli_network_down(struct naru_cli_network *network);

/* Bytes of the program may still be on their way to the host. */
bool naru_cli_network_busy(const struct naru_cli_network *network);
/* What the gateway has of the program, and the host has not taken yet; see gate/gate.h. */
uint64_t naru_cli_network_undelivered(const struct naru_cli_network *network);

#endif
