/*
 * A guest, a wire and a gateway in one process: see gate_lab.h.
 */
#include "gate_lab.h"

#include "host/alloc.h"
#include "host/clock.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- The lab ---- */

static void ignore_event(struct naru_attachment *attachment, const struct naru_event *event)
{
    (void)attachment;
    (void)event;
}

static void add_addr(struct gate_lab *lab, const char *text, const char *gateway)
{
    struct naru_route route = { .has_gateway = true };
    struct naru_addr addr;
    unsigned prefix_len;
    naru_time now = naru_loop_now(lab->loop);

    assert_true(naru_addr_parse_prefix(text, &addr, &prefix_len));
    assert_int_equal(naru_ifaddr_add(lab->guest, lab->ifindex, &addr, prefix_len, now), NARU_OK);
    assert_true(naru_addr_parse(gateway, &route.gateway));
    assert_true(naru_addr_parse(prefix_len > 32 ? "::" : "0.0.0.0", &route.prefix));
    route.ifindex = (uint16_t)lab->ifindex;
    assert_int_equal(naru_route_add(lab->guest, &route), NARU_OK);
}

static void open_guest(struct gate_lab *lab)
{
    struct naru_config config;
    struct naru_iface_config iface;
    naru_time now = naru_loop_now(lab->loop);

    naru_config_init(&config);
    config.alloc = naru_alloc_malloc();
    naru_seed_from_number(1, config.seed);
    assert_int_equal(naru_stack_new(&config, now, &lab->guest), NARU_OK);
    naru_iface_config_init(&iface);
    iface.name = "guest0";
    memcpy(iface.mac, (const uint8_t[6]){ 0x52, 0x55, 0x0a, 0, 2, 100 }, 6);
    iface.mtu = 1500;
    iface.offload = NARU_WIRE_OFFLOAD;
    iface.link_local = true;
    assert_int_equal(naru_iface_add(lab->guest, &iface, now, &lab->ifindex), NARU_OK);
    add_addr(lab, "10.0.2.100/24", "10.0.2.2");
    add_addr(lab, "fd00::100/64", "fd00::2");
    lab->attachment = (struct naru_attachment){ .stack = lab->guest, .event = ignore_event };
    assert_int_equal(naru_loop_attach(lab->loop, &lab->attachment), 0);
}

void lab_open(struct gate_lab *lab, const struct naru_gate_config *config)
{
    struct naru_gate_config own;

    memset(lab, 0, sizeof(*lab));
    assert_int_equal(naru_loop_new(&lab->loop), 0);
    open_guest(lab);
    naru_gate_config_init(&own);
    own.host_loopback = true;
    if (config != NULL)
        own = *config;
    own.loop = lab->loop;
    own.mtu = 1500;
    own.offload = NARU_WIRE_OFFLOAD;
    naru_seed_from_number(2, own.seed);
    assert_int_equal(naru_gate_new(&own, &lab->gate), NARU_OK);
    naru_wire_attach(&lab->wire, &lab->attachment, lab->ifindex, naru_gate_attachment(lab->gate),
                     naru_gate_ifindex(lab->gate));
    lab_patience(lab);
}

void lab_close(struct gate_lab *lab)
{
    naru_wire_detach(&lab->wire);
    naru_gate_free(lab->gate);
    naru_loop_detach(&lab->attachment);
    naru_stack_free(lab->guest);
    naru_loop_free(lab->loop);
}

struct naru_endpoint lab_endpoint(const char *addr, uint16_t port)
{
    struct naru_endpoint e = { .port = port };
    assert_true(naru_addr_parse(addr, &e.addr));
    return e;
}

struct naru_endpoint lab_gateway(int family, uint16_t port)
{
    return lab_endpoint(family == 4 ? "10.0.2.2" : "fd00::2", port);
}

void lab_patience(struct gate_lab *lab) { lab->give_up_at = naru_clock_now() + PATIENCE; }

/* Why packets were dropped, for who reads of a failure. */
static void print_drops(const char *who, const struct naru_stack *stack)
{
    for (int reason = 1; reason < NARU_DROP_COUNT; reason++) {
        uint64_t count = naru_stack_drops(stack, (enum naru_drop)reason);
        if (count > 0)
            print_message("%s dropped %llu: %s\n", who, (unsigned long long)count,
                          naru_drop_text((enum naru_drop)reason));
    }
}

