/* struct sockaddr <-> struct naru_endpoint; see sockaddr.h. */
#include "host/sockaddr.h"

#include <netinet/in.h>
#include <string.h>

static const uint8_t v4_mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

enum naru_family naru_sockaddr_family(const struct naru_addr *addr)
{
    return memcmp(addr->b, v4_mapped, sizeof(v4_mapped)) == 0 ? NARU_IPV4 : NARU_IPV6;
}

static bool is_unspecified(const struct naru_addr *addr)
{
    static const uint8_t zero[16];

    return memcmp(addr->b, zero, sizeof(zero)) == 0;
}

socklen_t naru_sockaddr_emit(const struct naru_endpoint *endpoint, enum naru_family family,
                             struct sockaddr_storage *out)
{
    memset(out, 0, sizeof(*out));
    if (family == NARU_IPV6) {
        struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
        in6.sin6_port = htons(endpoint->port);
        in6.sin6_scope_id = endpoint->ifindex;
        memcpy(&in6.sin6_addr, endpoint->addr.b, 16);
        memcpy(out, &in6, sizeof(in6));
        return sizeof(in6);
    }

    struct sockaddr_in in = { .sin_family = AF_INET };
    in.sin_port = htons(endpoint->port);
    if (naru_sockaddr_family(&endpoint->addr) == NARU_IPV4)
        memcpy(&in.sin_addr, endpoint->addr.b + 12, 4);
    else if (!is_unspecified(&endpoint->addr))
        return 0;
    memcpy(out, &in, sizeof(in));
    return sizeof(in);
}

static enum naru_err parse_v4(const void *sa, socklen_t len, struct naru_endpoint *out)
{
    struct sockaddr_in in;

    if (len < sizeof(in))
        return NARU_ERR_INVAL;
    memcpy(&in, sa, sizeof(in));
    *out = (struct naru_endpoint){
        .addr = naru_addr_v4(ntohl(in.sin_addr.s_addr)),
        .port = ntohs(in.sin_port),
    };
    return NARU_OK;
}

/* Programs of old hand in a sockaddr_in6 without sin6_scope_id (RFC 2133); the kernel takes it. */
#define IN6_LEN_MIN 24

static enum naru_err parse_v6(const void *sa, socklen_t len, struct naru_endpoint *out)
{
    struct sockaddr_in6 in6 = { 0 };

    if (len < IN6_LEN_MIN)
        return NARU_ERR_INVAL;
    memcpy(&in6, sa, len < sizeof(in6) ? len : sizeof(in6));
    if (in6.sin6_scope_id > UINT16_MAX)
        return NARU_ERR_INVAL;
    *out = (struct naru_endpoint){
        .port = ntohs(in6.sin6_port),
        .ifindex = (uint16_t)in6.sin6_scope_id,
    };
    memcpy(out->addr.b, &in6.sin6_addr, 16);
    return NARU_OK;
}

enum naru_err naru_sockaddr_parse_any(const void *sa, socklen_t len, struct naru_endpoint *out)
{
    sa_family_t family;

    if (len < sizeof(family))
        return NARU_ERR_INVAL;
    memcpy(&family, sa, sizeof(family));
    if (family == AF_INET)
        return parse_v4(sa, len, out);
    if (family == AF_INET6)
        return parse_v6(sa, len, out);
    return NARU_ERR_AFNOSUPPORT;
}

enum naru_err naru_sockaddr_parse(const void *sa, socklen_t len, enum naru_family family,
                                  struct naru_endpoint *out)
{
    sa_family_t wanted = family == NARU_IPV4 ? AF_INET : AF_INET6;
    sa_family_t got;

    if (len < sizeof(got))
        return NARU_ERR_INVAL;
    memcpy(&got, sa, sizeof(got));
    if (got != wanted)
        return NARU_ERR_AFNOSUPPORT;
    return naru_sockaddr_parse_any(sa, len, out);
}
