/*
 * NETLINK_ROUTE sockets: the program's questions about interfaces, addresses and routes.
 */
#ifndef NARU_RUN_NETLINK_H
#define NARU_RUN_NETLINK_H

#include "run/runner.h"

/* socket(AF_NETLINK, ..., NETLINK_ROUTE). */
int64_t naru_netlink_socket(struct naru_call *call);

/* Any other call on such a socket. */
int64_t naru_netlink_call(struct naru_call *call);

/* The program wrote to it without an address, or closed it. */
void naru_netlink_pair_ready(struct naru_object *object, uint32_t events, naru_time now);

#endif
