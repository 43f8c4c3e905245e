/*
 * A script at play: one stack with one bare-IP interface, in virtual time.
 *
 * The script's time zero is ORIGIN of the stack's clock.  Time moves only in naru_play_run: from
 * one deadline of the stack to the next, so nothing that the stack does is late, and every packet
 * of it is kept with the time at which it came.
 */
#ifndef NARU_PKT_PLAY_H
#define NARU_PKT_PLAY_H

#include "pkt/notice.h"
#include "pkt/script.h"
#include "wire/tcp.h"

#include <naru/sock.h>
#include <naru/stack.h>

enum {
    NARU_PLAY_FDS = 64,
    NARU_PLAY_STAMPS = 512,
    NARU_PLAY_WATCHES = 16,
    NARU_PLAY_KEPT = 8,
    NARU_PLAY_NAMES = 32
};

/* Whose habits the scripts were written for. */
enum naru_play_profile { NARU_PLAY_LINUX, NARU_PLAY_FREEBSD };

/* ---- What the stack has sent ---- */

struct naru_seen {
    struct naru_seen *next;
    naru_time at;
    struct naru_addr src, dst;
    bool v6;
    uint8_t proto, tos, ttl;
    uint32_t flow;
    const char *broken; /* what is wrong with it in itself; NULL */
    struct naru_tcp_hdr tcp;
    struct naru_span options;
    uint16_t sport, dport;
    uint8_t icmp_type, icmp_code;
    uint32_t payload_len;
    bool payload_zero;
    size_t len;
    uint8_t bytes[];
};

/* ---- The connection a script speaks of ---- */

struct naru_stamp {
    uint32_t script, live;
};

struct naru_play_conn {
    uint16_t local_port, remote_port; /* 0: not known yet */
    bool iss_known;
    uint32_t offset; /* live sequence number less the script's, of ours */
    unsigned stamp_count;
    struct naru_stamp stamp[NARU_PLAY_STAMPS];
};

/* ---- File descriptors of the script ---- */

struct naru_play_watch {
    int fd;
    uint32_t events; /* EPOLL* */
    uint32_t edges;  /* happened since the last report */
    int64_t data;
};

struct naru_play_fd {
    int number; /* the script's; -1: free */
    struct naru_sock *sock;
    bool epoll, nonblock, connecting, v6, dgram, listener;
    unsigned watch_count;
    struct naru_play_watch watch[NARU_PLAY_WATCHES];
    int64_t buffer_told[2]; /* receive, send: what was set, as Linux tells it; 0: nothing */
    bool inq;               /* TCP_INQ */
    struct {
        const struct naru_pkt_option *row;
        int64_t value;
    } kept[NARU_PLAY_KEPT]; /* options that change nothing here */
    struct naru_notices notices;
};

/* What came of a call so far. */
struct naru_outcome {
    bool wait; /* it would block */
    int64_t value;
    int error; /* errno */
};

/* A call under way. */
struct naru_play_pending {
    const struct naru_script_event *event; /* NULL: none */
    naru_time started, origin;
    naru_time wake;   /* must be looked at again then; NARU_NEVER */
    int64_t progress; /* bytes done */
    bool opened;      /* MSG_FASTOPEN: SYN has left */
};

struct naru_play {
    const struct naru_script *script;
    struct naru_script_options options;
    enum naru_play_profile profile;
    struct naru_script_result *result;
    struct naru_arena *arena;
    struct naru_config config;
    bool drop_synfin;         /* a habit of the host, in front of the stack */
    struct naru_stack *stack; /* NULL until something needs it */
    unsigned ifindex;
    naru_time now;
    naru_time last_at; /* of the previous event */
    bool last_was_inbound;
    struct naru_seen *seen, **seen_end; /* not yet looked at */
    struct naru_play_conn *conn;
    uint16_t next_port;
    struct naru_play_fd fd[NARU_PLAY_FDS];
    int under_test; /* index into fd of the last socket; -1 */
    struct naru_play_pending pending;
    unsigned line;                       /* of the present event */
    int64_t name_value[NARU_PLAY_NAMES]; /* variables of code */
    const char *name[NARU_PLAY_NAMES];
    unsigned name_count;
};

enum { NARU_PLAY_ORIGIN_S = 1000 };

/* Time of the script. */
static inline naru_time naru_play_time(naru_time at) { return at - NARU_SEC(NARU_PLAY_ORIGIN_S); }

