/*
 * Datagrams, between the pair and the naru socket, and for the calls that come with addresses.
 */
#ifndef NARU_RUN_DGRAM_H
#define NARU_RUN_DGRAM_H

#include "run/object.h"

/* remote NULL: takes it back.  0, or a negative errno. */
int naru_datagram_connect(struct naru_object *object, const struct naru_endpoint *remote,
                          naru_time now);

/*
 * The next datagram, copied to the runner's scratch: its length, or a negative errno (-EAGAIN:
 * none). fd is our duplicate of the program's end, or -1.  peek: it stays.
 */
ssize_t naru_datagram_take(struct naru_object *object, int fd, bool peek,
                           struct naru_msg_info *info, naru_time now);

/* Sends len bytes; info NULL: to the peer.  The count, or a negative errno (-EAGAIN: no room). */
int64_t naru_datagram_send(struct naru_object *object, const void *at, size_t len,
                           const struct naru_msg_info *info, naru_time now);

/* The pending error, which is told now; with the datagram that made the program look for it. */
int naru_datagram_take_error(struct naru_object *object, int fd);

/* The oldest entry of the error queue, as naru_datagram_take; it never waits. */
ssize_t naru_datagram_take_queued(struct naru_object *object, int fd, bool peek,
                                  struct naru_msg_info *info, naru_time now);

void naru_datagram_pair_ready(struct naru_object *object, uint32_t events, naru_time now);
void naru_datagram_sock_event(struct naru_object *object, const struct naru_event *event,
                              naru_time now);

#endif
