/*
 * struct sockaddr <-> struct naru_endpoint.
 *
 * naru has one address type, in which IPv4 is ::ffff:a.b.c.d; the family of the socket decides
 * which form the program sees: sockaddr_in on an IPv4 socket, and on an IPv6 socket sockaddr_in6
 * with the v4-mapped address.  sin6_scope_id is the ifindex.
 */
#ifndef NARU_HOST_SOCKADDR_H
#define NARU_HOST_SOCKADDR_H

#include <naru/types.h>
#include <sys/socket.h>

/*
 * Fills *out (whole struct cleared first) and returns the length of the form of that family.  An
 * IPv6 address on an IPv4 socket cannot be said: "any" becomes 0.0.0.0, all else gives length 0.
 */
socklen_t naru_sockaddr_emit(const struct naru_endpoint *endpoint, enum naru_family family,
                             struct sockaddr_storage *out);

/*
 * What a program handed in for a socket of that family.  INVAL: len too short; AFNOSUPPORT: the
 * other family.  sa need not be aligned.
 */
enum naru_err naru_sockaddr_parse(const void *sa, socklen_t len, enum naru_family family,
                                  struct naru_endpoint *out);

/* The same by the family written in the sockaddr itself (host sockets); AFNOSUPPORT if neither. */
enum naru_err naru_sockaddr_parse_any(const void *sa, socklen_t len, struct naru_endpoint *out);

/* IPV4 for a v4-mapped address (::ffff:a.b.c.d), else IPV6. */
enum naru_family naru_sockaddr_family(const struct naru_addr *addr);

#endif
