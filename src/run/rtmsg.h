/*
 * Answers in the form of rtnetlink(7), made from what a stack tells of itself.
 */
#ifndef NARU_RUN_RTMSG_H
#define NARU_RUN_RTMSG_H

#include <linux/netlink.h>
#include <naru/stack.h>
#include <stdint.h>

#define NARU_RTMSG_MAX 8192 /* one datagram of answers */

struct naru_rtmsg {
    uint8_t *at; /* NARU_RTMSG_MAX bytes, aligned as a struct nlmsghdr */
    size_t len;
    /* Takes a full datagram. */
    void (*flush)(void *user, const uint8_t *at, size_t len);
    void *user;
    uint32_t seq, port; /* of the question */
};

/* Answers one question (a whole nlmsghdr with its payload), and flushes. */
void naru_rtmsg_answer(struct naru_rtmsg *out, struct naru_stack *stack,
                       const struct nlmsghdr *question, size_t len, naru_time now);

#endif
