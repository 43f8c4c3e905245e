/*
 * naru-packetdrill.so: socket options, as Linux has them; see drill.h.
 *
 * TCP_INFO is filled with zeros up to the length that was asked for: drivers ask for more than old
 * headers have.
 */
#include "pkt/drill.h"

#include "host/errno.h"
#include "host/tcpinfo.h"
#include "pkt/option_rows.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>

static int put(void *value, socklen_t *len, const void *from, size_t size)
{
    *len = (socklen_t)NARU_MIN((size_t)*len, size);
    memcpy(value, from, *len);
    return 0;
}

static int put_int(void *value, socklen_t *len, int64_t number)
{
    int n = (int)number;
    return put(value, len, &n, sizeof(n));
}

/* ---- getsockopt ---- */

static int get_info(const struct drill_fd *f, void *value, socklen_t *len)
{
    struct naru_tcp_info info = { 0 };
    struct tcp_info out;
    enum naru_err err = naru_sock_tcp_info(f->sock, &info, drill.now);
    if (err != NARU_OK)
        return (int)drill_result(err);
    naru_tcpinfo_linux(&info, drill.now, &out);
    memset(value, 0, *len);
    memcpy(value, &out, NARU_MIN((size_t)*len, sizeof(out)));
    return 0;
}

static int get_tcp(const struct drill_fd *f, int name, void *value, socklen_t *len)
{
    int64_t number = 0;
    switch (name) {
    case TCP_INFO:
        return get_info(f, value, len);
    case TCP_CC_INFO:
        *len = 0;
        return 0;
    case TCP_CONGESTION: {
        (void)naru_sock_get(f->sock, NARU_OPT_CONGESTION, &number);
        const char *text = number == NARU_CONGESTION_RENO ? "reno" : "cubic";
        return put(value, len, text, strlen(text) + 1);
    }
    default:
        return 1;
    }
}

static int get_socket(const struct drill_fd *f, int name, void *value, socklen_t *len)
{
    int64_t number = 0;
    switch (name) {
    case SO_ERROR:
        (void)naru_sock_get(f->sock, NARU_OPT_ERROR, &number);
        return put_int(value, len, naru_errno(number));
    case SO_TYPE:
        return put_int(value, len, f->dgram ? SOCK_DGRAM : SOCK_STREAM);
    case SO_ACCEPTCONN:
        return put_int(value, len, f->listener);
    case SO_MEMINFO:
        memset(value, 0, *len);
        return 0;
    case SO_LINGER: {
        (void)naru_sock_get(f->sock, NARU_OPT_LINGER_MS, &number);
        struct linger linger = { number >= 0, number >= 0 ? (int)(number / 1000) : 0 };
        return put(value, len, &linger, sizeof(linger));
    }
    default:
        return 1;
    }
}

static int get_control(const struct drill_fd *f, int level, int name, void *value, socklen_t *len)
{
    int number;
    return drill_control_get(f, level, name, &number) ? put_int(value, len, number) : 1;
}

static int get_row(const struct drill_fd *f, int level, int name, void *value, socklen_t *len)
{
    const struct naru_pkt_option *row = naru_pkt_option_find(level, name);
    int64_t number = 0;
    if (row == NULL || row->unit == NARU_PKT_IGNORED)
        return drill_fail(ENOPROTOOPT);
    enum naru_err err = naru_sock_get(f->sock, row->opt, &number);
    if (err != NARU_OK)
        return (int)drill_result(err);
    if (row->unit == NARU_PKT_SECONDS && number > 0)
        number /= 1000;
    if (row->unit == NARU_PKT_BUFFER && !drill.freebsd) {
        int64_t told = f->buffer_told[row->opt == NARU_OPT_SNDBUF];
        number = told != 0 ? told : number * 2;
    }
    return put_int(value, len, number);
}

int drill_getsockopt(void *user, int fd, int level, int name, void *value, socklen_t *len)
{
    (void)user;
    int result = 1;
    drill_lock();
    const struct drill_fd *f = drill_find(fd);
    if (f == NULL || f->sock == NULL)
        result = drill_fail(f == NULL ? EBADF : ENOTSOCK);
    else if (value == NULL || len == NULL)
        result = drill_fail(EFAULT);
    else if (level == IPPROTO_TCP)
        result = get_tcp(f, name, value, len);
    else if (level == SOL_SOCKET)
        result = get_socket(f, name, value, len);
    if (result == 1)
        result = get_control(f, level, name, value, len);
    if (result == 1)
        result = get_row(f, level, name, value, len);
    drill_unlock();
    return result;
}

/* ---- setsockopt ---- */

static enum naru_err set_linger(struct drill_fd *f, const void *value, socklen_t len)
{
    struct linger linger;
    if (len < sizeof(linger))
        return NARU_ERR_INVAL;
    memcpy(&linger, value, sizeof(linger));
    return naru_sock_set(f->sock, NARU_OPT_LINGER_MS,
                         linger.l_onoff ? (int64_t)linger.l_linger * 1000 : -1, drill.now);
}

static enum naru_err set_congestion(struct drill_fd *f, const char *name, socklen_t len)
{
    bool cubic = len >= 5 && strncmp(name, "cubic", 5) == 0;
    bool reno = len >= 4 && strncmp(name, "reno", 4) == 0;
    if (!cubic && !reno)
        return NARU_ERR_NOENT;
    return naru_sock_set(f->sock, NARU_OPT_CONGESTION,
                         cubic ? NARU_CONGESTION_CUBIC : NARU_CONGESTION_RENO, drill.now);
}

static enum naru_err set_row(struct drill_fd *f, const struct naru_pkt_option *row, int64_t value)
{
    if (row->unit == NARU_PKT_IGNORED)
        return NARU_OK;
    if (row->unit == NARU_PKT_SECONDS && value > 0)
        value *= 1000;
    if (row->unit == NARU_PKT_BUFFER && !drill.freebsd) {
        f->buffer_told[row->opt == NARU_OPT_SNDBUF] = value * 2;
        value += value / 3; /* of twice the value, what Linux's bookkeeping leaves for payload */
    }
    if (row->opt == NARU_OPT_MTU_DISCOVER && value > 2)
        value = 2;
    return naru_sock_set(f->sock, row->opt, value, drill.now);
}

static int set(struct drill_fd *f, int level, int name, const void *value, socklen_t len)
{
    int number = 0, result;
    if (level == SOL_SOCKET && name == SO_LINGER)
        return (int)drill_result(set_linger(f, value, len));
    if (level == IPPROTO_TCP && name == TCP_CONGESTION)
        return (int)drill_result(set_congestion(f, value, len));
    const struct naru_pkt_option *row = naru_pkt_option_find(level, name);
    memcpy(&number, value, NARU_MIN((size_t)len, sizeof(number)));
    if (len >= sizeof(number) && drill_control_set(f, level, name, number, &result))
        return result;
    if (row == NULL)
        return drill_fail(ENOPROTOOPT);
    if (len < sizeof(number) && row->unit != NARU_PKT_IGNORED)
        return drill_fail(EINVAL);
    return (int)drill_result(set_row(f, row, number));
}

int drill_setsockopt(void *user, int fd, int level, int name, const void *value, socklen_t len)
{
    (void)user;
    int result;
    drill_lock();
    struct drill_fd *f = drill_find(fd);
    if (f == NULL || f->sock == NULL)
        result = drill_fail(f == NULL ? EBADF : ENOTSOCK);
    else if (value == NULL)
        result = drill_fail(EFAULT);
    else
        result = set(f, level, name, value, len);
    drill_settle();
    drill_unlock();
    return result;
}