void lab_turn(struct gate_lab *lab)
{
    assert_int_equal(naru_loop_turn(lab->loop, naru_clock_now() + NARU_MS(20)), 0);
    if (naru_clock_now() <= lab->give_up_at)
        return;
    print_drops("guest", lab->guest);
    print_drops("gateway", naru_gate_stack(lab->gate));
    fail_msg("nothing happened for a long time");
}

void lab_poll(struct gate_lab *lab) { assert_int_equal(naru_loop_turn(lab->loop, 0), 0); }

void lab_run_for(struct gate_lab *lab, naru_time time)
{
    naru_time end = naru_clock_now() + time;

    while (naru_clock_now() < end)
        assert_int_equal(naru_loop_turn(lab->loop, end), 0);
}

struct naru_gate_stats lab_stats(const struct gate_lab *lab)
{
    struct naru_gate_stats stats;
    naru_gate_get_stats(lab->gate, &stats);
    return stats;
}

/* ---- The guest's sockets ---- */

static naru_time now_of(const struct gate_lab *lab) { return naru_loop_now(lab->loop); }

struct naru_sock *guest_socket(struct gate_lab *lab, int family, enum naru_sock_type type)
{
    struct naru_sock *sock;
    assert_int_equal(naru_sock_new(lab->guest, family == 4 ? NARU_IPV4 : NARU_IPV6, type, &sock),
                     NARU_OK);
    return sock;
}

enum naru_err guest_connect(struct gate_lab *lab, struct naru_sock *sock,
                            const struct naru_endpoint *to)
{
    enum naru_err err = naru_sock_connect(sock, to, now_of(lab));
    int64_t error = 0;

    lab_patience(lab);
    if (err != NARU_ERR_INPROGRESS)
        return err;
    while ((naru_sock_ready(sock) & (NARU_READY_WRITE | NARU_READY_ERROR | NARU_READY_HANGUP)) == 0)
        lab_turn(lab);
    assert_int_equal(naru_sock_get(sock, NARU_OPT_ERROR, &error), NARU_OK);
    return (enum naru_err)error;
}

struct naru_sock *guest_connected(struct gate_lab *lab, const struct naru_endpoint *to)
{
    bool v4 = to->addr.b[0] == 0;
    struct naru_sock *sock = guest_socket(lab, v4 ? 4 : 6, NARU_SOCK_STREAM);
    enum naru_err err = guest_connect(lab, sock, to);

    if (err != NARU_OK)
        fail_msg("connect: %s", naru_err_text(err));
    return sock;
}

void guest_send(struct gate_lab *lab, struct naru_sock *sock, const void *data, size_t len)
{
    const uint8_t *at = data;

    lab_patience(lab);
    while (len > 0) {
        struct naru_slice slice = { .at = at, .len = len };
        int64_t sent = naru_sock_send(sock, &slice, 1, 0, NULL, now_of(lab));
        if (sent == NARU_ERR_AGAIN) {
            lab_turn(lab);
            continue;
        }
        if (sent <= 0)
            fail_msg("send: %s", naru_err_text((int)sent));
        at += sent;
        len -= (size_t)sent;
        lab_patience(lab);
    }
}

int64_t guest_recv(struct gate_lab *lab, struct naru_sock *sock, void *data, size_t len)
{
    return guest_recv_from(lab, sock, data, len, NULL);
}

void guest_recv_all(struct gate_lab *lab, struct naru_sock *sock, void *data, size_t len)
{
    uint8_t *at = data;

    while (len > 0) {
        int64_t got = guest_recv(lab, sock, at, len);
        if (got <= 0)
            fail_msg("recv: %s", got == 0 ? "the end" : naru_err_text((int)got));
        at += got;
        len -= (size_t)got;
    }
}

int64_t guest_recv_from(struct gate_lab *lab, struct naru_sock *sock, void *data, size_t len,
                        struct naru_endpoint *from)
{
    struct naru_room room = { .at = data, .len = len };
    struct naru_msg_info info;
    int64_t got;

    lab_patience(lab);
    while ((got = naru_sock_recv(sock, &room, 1, 0, from == NULL ? NULL : &info, now_of(lab))) ==
           NARU_ERR_AGAIN)
        lab_turn(lab);
    if (from != NULL && got >= 0)
        *from = info.from;
    return got;
}

void guest_shutdown(struct gate_lab *lab, struct naru_sock *sock)
{
    assert_int_equal(naru_sock_shutdown(sock, NARU_SHUTDOWN_WRITE, now_of(lab)), NARU_OK);
}

void guest_close(struct gate_lab *lab, struct naru_sock *sock)
{
    naru_sock_close(sock, now_of(lab));
}

