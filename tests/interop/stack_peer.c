/*
 * What tests/lib/peer.py does, on a stack of its own over a TAP: the library without the runner.
 *
 *     stack-peer run --net tap:NAME --ip ADDR/LEN... [--mtu N] [--capture FILE] [--trace] [--reno]
 *                    [--no-offload] [--seed N] [--memory BYTES]
 *                    -- peer.py listen|dial ADDRESS PORT ROUNDS ACTION...
 *     stack-peer run ... -- udp-echo ADDRESS PORT        (until a datagram "quit")
 *     stack-peer run ... -- sleep SECONDS
 *
 * The command line is naru's own, so that one driver (tap_tcp.py) runs either; the actions are
 * those of peer.py, and so is what it prints.  Two more are for measuring the stack without an
 * application: "discard" reads and "fill:BYTES" sends in place, and neither looks at the bytes.
 * Exit status 1 and one line when an action fails.
 */
#include "host/alloc.h"
#include "host/clock.h"
#include "host/errno.h"
#include "host/loop.h"
#include "host/pcapng.h"
#include "host/tap.h"
#include "host/tracefan.h"
#include "host/tracetext.h"
#include "interop/in_place.h"
#include "lib/digest.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define BLOCK       (1u << 18)
#define ROOM        (1u << 20)
#define ACTIONS_MAX 32
#define LINGER_MAX  NARU_SEC(20) /* for the last connections to end, after "done" */

struct options {
    const char *tap;
    const char *ip[8];
    unsigned ip_count;
    unsigned mtu;
    uint64_t seed, memory;
    const char *capture;
    bool trace, reno, no_offload;
    char **words;
};

/* A sender in the middle of its pattern. */
struct sending {
    bool ready;
    uint64_t left, number;
    size_t at;     /* in the block */
    char seed[64]; /* the one that block was made from */
    uint8_t block[BLOCK];
};

struct receiving {
    bool begun;
    uint64_t count;
    struct test_sha256 hash;
};

struct peer {
    struct options options;
    struct naru_loop *loop;
    struct naru_stack *stack;
    struct naru_attachment attachment;
    struct naru_tap *tap;
    struct naru_trace_fan fan;
    struct naru_pcapng *capture;
    struct naru_trace_text text;
    unsigned ifindex;

    bool listens;
    struct naru_endpoint endpoint;
    unsigned rounds;
    char *action[ACTIONS_MAX];
    unsigned action_count;

    struct naru_sock *listener, *sock, *echo;
    bool connecting;
    unsigned next; /* action */
    bool shut;     /* meet: our direction has ended */
    struct naru_loop_timer timer;
    bool waiting;
    struct sending out;
    struct receiving in;
    uint64_t filled;
    size_t echo_at, echo_len;
    uint8_t room[ROOM];
};

__attribute__((format(printf, 1, 2))) static _Noreturn void die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
    exit(1);
}

static void must(const char *what, int64_t err)
{
    if (err < 0)
        die("%s: %s", what, naru_err_text((int)err));
}

/* ---- The pattern: blocks of one body, each with its number in front ---- */

static void put_number(struct sending *s)
{
    for (unsigned i = 0; i < 8; i++)
        s->block[i] = (uint8_t)(s->number >> (56 - 8 * i));
}

static void sending_begin(struct sending *s, const char *words)
{
    const char *seed = strchr(words, ':');

    if (seed == NULL)
        die("send needs BYTES:SEED");
    s->left = strtoull(words, NULL, 10);
    s->number = 0;
    s->at = 0;
    if (strcmp(s->seed, seed) != 0) { /* It takes its time. */
        snprintf(s->seed, sizeof(s->seed), "%s", seed);
        test_shake256(seed + 1, strlen(seed + 1), s->block, BLOCK);
    }
    put_number(s);
    s->ready = true;
}

static void go_on(struct peer *p);

static void timer_over(struct naru_loop_timer *timer, naru_time now)
{
    (void)now;
    go_on(timer->user);
}

