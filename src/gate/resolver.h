/*
 * Which resolvers the host uses: the nameserver lines of /etc/resolv.conf (resolv.conf(5)).
 */
#ifndef NARU_GATE_RESOLVER_H
#define NARU_GATE_RESOLVER_H

#include "gate/gate.h"

struct naru_resolvers {
    struct naru_endpoint server[NARU_GATE_DNS_MAX];
    unsigned count;
};

/* The first nameservers of such a file's text; lines that make no sense are passed over. */
void naru_resolvers_parse(const char *text, size_t len, struct naru_resolvers *out);

/* Of that file; an unreadable file names none, and then 127.0.0.1 is asked, as libc does. */
void naru_resolvers_read(const char *path, struct naru_resolvers *out);

#endif