void guest_send_to(struct gate_lab *lab, struct naru_sock *sock, const struct naru_endpoint *to,
                   const void *data, size_t len)
{
    struct naru_slice slice = { .at = data, .len = len };
    struct naru_msg_info info = { .to = *to };
    int64_t sent;

    lab_patience(lab);
    while ((sent = naru_sock_send(sock, &slice, 1, 0, &info, now_of(lab))) == NARU_ERR_NOBUFS)
        lab_turn(lab);
    if (sent != (int64_t)len)
        fail_msg("send: %s", naru_err_text((int)sent));
}

/* ---- The host's servers ---- */

/* A thread cannot fail a test: it ends the program. */
static void must(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    abort();
}

int host_bound(int family, int type, uint16_t *port)
{
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct sockaddr_storage name;
    socklen_t name_len = sizeof(name);
    int fd = socket(family == 4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0);

    must(fd >= 0, "socket");
    must(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ 1 << 20 }, sizeof(int)) == 0, "buffer");
    if (family == 4)
        must(bind(fd, (struct sockaddr *)&four, sizeof(four)) == 0, "bind");
    else
        must(bind(fd, (struct sockaddr *)&six, sizeof(six)) == 0, "bind");
    if (type == SOCK_STREAM)
        must(listen(fd, 512) == 0, "listen");
    must(getsockname(fd, (struct sockaddr *)&name, &name_len) == 0, "getsockname");
    memcpy(&six, &name, sizeof(six)); /* the port is at the same place in both */
    *port = ntohs(six.sin6_port);
    return fd;
}

int host_accept(int fd)
{
    int connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    must(connection >= 0, "accept");
    return connection;
}

void host_write_all(int fd, const void *data, size_t len)
{
    const uint8_t *at = data;

    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        must(n > 0, "send");
        at += n;
        len -= (size_t)n;
    }
}

void host_read_all(int fd, void *data, size_t len)
{
    uint8_t *at = data;

    while (len > 0) {
        ssize_t n = recv(fd, at, len, 0);
        must(n > 0, "recv");
        at += n;
        len -= (size_t)n;
    }
}

pthread_t host_start(void *(*run)(void *), void *arg)
{
    pthread_t thread;
    must(pthread_create(&thread, NULL, run, arg) == 0, "pthread_create");
    return thread;
}

void *lab_join(struct gate_lab *lab, pthread_t thread)
{
    void *result = NULL;

    lab_patience(lab);
    while (pthread_tryjoin_np(thread, &result) == EBUSY)
        lab_turn(lab);
    return result;
}

/* ---- Namespaces ---- */

#define SKIPPED 77

static bool shell(const char *command)
{
    int status = system(command);
    return status != -1 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* A cmocka group of its own, so that its checks end the child and not the parent. */
static int alone(const char *command, CMUnitTestFunction run)
{
    const struct CMUnitTest tests[] = { { "in a namespace", run, NULL, NULL, NULL } };

    if (unshare(CLONE_NEWNET) < 0 || !shell("ip link set lo up") || !shell(command))
        return SKIPPED;
    return cmocka_run_group_tests_name("in a namespace", tests, NULL, NULL);
}

/* What the child printed, as comments: its cases are not the parent's. */
static void print_comments(FILE *output)
{
    char line[512];

    rewind(output);
    while (fgets(line, sizeof(line), output) != NULL)
        print_message("# %s", line);
}

void lab_in_namespace(const char *command, CMUnitTestFunction run)
{
    FILE *output = tmpfile();
    int status;

    assert_non_null(output);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(fileno(output), STDOUT_FILENO);
        dup2(fileno(output), STDERR_FILENO);
        status = alone(command, run);
        fflush(NULL);
        _exit(status);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    bool skipped = WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED;
    bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!good && !skipped)
        print_comments(output);
    fclose(output);
    if (skipped) {
        print_message("no network namespace can be made here: needs root and iproute2\n");
        skip();
    }
    assert_true(good);
}

/* ---- Patterns ---- */

uint8_t pattern_at(uint64_t place)
{
    return (uint8_t)(place ^ place >> 8 ^ place >> 16 ^ place >> 24 ^ 0x5a);
}

void pattern_fill(uint8_t *data, size_t len, uint64_t place)
{
    for (size_t i = 0; i < len; i++)
        data[i] = pattern_at(place + i);
}

size_t pattern_check(const uint8_t *data, size_t len, uint64_t place)
{
    for (size_t i = 0; i < len; i++) {
        if (data[i] != pattern_at(place + i))
            return i;
    }
    return len;
}