static void set_timer(struct peer *p, naru_time span)
{
    p->timer.fire = timer_over;
    p->timer.user = p;
    naru_loop_timer_set(p->loop, &p->timer, naru_loop_now(p->loop) + span);
}

/* Sends as much as goes; true when all is sent. */
static bool send_some(struct peer *p)
{
    struct sending *s = &p->out;

    while (s->left > 0) {
        size_t len = BLOCK - s->at;
        if (len > s->left)
            len = (size_t)s->left;
        struct naru_slice slice = { s->block + s->at, len };
        int64_t n = naru_sock_send(p->sock, &slice, 1, 0, NULL, naru_loop_now(p->loop));
        if (n == NARU_ERR_NOMEM) /* --memory: later, then */
            set_timer(p, NARU_MS(1));
        if (n == NARU_ERR_AGAIN || n == NARU_ERR_NOMEM)
            return false;
        must("send", n);
        s->left -= (uint64_t)n;
        s->at += (size_t)n;
        if (s->at == BLOCK) {
            s->at = 0;
            s->number++;
            put_number(s);
        }
    }
    return true;
}

/* ---- Receiving ---- */

/* Up to size bytes (or until the end) into the hash; true when it is complete. */
static bool receive_some(struct peer *p, uint64_t size)
{
    struct receiving *r = &p->in;
    char text[65];

    if (!r->begun) {
        r->begun = true;
        r->count = 0;
        test_sha256_init(&r->hash);
    }
    while (r->count < size) {
        size_t len = size - r->count < ROOM ? (size_t)(size - r->count) : ROOM;
        struct naru_room room = { p->room, len };
        int64_t n = naru_sock_recv(p->sock, &room, 1, 0, NULL, naru_loop_now(p->loop));
        if (n == NARU_ERR_AGAIN)
            return false;
        must("recv", n);
        if (n == 0)
            break;
        test_sha256_add(&r->hash, p->room, (size_t)n);
        r->count += (uint64_t)n;
    }
    test_sha256_finish(&r->hash, text);
    printf("got %" PRIu64 " %s\n", r->count, text);
    fflush(stdout);
    r->begun = false;
    return true;
}

static bool in_place(int result)
{
    must("in place", result);
    return result > 0;
}

static bool echo_some(struct peer *p)
{
    naru_time now = naru_loop_now(p->loop);

    for (;;) {
        if (p->echo_at == p->echo_len) {
            struct naru_room room = { p->room, ROOM };
            int64_t n = naru_sock_recv(p->sock, &room, 1, 0, NULL, now);
            if (n == NARU_ERR_AGAIN)
                return false;
            must("recv", n);
            if (n == 0)
                return true;
            p->echo_at = 0;
            p->echo_len = (size_t)n;
        }
        struct naru_slice slice = { p->room + p->echo_at, p->echo_len - p->echo_at };
        int64_t n = naru_sock_send(p->sock, &slice, 1, 0, NULL, now);
        if (n == NARU_ERR_AGAIN)
            return false;
        must("send", n);
        p->echo_at += (size_t)n;
    }
}

static bool await_reset(struct peer *p)
{
    struct naru_room room = { p->room, ROOM };
    int64_t n;

    do {
        n = naru_sock_recv(p->sock, &room, 1, 0, NULL, naru_loop_now(p->loop));
    } while (n > 0);
    if (n == NARU_ERR_AGAIN)
        return false;
    if (n != NARU_ERR_CONNRESET)
        die("the connection ended without a reset: %s", naru_err_text((int)n));
    puts("reset");
    fflush(stdout);
    return true;
}

/* ---- Actions ---- */

static bool wait_some(struct peer *p, const char *words)
{
    if (!p->waiting) {
        set_timer(p, (naru_time)(strtod(words, NULL) * 1e9));
        p->waiting = true;
    }
    if (p->timer.loop != NULL)
        return false;
    p->waiting = false;
    return true;
}

