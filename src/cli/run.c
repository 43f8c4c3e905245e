/*
 * naru run: puts the parts together, waits for the program's end, lets the last bytes out.
 *
 * After the program's end its connections may still have bytes and FINs to deliver, as they would
 * in a kernel; the loop goes on until the other side has them, at most LINGER_MAX without any
 * progress, or until a second signal.
 */
#include "run/run.h"
#include "cli/command.h"
#include "cli/network.h"
#include "cli/options.h"
#include "cli/watch.h"
#include "host/alloc.h"
#include "host/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LINGER_MAX      NARU_SEC(10)
#define LINGER_GATE_MAX NARU_SEC(1)
#define LINGER_STEP     NARU_MS(20)

static const char help[] =
    "naru run [options] -- PROGRAM [ARGS...]\n"
    "\n"
    "Runs an unmodified program with its sockets on a TCP/IP stack of its own.\n"
    "\n"
    "  --net user          through the host's own sockets, as an ordinary user (default)\n"
    "  --net tap[:NAME]    on a TAP device, an existing or a new one\n"
    "  --net none          the loopback alone\n"
    "  --ip ADDR/LEN       the program's address; may be given again\n"
    "                      (10.0.2.100/24 and fd00::100/64)\n"
    "  --gateway ADDR      the default route; with --net user, the gateway's address\n"
    "                      (10.0.2.2 and fd00::2)\n"
    "  --dns ADDR          where queries to the host's resolvers go instead\n"
    "                      (--net user: 10.0.2.3 and fd00::3, relayed to them)\n"
    "  --mtu N             bytes of an IP packet (user: 65520, tap: 1500 or the device's)\n"
    "  --host-loopback     --net user: the gateway's address means the host's 127.0.0.1\n"
    "  --capture FILE      every packet, in pcapng; - is standard output\n"
    "  --trace[=FILE]      a line per segment and state change; to standard error\n"
    "  --ecn N             explicit congestion notification, as net.ipv4.tcp_ecn has it (2)\n"
    "  --fastopen N        TCP Fast Open, as net.ipv4.tcp_fastopen has it (1)\n"
    "  --ladder            at the end, the story of the first connection\n"
    "  --wait              when the program ends, wait for the processes it leaves behind\n"
    "                      (else they are ended too)\n"
    "  --seed N            repeatable random numbers (not secret)\n"
    "\n"
    "The exit status is the program's; 125 if naru cannot start, 126 or 127 if the program\n"
    "cannot, 128 and the signal's number if it was killed, 2 for a wrong option.\n";

struct session {
    struct naru_run_options options;
    struct naru_cli_network network;
    struct naru_cli_watch watch;
    struct naru_loop *loop;
    struct naru_stack *stack;
    struct naru_run *run;
    struct naru_loop_timer linger;
    naru_time ended_at;
    naru_time progress_at; /* since then: when owed last changed */
    uint64_t owed;         /* bytes of the program that are still to be delivered */
    int status;
};

static int fail(const char *what, int error)
{
    fprintf(stderr, "naru run: %s: %s\n", what, strerror(-error));
    return error;
}

/* Bytes (and FINs, each as one) of the program that its stack has not delivered yet. */
static uint64_t undelivered(const struct naru_stack *stack)
{
    struct naru_sock_entry entry;
    uint64_t cursor = 0, sum = 0;
    while (naru_stack_walk(stack, &cursor, &entry))
        if (entry.type == NARU_SOCK_STREAM && entry.state != NARU_TCP_LISTEN &&
            (entry.send_queue > 0 || entry.state == NARU_TCP_FIN_WAIT_1 ||
             entry.state == NARU_TCP_CLOSING || entry.state == NARU_TCP_LAST_ACK))
            sum += entry.send_queue + (uint64_t)1;
    return sum;
}

