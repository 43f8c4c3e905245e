/*
 * The fields of TCP_INFO by name, as Linux counts them.
 */
#ifndef NARU_PKT_INFO_H
#define NARU_PKT_INFO_H

#include <naru/sock.h>

/* False: no such field. */
bool naru_info_field(const struct naru_tcp_info *info, const char *name, naru_time now,
                     int64_t *value);

#endif