static bool meet_some(struct peer *p)
{
    if (!p->shut && send_some(p)) {
        must("shutdown", naru_sock_shutdown(p->sock, NARU_SHUTDOWN_WRITE, naru_loop_now(p->loop)));
        p->shut = true;
    }
    if (p->in.count != UINT64_MAX && receive_some(p, UINT64_MAX))
        p->in.count = UINT64_MAX; /* the peer's direction has ended */
    return p->shut && p->in.count == UINT64_MAX;
}

static bool is(const char *action, const char *name, const char **words)
{
    size_t len = strlen(name);

    if (strncmp(action, name, len) != 0 || (action[len] != '\0' && action[len] != ':'))
        return false;
    *words = action[len] == ':' ? action + len + 1 : "";
    return true;
}

static void end_sock(struct peer *p, bool abort_it)
{
    if (p->sock == NULL)
        return;
    if (abort_it)
        naru_sock_abort(p->sock, naru_loop_now(p->loop));
    else
        naru_sock_close(p->sock, naru_loop_now(p->loop));
    p->sock = NULL;
}

/* True when the action is done; false: something must happen first. */
static bool act(struct peer *p, const char *action)
{
    const char *words;

    if (is(action, "send", &words) || is(action, "meet", &words)) {
        if (!p->out.ready) {
            sending_begin(&p->out, words);
            p->shut = false;
            p->in.count = 0;
        }
        bool done = action[0] == 's' ? send_some(p) : meet_some(p);
        p->out.ready = !done;
        return done;
    }
    if (is(action, "recv", &words))
        return receive_some(p, words[0] != '\0' ? strtoull(words, NULL, 10) : UINT64_MAX);
    if (is(action, "discard", &words))
        return in_place(in_place_discard(p->sock, naru_loop_now(p->loop)));
    if (is(action, "fill", &words))
        return in_place(
            in_place_fill(p->sock, &p->filled, strtoull(words, NULL, 10), naru_loop_now(p->loop)));
    if (is(action, "echo", &words))
        return echo_some(p);
    if (is(action, "reset", &words))
        return await_reset(p);
    if (is(action, "wait", &words))
        return wait_some(p, words);
    if (is(action, "shut", &words))
        must("shutdown", naru_sock_shutdown(p->sock, NARU_SHUTDOWN_WRITE, naru_loop_now(p->loop)));
    else if (is(action, "close", &words) || is(action, "abort", &words))
        end_sock(p, action[0] == 'a');
    else
        die("unknown action %s", action);
    return true;
}

/* ---- Connections, one after another ---- */

static void finish(struct peer *p)
{
    if (p->listener != NULL)
        naru_sock_close(p->listener, naru_loop_now(p->loop));
    p->listener = NULL;
    puts("done");
    fflush(stdout);
    naru_loop_stop(p->loop);
}

static void next_connection(struct peer *p)
{
    naru_time now = naru_loop_now(p->loop);

    p->next = 0;
    p->out.ready = p->in.begun = false;
    p->echo_at = p->echo_len = 0;
    if (p->rounds-- == 0) {
        finish(p);
    } else if (!p->listens) {
        enum naru_family family = p->endpoint.addr.b[10] == 0xff ? NARU_IPV4 : NARU_IPV6;
        must("socket", naru_sock_new(p->stack, family, NARU_SOCK_STREAM, &p->sock));
        enum naru_err err = naru_sock_connect(p->sock, &p->endpoint, now);
        if (err != NARU_ERR_INPROGRESS)
            must("connect", err);
        p->connecting = true;
    }
}

/* Goes on where it was; called whenever something has happened. */
static void run_actions(struct peer *p)
{
    if (p->listens && p->sock == NULL && p->listener != NULL && p->next == 0) {
        enum naru_err err = naru_sock_accept(p->listener, &p->sock, naru_loop_now(p->loop));
        if (err == NARU_ERR_AGAIN)
            return;
        must("accept", err);
    }
    if (p->connecting) {
        unsigned ready = naru_sock_ready(p->sock);
        if ((ready & NARU_READY_ERROR) != 0) {
            int64_t error = 0;
            must("option", naru_sock_get(p->sock, NARU_OPT_ERROR, &error));
            must("connect", error);
        }
        if ((ready & NARU_READY_WRITE) == 0)
            return;
        p->connecting = false;
    }
    if (p->sock == NULL && p->next == 0)
        return;
    while (p->next < p->action_count) {
        if (!act(p, p->action[p->next]))
            return;
        p->next++;
    }
    end_sock(p, false);
    next_connection(p);
}

