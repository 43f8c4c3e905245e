/*
 * How a script's host is set up, as the configuration of a stack.
 */
#ifndef NARU_PKT_SETTINGS_H
#define NARU_PKT_SETTINGS_H

#include <naru/stack.h>

/* What public scripts take for granted; the same seed each time. */
void naru_settings_init(struct naru_config *config, bool freebsd);

/*
 * Linux's and FreeBSD's sysctls, as "net.ipv4.tcp_sack" or "/proc/sys/net/ipv4/tcp_sack".  What
 * naru does not have is accepted and changes nothing; false: of no family that is known.
 */
bool naru_settings_sysctl(struct naru_config *config, bool *drop_synfin, const char *name,
                          const char *value);

/* What defaults.sh of Google's scripts sets. */
void naru_settings_defaults(struct naru_config *config);

#endif
