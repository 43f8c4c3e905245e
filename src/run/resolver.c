/*
 * The redirection of DNS; see resolver.h.
 *
 * A socket remembers only the last server it asked.  A program that asks two servers from one
 * unconnected socket at once sees all answers come from the later; stub resolvers that do so
 * (systemd's, musl's) look at the query's number too.
 */
#include "run/resolver.h"

#include <naru/sock.h>
#include <stdio.h>
#include <string.h>

#define DNS_PORT 53

static bool is_zero(const struct naru_addr *addr)
{
    static const struct naru_addr zero;
    return memcmp(addr, &zero, sizeof zero) == 0;
}

static bool is_v4(const struct naru_addr *addr)
{
    static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };
    return memcmp(addr->b, prefix, sizeof prefix) == 0;
}

void naru_resolver_read(struct naru_resolver *resolver, const char *path)
{
    char line[256], text[NARU_ADDR_TEXT_SIZE];
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    while (resolver->server_count < NARU_RESOLVER_SERVERS && fgets(line, sizeof line, file)) {
        struct naru_addr *server = &resolver->server[resolver->server_count];
        if (sscanf(line, " nameserver %45s", text) != 1)
            continue;
        text[strcspn(text, "%")] = '\0'; /* a scope */
        if (naru_addr_parse(text, server))
            resolver->server_count++;
    }
    fclose(file);
}

static bool is_loopback(const struct naru_addr *addr)
{
    static const struct naru_addr loopback6 = { .b = { [15] = 1 } };
    return is_v4(addr) ? addr->b[12] == 127 : memcmp(addr, &loopback6, sizeof loopback6) == 0;
}

/* Somebody of the stack listens there. */
static bool is_served(const struct naru_stack *stack, const struct naru_endpoint *to)
{
    static const struct naru_addr any6;
    struct naru_addr any4 = naru_addr_v4(0);
    struct naru_sock_entry entry;
    uint64_t cursor = 0;
    while (naru_stack_walk(stack, &cursor, &entry))
        if (entry.local.port == to->port &&
            (entry.type != NARU_SOCK_STREAM || entry.state == NARU_TCP_LISTEN) &&
            (memcmp(&entry.local.addr, &to->addr, sizeof to->addr) == 0 ||
             memcmp(&entry.local.addr, &any4, sizeof any4) == 0 ||
             memcmp(&entry.local.addr, &any6, sizeof any6) == 0))
            return true;
    return false;
}

void naru_resolver_map(const struct naru_resolver *resolver, const struct naru_stack *stack,
                       struct naru_endpoint *to, struct naru_endpoint *asked)
{
    if (to->port != DNS_PORT)
        return;
    for (unsigned i = 0; i < resolver->server_count; i++) {
        if (memcmp(&resolver->server[i], &to->addr, sizeof to->addr) != 0)
            continue;
        const struct naru_addr *relay = is_v4(&to->addr) ? &resolver->relay4 : &resolver->relay6;
        if (is_zero(relay) || (is_loopback(&to->addr) && is_served(stack, to)))
            return;
        *asked = *to;
        to->addr = *relay;
        to->ifindex = 0;
        return;
    }
}

void naru_resolver_unmap(const struct naru_resolver *resolver, const struct naru_endpoint *asked,
                         struct naru_endpoint *from)
{
    if (asked->port != DNS_PORT || from->port != DNS_PORT)
        return;
    const struct naru_addr *relay = is_v4(&asked->addr) ? &resolver->relay4 : &resolver->relay6;
    if (memcmp(&from->addr, relay, sizeof *relay) == 0)
        *from = *asked;
}