static void go_on(struct peer *p)
{
    unsigned before;

    do { /* A connection that waits already tells no second time. */
        before = p->rounds;
        run_actions(p);
    } while (p->rounds != before && p->listener != NULL);
}

/* ---- Datagrams ---- */

/* Gives each datagram back to its sender, merged ones as they came. */
static void echo_datagrams(struct peer *p)
{
    naru_time now = naru_loop_now(p->loop);
    struct naru_room room = { p->room, ROOM };
    struct naru_msg_info info;

    for (;;) {
        int64_t n = naru_sock_recv(p->echo, &room, 1, 0, &info, now);
        if (n == NARU_ERR_AGAIN)
            return;
        must("recv", n);
        if (n == 4 && memcmp(p->room, "quit", 4) == 0) {
            naru_sock_close(p->echo, now);
            p->echo = NULL;
            naru_loop_stop(p->loop);
            return;
        }
        if (info.gso_size != 0)
            fprintf(stderr, "merged %" PRIi64 " in %u\n", n, info.gso_size);
        struct naru_msg_info back = { .from = info.to, .to = info.from, .gso_size = info.gso_size };
        struct naru_slice slice = { p->room, (size_t)n };
        must("send", naru_sock_send(p->echo, &slice, 1, 0, &back, now));
    }
}

static void start_echo(struct peer *p)
{
    char **w = p->options.words;

    if (w[1] == NULL || w[2] == NULL || !naru_addr_parse(w[1], &p->endpoint.addr))
        die("usage: ... -- udp-echo ADDRESS PORT");
    p->endpoint.port = (uint16_t)strtoul(w[2], NULL, 10);
    enum naru_family family = strchr(w[1], ':') == NULL ? NARU_IPV4 : NARU_IPV6;
    must("socket", naru_sock_new(p->stack, family, NARU_SOCK_DGRAM, &p->echo));
    must("bind", naru_sock_bind(p->echo, &p->endpoint));
    puts("listening");
    fflush(stdout);
}

static void on_event(struct naru_attachment *attachment, const struct naru_event *event)
{
    struct peer *p = attachment->user;

    (void)event;
    if (p->echo != NULL)
        echo_datagrams(p);
    else
        go_on(p);
}

/* ---- Beginning and end ---- */

static void parse_options(struct options *o, char **argv)
{
    if (argv[1] == NULL || strcmp(argv[1], "run") != 0)
        die("usage: stack-peer run --net tap:NAME --ip ADDR/LEN ... -- WORDS...");
    for (argv += 2; *argv != NULL && strcmp(*argv, "--") != 0; argv++) {
        const char *name = *argv;
        if (strcmp(name, "--trace") == 0) {
            o->trace = true;
        } else if (strcmp(name, "--reno") == 0) {
            o->reno = true;
        } else if (strcmp(name, "--no-offload") == 0) {
            o->no_offload = true;
        } else if (argv[1] == NULL) {
            die("%s needs a value", name);
        } else if (strcmp(name, "--net") == 0 && strncmp(argv[1], "tap:", 4) == 0) {
            o->tap = *++argv + 4;
        } else if (strcmp(name, "--ip") == 0 && o->ip_count < 8) {
            o->ip[o->ip_count++] = *++argv;
        } else if (strcmp(name, "--mtu") == 0) {
            o->mtu = (unsigned)strtoul(*++argv, NULL, 10);
        } else if (strcmp(name, "--seed") == 0) {
            o->seed = strtoull(*++argv, NULL, 10);
        } else if (strcmp(name, "--memory") == 0) {
            o->memory = strtoull(*++argv, NULL, 10);
        } else if (strcmp(name, "--capture") == 0) {
            o->capture = *++argv;
        } else {
            die("unknown option %s", name);
        }
    }
    if (*argv == NULL || o->tap == NULL)
        die("--net tap:NAME and -- are needed");
    o->words = argv + 1;
}

