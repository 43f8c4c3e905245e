/*
 * The host's own network interfaces, for programs that set up the far side of a TAP.
 *
 * All need CAP_NET_ADMIN in the network namespace, but for the two that only ask.  Functions return
 * 0 or a negative errno.
 */
#ifndef NARU_HOST_LINK_H
#define NARU_HOST_LINK_H

#include <naru/types.h>

int naru_link_set_up(const char *name, bool up);
int naru_link_set_mtu(const char *name, unsigned mtu);
int naru_link_mtu(const char *name, unsigned *mtu);
int naru_link_mac(const char *name, uint8_t mac[6]);
/* Either family; IPv6 without duplicate address detection.  An address that is there already is
 * fine. */
int naru_link_add_addr(const char *name, const struct naru_addr *addr, unsigned prefix_len);

#endif
