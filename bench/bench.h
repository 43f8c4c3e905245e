/*
 * What the benchmark's parts share: two stacks joined by a wire that copies each frame once, the
 * table of rows, and the printing of figures.
 */
#ifndef NARU_BENCH_H
#define NARU_BENCH_H

#include <naru/naru.h>

enum { BENCH_REPEATS_MAX = 64, BENCH_SHARDS_MAX = 64, BENCH_PORT = 5001, BENCH_CHUNK = 65536 };

/* Two stacks, one thread, one interface each, joined by an in-memory wire. */
struct bench_pair {
    struct naru_stack *stack[2];
    unsigned ifindex[2];
    struct naru_addr addr[2];
    naru_time now;
    uint64_t frames;
    unsigned burst;    /* frames that the wire takes from one side before it asks the other */
    bool every_second; /* after two frames of stack 0 the wire asks the other for its ACK */
};

struct bench_link {
    uint32_t mtu;
    bool offload;
    uint32_t window;   /* bytes, and of the send buffer */
    bool every_second; /* see bench_pair */
    bool flight;       /* the whole window is on the wire at once, else 64 frames at most */
    uint16_t ports;    /* how many a client can choose from; 0: all above 1023 */
};

/* What a row is measured in: made twice, for IPv4 and for IPv6, and kept while rows share it. */
struct bench_setup {
    void *(*open)(const struct bench_setup *setup, bool v6);
    void (*close)(void *state);
    struct bench_link link;
    unsigned count;      /* of connections, or of what is in flight at a time */
    unsigned memory_mib; /* what both need; rows are left out where less is there */
};

/* The same work by somebody else, in turns with naru's. */
struct bench_beside {
    const char *name;
    const struct bench_setup *setup;
    double (*measure)(void *state, double seconds);
};

/* A row of the table.  value is at most target, or at least if more is better. */
struct bench_row {
    const char *name;
    const char *unit;
    const struct bench_setup *setup;
    double (*measure)(void *state, double seconds);
    bool more;           /* is better */
    bool exact;          /* no clock in it: measured once */
    double target;       /* 0: none */
    double limit_factor; /* at most so many times the limit; 0: the limit is only shown */
    bool nothing;        /* at all is the target: 0 */
    bool limit;          /* what memory alone asks for is measured beside it */
    const struct bench_beside *beside; /* NULL: nobody */
};

extern const struct bench_row bench_rows[];
extern const unsigned bench_row_count;

extern const struct bench_setup bench_bulk_64k, bench_bulk_64k_ack2, bench_bulk_1m, bench_bulk_4m,
    bench_bulk_4m_ack2, bench_bulk_4m_flight, bench_bulk_9000, bench_bulk_offload;
extern const struct bench_setup bench_rr_1, bench_rr_64, bench_rr_100, bench_rr_10k, bench_rr_100k,
    bench_rr_1m;
extern const struct bench_setup bench_churn_1, bench_churn_64;
extern const struct bench_setup bench_udp_1, bench_syn_flood;
extern const struct bench_beside bench_lwip_bulk, bench_lwip_rr; /* if built with it */

double bench_bulk_ns(void *state, double seconds); /* a segment */
double bench_bulk_gb(void *state, double seconds); /* a second */
double bench_rr_ns(void *state, double seconds);
double bench_rr_flight_ns(void *state, double seconds);
double bench_rr_bytes(void *state, double seconds);  /* an endpoint */
double bench_rr_memory(void *state, double seconds); /* MB of both stacks */
double bench_churn_rate(void *state, double seconds);
double bench_udp_ns(void *state, double seconds);
double bench_syn_ns(void *state, double seconds);
double bench_syn_bytes(void *state, double seconds); /* of memory, a SYN */

struct bench_options {
    bool json;
    const char *rows; /* names or beginnings of names, with commas between; NULL: all */
    double seconds;   /* of each measurement */
    unsigned repeats;
    unsigned shards; /* so many threads with a pair of stacks each; 0: rows */
};

