/*
 * struct msghdr of a program, and the control messages that go with datagrams.
 */
#ifndef NARU_RUN_MESSAGE_H
#define NARU_RUN_MESSAGE_H

#include "run/runner.h"

#define NARU_MESSAGE_IOVS    1024 /* UIO_MAXIOV */
#define NARU_MESSAGE_CONTROL 1024

/* A copy of a program's msghdr; the pointers in it are the program's. */
struct naru_message {
    uint64_t address; /* of the msghdr */
    struct msghdr header;
    struct iovec iov[NARU_MESSAGE_IOVS];
    size_t iov_count;
};

/* 0, or a negative errno: -EFAULT, -EMSGSIZE (too many iovecs), -EINVAL. */
int naru_message_load(pid_t tid, uint64_t address, struct naru_message *message);

/* Bytes in all its iovecs, or -EINVAL if that is more than a ssize_t. */
ssize_t naru_message_room(const struct naru_message *message);

/*
 * Reads the control messages of a send into info (source address and interface, TOS, hop limit, GSO
 * size).  0, or a negative errno.
 */
int naru_message_read_control(pid_t tid, const struct naru_message *message,
                              struct naru_msg_info *info);

/* Who a message says it is from; of an error, where the datagram was sent to. */
const struct naru_endpoint *naru_message_name(const struct naru_msg_info *info);

/*
 * Writes name, control messages, lengths and flags of a receive: those that the program asked for
 * with its options.  0, or a negative errno.
 */
int naru_message_write_back(const struct naru_call *call, struct naru_message *message,
                            const struct naru_msg_info *info, int flags);

#endif
