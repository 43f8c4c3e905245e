/*
 * What the benchmark's rows share: two stacks joined by a wire that copies each frame once, and the
 * printing of figures.
 */
#ifndef NARU_BENCH_H
#define NARU_BENCH_H

#include <naru/naru.h>

/* Two stacks, one thread, one interface each, joined by an in-memory wire. */
struct bench_pair {
    struct naru_stack *stack[2];
    unsigned ifindex[2];
    struct naru_addr addr[2];
    naru_time now;
    uint64_t frames;
};

struct bench_options {
    bool json;
    bool v6;
    const char *only; /* row name prefix, or NULL */
    double seconds;   /* of measuring, each row */
    unsigned repeats; /* the median of so many is printed */
};

struct bench_link {
    uint32_t mtu;
    bool offload;
    uint32_t window; /* bytes of both buffers */
    uint16_t ports;  /* how many a client can choose from; 0: all above 1023 */
};

void bench_pair_init(struct bench_pair *pair, const struct bench_link *link, bool v6);
void bench_pair_deinit(struct bench_pair *pair);
/* Moves frames until nobody has one; virtual time advances by 1 us a turn. Returns frames moved. */
unsigned bench_pair_turn(struct bench_pair *pair);
/* Turns until cond(arg) holds; exits with a message if it does not after many. */
void bench_pair_until(struct bench_pair *pair, bool (*cond)(void *), void *arg, const char *what);
/* A connection from stack 0 to the listener on stack 1; both ends established. */
void bench_connect(struct bench_pair *pair, struct naru_sock *listener, struct naru_sock **client,
                   struct naru_sock **server);
struct naru_sock *bench_listen(struct bench_pair *pair, uint16_t port, unsigned backlog,
                               uint32_t window);

double bench_now(void); /* seconds */
_Noreturn void bench_die(const char *what);
double bench_median(double *values, unsigned count);
/* best: of the repeats whose median value is; limit: 0 for none. */
void bench_print(const struct bench_options *options, const char *row, double value, double best,
                 const char *unit, double limit);
bool bench_wanted(const struct bench_options *options, const char *row);

/* ns a segment that three copies and two checksums of the same bytes cost at this moment. */
double bench_limit(size_t segment, size_t window);

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

/* Runs the named row's fixed work once; false: there is no such row. */
bool bench_fixed(const char *row);

void bench_bulk(const struct bench_options *options);
void bench_rr(const struct bench_options *options);
void bench_churn(const struct bench_options *options);
void bench_idle(const struct bench_options *options);
void bench_udp(const struct bench_options *options);

#endif