/* The figures of one row and family, or of somebody else, one of each repeat. */
struct bench_figures {
    const char *name, *suffix;
    double value[BENCH_REPEATS_MAX];
    double limit[BENCH_REPEATS_MAX];
    unsigned count;
    const struct bench_figures *v4, *naru; /* in the same repeats, to compare with; or NULL */
};

/* Measures what is wanted, prints it; false: there is no such row. */
bool bench_run(const struct bench_options *options);

/* Measures one shard and options->shards of them, prints it. */
void bench_shards(const struct bench_options *options);

void bench_report_head(const struct bench_options *options);
void bench_report(const struct bench_options *options, const struct bench_row *row,
                  const struct bench_figures *figures);
void bench_report_skipped(const struct bench_options *options, const struct bench_row *row,
                          const char *why);

void bench_pair_init(struct bench_pair *pair, const struct bench_link *link, bool v6);
void bench_pair_deinit(struct bench_pair *pair);
/* Takes all that one stack has to say to the other; and 1 us goes by. */
unsigned bench_pair_pass(struct bench_pair *pair, int from);
/* The same both ways in one microsecond.  Returns frames moved. */
unsigned bench_pair_turn(struct bench_pair *pair);
/* Turns until cond(arg) holds; exits with a message if it does not after many. */
void bench_pair_until(struct bench_pair *pair, bool (*cond)(void *), void *arg, const char *what);
/* A connection from stack 0 to the listener on stack 1; both ends established. */
void bench_connect(struct bench_pair *pair, struct naru_sock *listener, struct naru_sock **client,
                   struct naru_sock **server);
struct naru_sock *bench_client(struct bench_pair *pair, struct naru_sock *listener);
/* Half of rcvbuf is window, as the other half is for what packets cost; 0: it grows by itself. */
struct naru_sock *bench_listen(struct bench_pair *pair, uint16_t port, unsigned backlog,
                               uint32_t rcvbuf);

double bench_now(void); /* seconds of this thread on a processor */
_Noreturn void bench_die(const char *what);
void *bench_calloc(size_t count, size_t size); /* or dies */
double bench_median(const double *values, unsigned count);

/*
 * ns a segment that three copies of it cost at this moment, and, if sums, two checksums, each in a
 * pass of its own: from an application through a ring of window bytes over a wire of flight bytes
 * to an application.
 */
struct bench_limit {
    size_t segment, window, flight;
    bool sums;
};
double bench_limit(const struct bench_limit *limit, double seconds);
double bench_row_limit(const struct bench_row *row, bool v6, double seconds);

/* Writes until the send buffer is full; reads until there is nothing, and tells how much. */
void bench_fill(struct bench_pair *pair, struct naru_sock *client);
uint64_t bench_drain(struct bench_pair *pair, struct naru_sock *server);
/* A request and a response of one byte each. */
void bench_round(struct bench_pair *pair, struct naru_sock *client, struct naru_sock *server);
/* A connection from its handshake over one round to the close of both ends. */
void bench_churn_one(struct bench_pair *pair, struct naru_sock *listener);
/* Two connected UDP sockets, and a datagram of 64 bytes from one to the other. */
void bench_udp_pair(struct bench_pair *pair, uint16_t port, struct naru_sock *sock[2]);
void bench_datagram(struct bench_pair *pair, struct naru_sock *const sock[2], int from);

/* An Ethernet frame with a SYN to BENCH_PORT from the n-th name, where nobody answers; its length.
 */
enum { BENCH_FORGED_MAX = 128 };
size_t bench_forge_syn(uint8_t *frame, const struct naru_addr *dst, bool v6, unsigned n);
/* Stack 1 answers them to stack 0. */
void bench_forge_route(struct bench_pair *pair, bool v6);

/* Runs the named row's fixed work once; false: there is no such row. */
bool bench_fixed(const char *row);

/* Writes docs/memory.md: bytes of each object. */
void bench_memory(void);

#endif
