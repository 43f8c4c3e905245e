/*
 * A socket of the program: its naru socket, and the pair through which its bytes go.
 *
 * The program's descriptor is one end of an AF_UNIX pair, ours the other.  The program may
 * duplicate, inherit, pass on and close its descriptors as it likes: all of them are the one open
 * file whose inode number names this object.  We keep no descriptor of that end (it would hide
 * close), and never replace the pair (it would lose the program's epoll registrations).
 *
 * After both ends are shut, or after a reset, an object has neither naru socket nor pair, but stays
 * in the table: shutdown(SHUT_RDWR) looks like close from here, and a program may still ask for
 * names and errors.  These "ended" objects are forgotten oldest first.
 */
#ifndef NARU_RUN_OBJECT_H
#define NARU_RUN_OBJECT_H

#include "host/loop.h"
#include "run/waiter.h"

#include <naru/sock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/types.h>

struct naru_runner;

enum naru_phase {
    NARU_PHASE_FRESH,      /* stream: not connected.  bind, options, connect, listen */
    NARU_PHASE_CONNECTING, /* stream: SYN sent.  The program's end is not writable if not blocking
                            */
    NARU_PHASE_LISTENING,  /* stream: the program's end is readable while connections wait */
    NARU_PHASE_OPEN,       /* stream: bytes are relayed.  Datagram: always */
    NARU_PHASE_ENDED,      /* no naru socket, no pair; names and errors are remembered */
};

/*
 * What our end of a pair is watched for; a stream's for EPOLLOUT only while it is full: af_unix
 * tells of room each time the program has read.
 */
#define NARU_STREAM_EVENTS (EPOLLIN | EPOLLPRI | EPOLLRDHUP | EPOLLET)

/* Bytes between the pair and the naru socket; see stream.c. */
struct naru_stream_relay {
    bool pair_readable; /* the pair may have bytes for us */
    bool pair_urgent;   /* ... and one of them is urgent */
    bool pair_much;     /* it had more than there was room for, the last time */
    bool pair_ended;    /* the program has shut its sending side; bytes may still lie before that */
    bool pair_full;     /* the program is slow: wait until the pair is writable */
    bool sock_full;     /* the network is slow: wait for NARU_READY_WRITE */
    bool sock_urgent;   /* the network has an urgent byte for us */
    bool out_ended;     /* the program has shut its sending side, and FIN is on its way */
    bool in_ended;      /* the peer has, and the program has been told */
    bool deaf;          /* the program does not receive any more: what comes is thrown away */
    bool hung_up;       /* both ends of the pair are shut */
    struct naru_loop_timer more; /* set: a share was sent, and there may be more */
};

/* Datagrams in the pair, which has no room for their addresses; see dgram.c. */
struct naru_dgram_relay {
    struct naru_msg_info run; /* of all datagrams that are in the pair now */
    unsigned run_count;       /* at least so many have been put there since it was seen empty */
    bool error_token;         /* what is in the pair is an empty datagram that tells of so_error */
    bool pair_full;
    bool connected;
    bool sock_full;
    uint8_t *held; /* a datagram taken from the pair that the stack had no room for */
    size_t held_len;
    struct naru_endpoint asked; /* the resolver the program meant when it spoke to the relay */
};

/* An option that is only remembered: (level, name) -> value. */
struct naru_memo {
    int level, name;
    int64_t value;
};
#define NARU_MEMOS 24

struct naru_object {
    struct naru_runner *runner;
    ino_t inode; /* of the program's end */
    struct naru_object *bucket_next;
    struct naru_object *ended_next;
    struct naru_object *spare_next; /* in the stock, or of those whose pair is to be closed */

    struct naru_sock *sock;  /* NULL: ended */
    struct naru_watch watch; /* our end; ended: fd -1, by and by */
    int program_end;         /* in the stock: the other one */
    enum naru_family family;
    enum naru_sock_type type;
    int protocol;
    enum naru_phase phase;
    bool netlink; /* routing netlink: sock is NULL always; see netlink.c */

    int so_error;                       /* errno for SO_ERROR and the next call; 0 */
    struct naru_endpoint local, remote; /* remembered when ended */
    bool has_remote;
    naru_time recv_timeout, send_timeout; /* SO_RCVTIMEO, SO_SNDTIMEO; NARU_NEVER */
    pid_t hint_pid;                       /* who had the descriptor at his last call, */
    int hint_fd;                          /* and as what */
    struct naru_waiter_list waiters;      /* calls on it that wait for their answer */

    bool connect_told;             /* the program knows that it is connected */
    bool connect_waits;            /* ... but SYN waits for its first data (Fast Open) */
    uint32_t early_events;         /* what the pair has told before it was relayed */
    size_t filler;                 /* bytes in the pair that make the program's end full */
    unsigned tokens;               /* LISTENING: bytes in the pair that make it readable */
    struct naru_sock *undelivered; /* LISTENING: accepted, but the program could not take it */
    struct naru_stream_relay stream;
    struct naru_dgram_relay dgram;
    struct naru_memo memo[NARU_MEMOS];
    unsigned memo_count;
};

#define NARU_OBJECT_BUCKETS   4096
#define NARU_OBJECT_ENDED_MAX 4096

/*
 * To make a pair, and to close one, is a third of what a short connection costs.  So streams are
 * made ahead, and pairs that nobody uses any more are closed later, while the loop has nothing else
 * to do.
 */
struct naru_object_stock {
    struct naru_object *made; /* streams without a naru socket, not in the table */
    unsigned made_count;
    struct naru_object *closing_first, **closing_last; /* ended, with both ends of the pair shut */
    unsigned closing_count;
    struct naru_loop_idle idle;
};

struct naru_object_table {
    struct naru_object *bucket[NARU_OBJECT_BUCKETS];
    struct naru_object *ended_first, **ended_last;
    unsigned ended_count, count;
    struct naru_object_stock stock;
};

void naru_object_table_init(struct naru_object_table *table, struct naru_runner *runner);
/* Ends and frees every object. */
void naru_object_table_deinit(struct naru_object_table *table, naru_time now);

/*
 * Makes a pair around a naru socket, which it takes over; *program_end is for the program, and is
 * to be closed by the caller as soon as the program has it.  sock NULL: a netlink socket.  0, or a
 * negative errno (the naru socket is still the caller's then).
 */
int naru_object_new(struct naru_runner *runner, struct naru_sock *sock, enum naru_family family,
                    enum naru_sock_type type, int protocol, struct naru_object **out,
                    int *program_end);

/* NULL: not a socket of ours. */
struct naru_object *naru_object_find(struct naru_object_table *table, ino_t inode);

/* The naru socket and the pair are gone; the object is only remembered. */
void naru_object_end(struct naru_object *object, naru_time now);

/* The naru socket is given back first, with a reset. */
void naru_object_abort(struct naru_object *object, naru_time now);

/* The object ends, but its naru socket does not: it is the caller's. */
struct naru_sock *naru_object_release(struct naru_object *object);

/* Our duplicate of the program's end, from whoever holds it, or -ENOENT.  To be closed at once. */
int naru_object_holder(struct naru_object *object);

/* What happens on the pair and on the naru socket, by phase. */
void naru_object_sock_event(struct naru_object *object, const struct naru_event *event);

/* SO_ERROR: the errno that is pending, which is none afterwards. */
int naru_object_take_error(struct naru_object *object);

/* The program's family of socket, as in socket(2). */
int naru_object_domain(const struct naru_object *object);

#endif
