/*
 * Where the program's DNS queries go.
 *
 * The program reads the host's /etc/resolv.conf and asks the servers named there, at addresses that
 * need not exist on its naru network (127.0.0.53, the host's own LAN).  What it sends to port 53 of
 * one of them goes to the network's DNS address instead (--dns; 10.0.2.3 with --net user, where the
 * gateway relays it to the same servers), and the answers seem to come from the one it asked.
 * Other addresses and ports are never touched, and neither is a loopback address on whose port 53
 * the program has a server of its own.
 */
#ifndef NARU_RUN_RESOLVER_H
#define NARU_RUN_RESOLVER_H

#include <naru/types.h>

#define NARU_RESOLVER_SERVERS 8

struct naru_resolver {
    struct naru_addr server[NARU_RESOLVER_SERVERS]; /* of /etc/resolv.conf */
    unsigned server_count;
    struct naru_addr relay4, relay6; /* all zero: none */
};

/* Reads a file of the form of /etc/resolv.conf; one that is not there names no server. */
void naru_resolver_read(struct naru_resolver *resolver, const char *path);

struct naru_stack;

/* If to is one of the servers, *to becomes the relay and *asked what it was. */
void naru_resolver_map(const struct naru_resolver *resolver, const struct naru_stack *stack,
                       struct naru_endpoint *to, struct naru_endpoint *asked);
/* If from is the relay and something was asked, *from becomes that. */
void naru_resolver_unmap(const struct naru_resolver *resolver, const struct naru_endpoint *asked,
                         struct naru_endpoint *from);

#endif
