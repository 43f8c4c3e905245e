/*
 * The host's sockets as the gateway uses them (gate/host_sock.h), on loopback.
 */
#include "base_test.h"

#include "base/addr.h"
#include "gate/host_sock.h"
#include "host/sockaddr.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* A port of loopback where nobody listens: one that was just given back. */
static struct naru_endpoint nobody(int type)
{
    struct naru_endpoint e = { .addr = naru_addr_v4(0x7f000001) };
    struct sockaddr_storage sa;
    socklen_t len = naru_sockaddr_emit(&e, NARU_IPV4, &sa);
    int fd = socket(AF_INET, type, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    assert_int_equal(naru_sockaddr_parse_any(&sa, len, &e), NARU_OK);
    close(fd);
    return e;
}

static bool ready(int fd, short events)
{
    struct pollfd p = { .fd = fd, .events = events };
    return poll(&p, 1, 5000) == 1;
}

static void every_errno_has_its_answer(void **state)
{
    static const struct {
        int error;
        enum naru_answer answer;
    } rows[] = {
        { 0, NARU_ANSWER_ACCEPT },
        { ECONNREFUSED, NARU_ANSWER_REFUSE },
        { ECONNRESET, NARU_ANSWER_REFUSE },
        { ENETUNREACH, NARU_ANSWER_NET_UNREACHABLE },
        { EAFNOSUPPORT, NARU_ANSWER_NET_UNREACHABLE },
        { EADDRNOTAVAIL, NARU_ANSWER_NET_UNREACHABLE },
        { EHOSTUNREACH, NARU_ANSWER_HOST_UNREACHABLE },
        { ETIMEDOUT, NARU_ANSWER_HOST_UNREACHABLE },
        { EINVAL, NARU_ANSWER_HOST_UNREACHABLE },
        { EACCES, NARU_ANSWER_PROHIBITED },
        { EPERM, NARU_ANSWER_PROHIBITED },
        { EMFILE, NARU_ANSWER_IGNORE },
        { ENFILE, NARU_ANSWER_IGNORE },
        { ENOBUFS, NARU_ANSWER_IGNORE },
        { EAGAIN, NARU_ANSWER_IGNORE },
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (naru_host_sock_answer(rows[i].error) != rows[i].answer)
            fail_msg("%s", strerror(rows[i].error));
    }
}

static void a_refused_stream_says_so(void **state)
{
    struct naru_endpoint to = nobody(SOCK_STREAM);
    int fd = naru_host_sock_stream(NARU_IPV4);
    (void)state;
    assert_true(fd >= 0);
    int error = naru_host_sock_connect(fd, &to);
    if (error < 0) { /* loopback may refuse at once */
        assert_int_equal(error, -ECONNREFUSED);
        close(fd);
        return;
    }
    assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_true(ready(fd, POLLOUT));
    assert_int_equal(naru_host_sock_error(fd), ECONNREFUSED);
    assert_int_equal(naru_host_sock_error(fd), 0);
    close(fd);
}

static void reports_name_the_destination(void **state)
{
    struct naru_endpoint to = nobody(SOCK_DGRAM);
    struct naru_host_sock_report report;
    struct sockaddr_storage sa;
    socklen_t len = naru_sockaddr_emit(&to, NARU_IPV4, &sa);
    int fd = naru_host_sock_dgram(NARU_IPV4);
    (void)state;
    assert_true(fd >= 0);
    assert_false(naru_host_sock_next_report(fd, &report));
    assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&sa, len), 1);
    assert_true(ready(fd, 0));
    assert_true(naru_host_sock_next_report(fd, &report));
    assert_int_equal(report.error, ECONNREFUSED);
    assert_int_equal(report.to.port, to.port);
    assert_true(naru_addr_eq(&report.to.addr, &to.addr));
    assert_false(naru_host_sock_next_report(fd, &report));
    close(fd);
}

static void a_connected_one_fails_by_itself(void **state)
{
    struct naru_endpoint to = nobody(SOCK_DGRAM);
    int fd = naru_host_sock_dgram_to(&to);
    char byte;
    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(send(fd, "x", 1, 0), 1);
    assert_true(ready(fd, POLLIN));
    assert_true(recv(fd, &byte, 1, 0) < 0);
    assert_int_equal(errno, ECONNREFUSED);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_errno_has_its_answer),
        cmocka_unit_test(a_refused_stream_says_so),
        cmocka_unit_test(reports_name_the_destination),
        cmocka_unit_test(a_connected_one_fails_by_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
