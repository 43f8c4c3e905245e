/*
 * What Linux tells a program about its own sends, on the error queue of a stream: that a
 * MSG_ZEROCOPY send is done with its memory, and when the last byte of a send left and was
 * acknowledged (SO_TIMESTAMPING).
 *
 * It is made of what the socket tells of itself; the engine knows nothing of it.  naru copies what
 * is sent, and so says of every MSG_ZEROCOPY send that it was copied.
 *
 * Not done: time stamps of what is received, or from hardware; those of a retransmission.
 */
#ifndef NARU_PKT_NOTICE_H
#define NARU_PKT_NOTICE_H

#include <naru/sock.h>

enum { NARU_NOTICE_MARKS = 32 };

/* As in struct sock_extended_err. */
struct naru_notice {
    bool stamped; /* SO_TIMESTAMPING; else MSG_ZEROCOPY */
    uint32_t info, data;
    naru_time at;
    bool truncated; /* what was sent would come with it */
};

/* A send of which something is still to be told. */
struct naru_notice_mark {
    uint64_t end; /* bytes written when it was done */
    bool zerocopy, left;
    uint32_t id;    /* of a MSG_ZEROCOPY send */
    uint32_t flags; /* SOF_TIMESTAMPING_* when it was made */
    uint32_t key;
};

struct naru_notices {
    bool zerocopy;      /* SO_ZEROCOPY */
    uint32_t stamping;  /* SO_TIMESTAMPING */
    uint32_t next_id;   /* of the next MSG_ZEROCOPY send */
    uint64_t written;   /* bytes of the stream */
    uint64_t keys_from; /* where SOF_TIMESTAMPING_OPT_ID begins to count */
    unsigned mark_count, count;
    struct naru_notice_mark mark[NARU_NOTICE_MARKS];
    struct naru_notice queue[NARU_NOTICE_MARKS];
};

/* Keys count from the first byte that was not acknowledged then. */
void naru_notices_set_stamping(struct naru_notices *n, struct naru_sock *sock, uint32_t flags);

/* len bytes were written, by a call with these flags (MSG_*). */
void naru_notices_sent(struct naru_notices *n, uint64_t len, int64_t flags);

/* Looks at what became of them; true: there is something new to read. */
bool naru_notices_look(struct naru_notices *n, struct naru_sock *sock, naru_time now);

/* What TCP_INQ tells: bytes that can be read; a FIN is one. */
int64_t naru_notices_unread(struct naru_sock *sock, naru_time now);

/* The oldest goes to *out; false: there is none. */
bool naru_notices_take(struct naru_notices *n, struct naru_notice *out);

#endif
