/*
 * Where a guest may go, and what that means on the host.
 *
 * One function looks at a destination and says what becomes of it; another turns the source of what
 * comes back into the address the guest knows.  No state, no I/O.
 *
 * Never relayed (RFC 1122 3.2.1.3, RFC 6890, RFC 4291 2.5): unspecified and "this network",
 * loopback, link-local (so also the metadata services of clouds at 169.254.169.254), multicast,
 * broadcast, reserved class E, IPv4-compatible IPv6.
 */
#ifndef NARU_GATE_DEST_H
#define NARU_GATE_DEST_H

#include "gate/gate.h"

enum naru_gate_dest {
    NARU_GATE_DEST_RELAY,    /* *host says where */
    NARU_GATE_DEST_RESOLVER, /* DNS address, port 53 */
    NARU_GATE_DEST_CLOSED,   /* an address of the gateway, and nothing is behind that port */
    NARU_GATE_DEST_ABSENT,   /* an address of the guests' own network where nobody is */
    NARU_GATE_DEST_NEVER,    /* see above */
};

enum naru_gate_dest naru_gate_dest(const struct naru_gate_config *config,
                                   const struct naru_endpoint *to, struct naru_endpoint *host);

/*
 * The address under which the guest knows a host that sent from there.  False: guests must not see
 * datagrams of that source.
 */
bool naru_gate_source(const struct naru_gate_config *config, const struct naru_endpoint *host,
                      struct naru_endpoint *from);

#endif