static void linger(struct naru_loop_timer *timer, naru_time now)
{
    struct session *session = timer->user;
    uint64_t owed = undelivered(session->stack) + naru_cli_network_undelivered(&session->network);
    if (owed != session->owed)
        session->progress_at = now;
    session->owed = owed;
    if ((owed > 0 && now - session->progress_at < LINGER_MAX) ||
        (naru_cli_network_busy(&session->network) && now - session->ended_at < LINGER_GATE_MAX))
        naru_loop_timer_set(session->loop, timer, now + LINGER_STEP);
    else
        naru_loop_stop(session->loop);
}

static void ended(void *user, int status)
{
    struct session *session = user;
    session->status = status;
    session->ended_at = naru_loop_now(session->loop);
    session->progress_at = session->ended_at;
    naru_loop_timer_set(session->loop, &session->linger, session->ended_at);
}

static int make_seed(const struct session *session, uint8_t seed[32])
{
    if (!session->options.has_seed)
        return naru_random_fill(seed, 32);
    naru_seed_from_number(session->options.seed, seed);
    return 0;
}

static int make_stack(struct session *session, const uint8_t seed[32])
{
    struct naru_config config;
    naru_config_init(&config);
    if (session->options.ecn >= 0)
        config.tcp_ecn = (uint8_t)session->options.ecn;
    if (session->options.fastopen >= 0)
        config.tcp_fastopen = (uint16_t)session->options.fastopen;
    config.alloc = naru_alloc_malloc();
    memcpy(config.seed, seed, sizeof config.seed);
    naru_cli_watch_hook(&session->watch, &config);
    enum naru_err err = naru_stack_new(&config, naru_clock_now(), &session->stack);
    if (err == NARU_OK)
        return 0;
    fprintf(stderr, "naru run: the stack: %s\n", naru_err_text(err));
    return -ENOMEM;
}

/* Everything but the program. */
static int start(struct session *session)
{
    uint8_t seed[32];
    int error = make_seed(session, seed);
    if (error < 0)
        return fail("random numbers", error);
    naru_cli_network_plan(&session->network, &session->options);
    error = naru_cli_watch_open(&session->watch, &session->options);
    if (error < 0)
        return error;
    error = naru_loop_new(&session->loop);
    if (error < 0)
        return fail("epoll", error);
    error = make_stack(session, seed);
    if (error < 0)
        return error;

    struct naru_run_config config = {
        .loop = session->loop,
        .stack = session->stack,
        .dns4 = session->network.dns4,
        .dns6 = session->network.dns6,
        .wait = session->options.wait,
        .ended = ended,
        .user = session,
    };
    session->linger.fire = linger;
    session->linger.user = session;
    error = naru_run_new(&config, &session->run);
    if (error < 0)
        return fail("the supervisor", error);
    error = naru_cli_network_up(&session->network, session->loop, naru_run_attachment(session->run),
                                seed, &session->watch.gateway_fan);
    if (error == 0)
        naru_cli_watch_name(&session->watch, session->network.ifindex, session->network.ifname);
    return error;
}

static void finish(struct session *session)
{
    if (session->loop != NULL)
        naru_loop_timer_stop(&session->linger);
    /* The loop may hold pointers into all of these: it goes last, and the stack before it. */
    if (session->network.wire.end[0].peer != NULL || session->network.gate != NULL ||
        session->network.tap != NULL)
        naru_cli_network_down(&session->network);
    naru_run_free(session->run);
    if (session->stack != NULL)
        naru_stack_free(session->stack);
    naru_loop_free(session->loop);
    naru_cli_watch_close(&session->watch);
}

int naru_command_run(int argc, char **argv)
{
    static struct session session;
    const char *why = "";
    if (!naru_run_options_parse(argc, argv, &session.options))
        return NARU_EXIT_USAGE;
    if (session.options.help) {
        fputs(help, stdout);
        return 0;
    }
    naru_run_prepare();
    session.status = NARU_EXIT_FAILURE;
    int error = start(&session);
    if (error == 0) {
        error = naru_run_start(session.run, session.options.program, &why);
        if (error < 0)
            fprintf(stderr, "naru run: %s (%s)\n", why, strerror(-error));
    }
    if (error == 0)
        error = naru_loop_run(session.loop);
    finish(&session);
    return error < 0 ? NARU_EXIT_FAILURE : session.status;
}