/* The first one stays: the line of the present event, and text. */
void naru_play_fail(struct naru_play *p, const char *format, ...) NARU_PRINTF(2, 3);
void naru_play_skip(struct naru_play *p, const char *format, ...) NARU_PRINTF(2, 3);
static inline bool naru_play_ended(const struct naru_play *p)
{
    return p->result->verdict != NARU_SCRIPT_PASSED;
}

/* Plays all of it; result says how it went. */
void naru_play(const struct naru_script *script, enum naru_play_profile profile,
               struct naru_arena *arena, struct naru_script_result *result);

/* ---- Time (play.c) ---- */

void naru_play_need_stack(struct naru_play *p);
/* The stack lives until `until`; stops early at the first packet seen if asked to. */
void naru_play_run(struct naru_play *p, naru_time until, bool stop_at_packet);
/* What the stack has to say at this moment. */
void naru_play_settle(struct naru_play *p);

/* ---- Packets ---- */

void naru_inject(struct naru_play *p, const struct naru_script_packet *packet);
void naru_expect(struct naru_play *p, const struct naru_script_event *event, naru_time origin);
/* Parses bytes of a frame that the stack has sent. */
void naru_seen_parse(struct naru_seen *seen);
/* A new connection is spoken of from now on. */
void naru_play_new_conn(struct naru_play *p, uint16_t local_port, uint16_t remote_port);

size_t naru_show_wanted(const struct naru_script_packet *packet, char *buf, size_t size);
size_t naru_show_seen(const struct naru_play *p, const struct naru_seen *seen, char *buf,
                      size_t size);

/* ---- Calls ---- */

/* Begins the call of an event, or goes on with it; checks its result when it is done. */
void naru_call_begin(struct naru_play *p, const struct naru_script_event *event, naru_time origin);
void naru_call_retry(struct naru_play *p);
/* Waits, in virtual time, for the call under way. */
void naru_call_finish(struct naru_play *p);

struct naru_play_fd *naru_play_fd(struct naru_play *p, int64_t number);
struct naru_outcome naru_outcome_of(int64_t naru_result);
struct naru_outcome naru_outcome_error(int error);

/* An argument: NULL where the script has fewer. */
const struct naru_script_expr *naru_call_arg(const struct naru_script_call *call, unsigned n);
/* The number of an argument, or of the only member of a list; other: "..." and what is missing. */
int64_t naru_call_int(struct naru_play *p, const struct naru_script_call *call, unsigned n,
                      int64_t other);
/* The member of a struct, or NULL. */
const struct naru_script_expr *naru_expr_member(const struct naru_script_expr *e, const char *name);

/* The calls, by file. */
struct naru_outcome naru_call_send(struct naru_play *p, const struct naru_script_call *call);
struct naru_outcome naru_call_recv(struct naru_play *p, const struct naru_script_call *call);
struct naru_outcome naru_call_setsockopt(struct naru_play *p, const struct naru_script_call *call);
struct naru_outcome naru_call_getsockopt(struct naru_play *p, const struct naru_script_call *call);
struct naru_outcome naru_call_ioctl(struct naru_play *p, const struct naru_script_call *call);
struct naru_outcome naru_call_fcntl(struct naru_play *p, const struct naru_script_call *call);
struct naru_outcome naru_call_poll(struct naru_play *p, const struct naru_script_call *call);
struct naru_outcome naru_call_epoll_create(struct naru_play *p,
                                           const struct naru_script_call *call);
struct naru_outcome naru_call_epoll_ctl(struct naru_play *p, const struct naru_script_call *call);
struct naru_outcome naru_call_epoll_wait(struct naru_play *p, const struct naru_script_call *call);
/* recvmsg from the error queue; and what stands beside data that were received. */
struct naru_outcome naru_control_errqueue(struct naru_play *p, struct naru_play_fd *f,
                                          const struct naru_script_expr *msg);
void naru_control_recv(struct naru_play *p, const struct naru_play_fd *f,
                       const struct naru_script_expr *msg);
/* Something happened on that socket. */
void naru_poll_edge(struct naru_play *p, const struct naru_sock *sock, unsigned ready);

/* ---- Commands and code ---- */

void naru_command(struct naru_play *p, const char *text);
void naru_code(struct naru_play *p, const char *text);

#endif
