/*
 * What the files of src/sock share.
 */
#ifndef NARU_SOCK_SOCK_H
#define NARU_SOCK_SOCK_H

#include "stack/core.h"

int64_t naru_dgram_send(struct naru_sock_udp *su, const struct naru_slice *slice,
                        unsigned slice_count, const struct naru_msg_info *info);
int64_t naru_dgram_recv(struct naru_sock_udp *su, const struct naru_room *room, unsigned room_count,
                        unsigned flags, struct naru_msg_info *info);

/* With MSG_FASTOPEN, or the first after a connect that waits for data. */
int64_t naru_stream_send_first(struct naru_sock_tcp *st, const struct naru_slice *slice,
                               unsigned slice_count, const struct naru_msg_info *info);

#endif