static void start_trace(struct peer *p, struct naru_config *config)
{
    if (p->options.trace) {
        p->text = (struct naru_trace_text){ .file = stderr, .origin = naru_clock_now() };
        p->text.iface[1] = "lo";
        p->text.iface[2] = p->options.tap;
        naru_trace_fan_add(&p->fan, naru_trace_text_event, &p->text);
    }
    if (p->options.capture != NULL) {
        int fd = open(p->options.capture, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        struct naru_pcapng_config capture = { .fd = fd, .wall_offset = naru_clock_wall_offset() };
        int error = fd < 0 ? -1 : naru_pcapng_open(&capture, &p->capture);
        if (error < 0)
            die("%s: cannot be written", p->options.capture);
        struct naru_pcapng_source *source = naru_pcapng_add_source(p->capture, "");
        if (source == NULL)
            die("no memory");
        (void)naru_pcapng_add_iface(source, 2, p->options.tap);
        naru_trace_fan_add(&p->fan, naru_pcapng_event, source);
    }
    if (p->fan.count > 0) {
        config->trace = naru_trace_fan_event;
        config->trace_user = &p->fan;
    }
}

static void start_stack(struct peer *p)
{
    struct naru_config config;
    struct naru_iface_config iface;
    struct naru_tap_config tap;
    naru_time now = naru_clock_now();
    int error;

    naru_config_init(&config);
    config.alloc = naru_alloc_malloc();
    config.tcp_congestion = p->options.reno ? NARU_CONGESTION_RENO : NARU_CONGESTION_CUBIC;
    if (p->options.memory != 0)
        config.memory_max = p->options.memory;
    if (p->options.seed != 0)
        naru_seed_from_number(p->options.seed, config.seed);
    else if (naru_random_fill(config.seed, sizeof(config.seed)) < 0)
        die("no randomness");
    start_trace(p, &config);
    must("stack", naru_stack_new(&config, now, &p->stack));

    naru_tap_config_init(&tap);
    tap.name = p->options.tap;
    tap.no_offload = p->options.no_offload;
    error = naru_tap_open(&tap, &p->tap);
    if (error < 0)
        die("%s: %s", p->options.tap, strerror(-error));
    naru_iface_config_init(&iface);
    iface.name = p->options.tap;
    iface.offload = naru_tap_offload(p->tap);
    if (p->options.mtu != 0)
        iface.mtu = p->options.mtu;
    iface.mac[0] = 2;
    memcpy(iface.mac + 1, config.seed, 5);
    must("interface", naru_iface_add(p->stack, &iface, now, &p->ifindex));
    for (unsigned i = 0; i < p->options.ip_count; i++) {
        struct naru_addr addr;
        unsigned len;
        if (!naru_addr_parse_prefix(p->options.ip[i], &addr, &len))
            die("%s: not an address and prefix length", p->options.ip[i]);
        must("address", naru_ifaddr_add(p->stack, p->ifindex, &addr, len, now));
    }
    p->attachment = (struct naru_attachment){ .stack = p->stack, .event = on_event, .user = p };
    if (naru_loop_new(&p->loop) < 0 || naru_loop_attach(p->loop, &p->attachment) < 0 ||
        naru_tap_attach(p->tap, &p->attachment, p->ifindex) < 0)
        die("loop: no memory");
}

static void start_words(struct peer *p)
{
    char **w = p->options.words;
    unsigned count = 0;

    while (w[count] != NULL)
        count++;
    if (count < 5 || count - 5 > ACTIONS_MAX)
        die("usage: ... -- peer.py listen|dial ADDRESS PORT ROUNDS ACTION...");
    p->listens = strcmp(w[1], "listen") == 0;
    if (!naru_addr_parse(w[2], &p->endpoint.addr))
        die("%s: not an address", w[2]);
    p->endpoint.port = (uint16_t)strtoul(w[3], NULL, 10);
    p->rounds = (unsigned)strtoul(w[4], NULL, 10);
    for (unsigned i = 5; i < count; i++)
        p->action[p->action_count++] = w[i];
    if (p->listens) {
        enum naru_family family = strchr(w[2], ':') == NULL ? NARU_IPV4 : NARU_IPV6;
        must("socket", naru_sock_new(p->stack, family, NARU_SOCK_STREAM, &p->listener));
        must("bind", naru_sock_bind(p->listener, &p->endpoint));
        must("listen", naru_sock_listen(p->listener, 128, naru_clock_now()));
        puts("listening");
        fflush(stdout);
    }
    next_connection(p);
}

static void sleep_over(struct naru_loop_timer *timer, naru_time now)
{
    struct peer *p = timer->user;

    (void)now;
    naru_loop_stop(p->loop);
}

/* Goes on until the last connections have ended; the kernel's side must see our FIN acknowledged.
 */
static void linger(struct peer *p)
{
    naru_time end = naru_clock_now() + LINGER_MAX;
    struct naru_stack_stats stats;

    do {
        (void)naru_loop_turn(p->loop, naru_clock_now() + NARU_MS(5));
        naru_stack_get_stats(p->stack, &stats);
    } while (stats.flows > 0 && naru_clock_now() < end);
    if (stats.flows > 0)
        die("%u connections did not end", stats.flows);
}

static void report(const struct peer *p)
{
    struct naru_stack_stats s;
    struct naru_tap_stats t;

    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    naru_stack_get_stats(p->stack, &s);
    naru_tap_get_stats(p->tap, &t);
    fprintf(stderr, "cpu %.3f\n",
            (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
    fprintf(stderr,
            "segments in %" PRIu64 " out %" PRIu64 " retransmits %" PRIu64 " timeouts %" PRIu64
            " memory peak %" PRIu64 "; tap in %" PRIu64 " (%" PRIu64 " gso, %" PRIu64
            " no memory) out %" PRIu64 " (%" PRIu64 " gso, %" PRIu64 " full)\n",
            s.tcp_segments_in, s.tcp_segments_out, s.tcp_retransmits, s.tcp_rto_fires,
            s.memory_peak, t.rx_frames, t.rx_gso, t.rx_nomem, t.tx_frames, t.tx_gso, t.tx_full);
    for (unsigned i = 1; i < NARU_DROP_COUNT; i++) {
        uint64_t count = naru_stack_drops(p->stack, (enum naru_drop)i);
        if (count > 0)
            fprintf(stderr, "drop %s %" PRIu64 "\n", naru_drop_text((enum naru_drop)i), count);
    }
}

int main(int argc, char **argv)
{
    struct peer *p = calloc(1, sizeof(*p));

    (void)argc;
    if (p == NULL)
        die("no memory");
    parse_options(&p->options, argv);
    start_stack(p);
    if (p->options.words[0] != NULL && strcmp(p->options.words[0], "sleep") == 0) {
        double seconds = p->options.words[1] != NULL ? strtod(p->options.words[1], NULL) : 0;
        p->timer = (struct naru_loop_timer){ .fire = sleep_over, .user = p };
        naru_loop_timer_set(p->loop, &p->timer, naru_clock_now() + (naru_time)(seconds * 1e9));
    } else if (p->options.words[0] != NULL && strcmp(p->options.words[0], "udp-echo") == 0) {
        start_echo(p);
    } else {
        start_words(p);
    }
    if (naru_loop_run(p->loop) < 0)
        die("the loop failed");
    linger(p);
    report(p);
    naru_tap_close(p->tap);
    naru_loop_detach(&p->attachment);
    naru_stack_free(p->stack);
    naru_loop_free(p->loop);
    int error = naru_pcapng_close(p->capture);
    free(p);
    return error == 0 ? 0 : 1;
}
