/*
 * System calls of a script about options: setsockopt, getsockopt, ioctl, fcntl.
 *
 * Values are as Linux has them: buffer sizes read back doubled, some options in seconds.  With
 * profile freebsd buffer sizes read back as they are.
 */
#include "host/errno.h"
#include "pkt/option_rows.h"
#include "pkt/play.h"
#include "pkt/symbols.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/net_tstamp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

/* ---- setsockopt ---- */

static enum naru_err set_linger(struct naru_play *p, struct naru_play_fd *f,
                                const struct naru_script_expr *e)
{
    const struct naru_script_expr *on = naru_expr_member(e, "onoff");
    const struct naru_script_expr *seconds = naru_expr_member(e, "linger");
    int64_t ms = on != NULL && on->value != 0 && seconds != NULL ? seconds->value * 1000 : -1;
    return naru_sock_set(f->sock, NARU_OPT_LINGER_MS, ms, p->now);
}

static struct naru_outcome set_congestion(struct naru_play *p, struct naru_play_fd *f,
                                          const struct naru_script_expr *e)
{
    int64_t value = -1;
    if (e != NULL && e->kind == NARU_SCRIPT_STRING && strcmp(e->text, "cubic") == 0)
        value = NARU_CONGESTION_CUBIC;
    else if (e != NULL && e->kind == NARU_SCRIPT_STRING && strcmp(e->text, "reno") == 0)
        value = NARU_CONGESTION_RENO;
    if (value < 0)
        return naru_outcome_error(ENOENT);
    return naru_outcome_of(naru_sock_set(f->sock, NARU_OPT_CONGESTION, value, p->now));
}

/* What changes nothing here can be read back all the same. */
static void keep(struct naru_play_fd *f, const struct naru_pkt_option *row, int64_t value)
{
    unsigned i = 0;
    while (i < NARU_PLAY_KEPT - 1 && f->kept[i].row != NULL && f->kept[i].row != row)
        i++;
    f->kept[i].row = row;
    f->kept[i].value = value;
}

static int64_t kept(const struct naru_play_fd *f, const struct naru_pkt_option *row)
{
    for (unsigned i = 0; i < NARU_PLAY_KEPT; i++)
        if (f->kept[i].row == row)
            return f->kept[i].value;
    return 0;
}

static enum naru_err set_row(struct naru_play *p, struct naru_play_fd *f,
                             const struct naru_pkt_option *row, int64_t value)
{
    if (row->unit == NARU_PKT_IGNORED) {
        keep(f, row, value);
        return NARU_OK;
    }
    if (row->unit == NARU_PKT_SECONDS && value > 0)
        value *= 1000;
    if (row->unit == NARU_PKT_BUFFER && p->profile == NARU_PLAY_LINUX) {
        f->buffer_told[row->opt == NARU_OPT_SNDBUF] = value * 2;
        value += value / 3; /* of twice the value, what Linux's bookkeeping leaves for payload */
    }
    if (row->opt == NARU_OPT_MTU_DISCOVER && value > 2)
        value = 2;
    return naru_sock_set(f->sock, row->opt, value, p->now);
}

/* Its bytes as text: each stands for itself. */
static struct naru_outcome set_fastopen_key(struct naru_play_fd *f,
                                            const struct naru_script_expr *e)
{
    if (e == NULL || e->kind != NARU_SCRIPT_STRING)
        return naru_outcome_error(EINVAL);
    return naru_outcome_of(
        naru_sock_set_fastopen_key(f->sock, (const uint8_t *)e->text, strlen(e->text)));
}

static struct naru_outcome set_zerocopy(struct naru_play_fd *f, int64_t value)
{
    if (value != 0 && value != 1)
        return naru_outcome_error(EINVAL);
    f->notices.zerocopy = value != 0;
    return (struct naru_outcome){ 0 };
}

/* Keys of bytes need a connection to count in. */
static struct naru_outcome set_stamping(struct naru_play *p, struct naru_play_fd *f, int64_t value)
{
    struct naru_tcp_info info = { 0 };
    if (value < 0 || value > SOF_TIMESTAMPING_MASK)
        return naru_outcome_error(EINVAL);
    if (!f->dgram && (value & SOF_TIMESTAMPING_OPT_ID) &&
        (f->listener || naru_sock_tcp_info(f->sock, &info, p->now) != NARU_OK ||
         info.state == NARU_TCP_CLOSED))
        return naru_outcome_error(EINVAL);
    naru_notices_set_stamping(&f->notices, f->sock, (uint32_t)value);
    return (struct naru_outcome){ 0 };
}

static struct naru_outcome set_inq(struct naru_play_fd *f, int64_t value)
{
    if (value != 0 && value != 1)
        return naru_outcome_error(EINVAL);
    f->inq = value != 0;
    return (struct naru_outcome){ 0 };
}

/* Options that only some systems have; false: no such. */
static bool set_special(struct naru_play *p, struct naru_play_fd *f, int64_t level, int64_t name,
                        const struct naru_script_call *call, struct naru_outcome *outcome)
{
    const struct naru_script_expr *e = naru_call_arg(call, 3);
    if (level == SOL_SOCKET && name == SO_LINGER) {
        if (e != NULL && e->kind == NARU_SCRIPT_LIST)
            e = e->first;
        *outcome = naru_outcome_of(set_linger(p, f, e));
    } else if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
        *outcome = set_congestion(p, f, e);
    } else if (level == IPPROTO_TCP && name == TCP_FASTOPEN_KEY) {
        *outcome = set_fastopen_key(f, e);
    } else if (level == SOL_SOCKET && name == SO_ZEROCOPY) {
        *outcome = set_zerocopy(f, naru_call_int(p, call, 3, 0));
    } else if (level == SOL_SOCKET && name == SO_TIMESTAMPING) {
        *outcome = set_stamping(p, f, naru_call_int(p, call, 3, 0));
    } else if (level == IPPROTO_TCP && name == TCP_INQ) {
        *outcome = set_inq(f, naru_call_int(p, call, 3, 0));
    } else if (level == IPPROTO_TCP && name == NARU_FREEBSD_KEEPINIT) {
        int64_t ms = naru_call_int(p, call, 3, 75) * 1000;
        *outcome = naru_outcome_of(naru_sock_set(f->sock, NARU_OPT_USER_TIMEOUT_MS, ms, p->now));
    } else {
        return false;
    }
    return true;
}

struct naru_outcome naru_call_setsockopt(struct naru_play *p, const struct naru_script_call *call)
{
    struct naru_play_fd *f = naru_play_fd(p, naru_call_int(p, call, 0, -1));
    int64_t level = naru_call_int(p, call, 1, -1), name = naru_call_int(p, call, 2, -1);
    struct naru_outcome outcome;
    if (f == NULL || f->sock == NULL)
        return naru_outcome_error(EBADF);
    if (set_special(p, f, level, name, call, &outcome))
        return outcome;
    const struct naru_pkt_option *row = naru_pkt_option_find(level, name);
    if (row == NULL)
        return naru_outcome_error(ENOPROTOOPT);
    return naru_outcome_of(set_row(p, f, row, naru_call_int(p, call, 3, 0)));
}

/* ---- getsockopt ---- */

static struct naru_outcome check_value(struct naru_play *p, const struct naru_script_call *call,
                                       const char *what, unsigned arg, int64_t got)
{
    int64_t want = naru_call_int(p, call, arg, got);
    if (want != got && !naru_play_ended(p))
        naru_play_fail(p, "wanted %s to give [%lld], got [%lld], at %.6f", what, (long long)want,
                       (long long)got, (double)naru_play_time(p->now) / 1e9);
    return (struct naru_outcome){ 0 };
}

static struct naru_outcome get_linger(struct naru_play *p, struct naru_play_fd *f,
                                      const struct naru_script_expr *e)
{
    int64_t ms = -1;
    const struct naru_script_expr *on = naru_expr_member(e, "onoff");
    const struct naru_script_expr *seconds = naru_expr_member(e, "linger");
    (void)naru_sock_get(f->sock, NARU_OPT_LINGER_MS, &ms);
    if ((on != NULL && (on->value != 0) != (ms >= 0)) ||
        (seconds != NULL && ms >= 0 && seconds->value != ms / 1000))
        naru_play_fail(p, "SO_LINGER is %lld ms", (long long)ms);
    return (struct naru_outcome){ 0 };
}

static struct naru_outcome get_congestion(struct naru_play *p, struct naru_play_fd *f,
                                          const struct naru_script_expr *e)
{
    int64_t value = 0;
    (void)naru_sock_get(f->sock, NARU_OPT_CONGESTION, &value);
    const char *name = value == NARU_CONGESTION_RENO ? "reno" : "cubic";
    if (e != NULL && e->kind == NARU_SCRIPT_STRING && strcmp(e->text, name) != 0)
        naru_play_fail(p, "wanted TCP_CONGESTION \"%s\", got \"%s\"", e->text, name);
    return (struct naru_outcome){ 0 };
}

static struct naru_outcome get_error(struct naru_play *p, struct naru_play_fd *f,
                                     const struct naru_script_call *call)
{
    int64_t err = 0;
    char want_text[16], got_text[16];
    (void)naru_sock_get(f->sock, NARU_OPT_ERROR, &err);
    int got = naru_errno(err);
    int64_t want = naru_call_int(p, call, 3, got);
    if (want != got && !naru_play_ended(p))
        naru_play_fail(p, "wanted SO_ERROR %s, got %s, at %.6f",
                       naru_symbol_errno((int)want, want_text), naru_symbol_errno(got, got_text),
                       (double)naru_play_time(p->now) / 1e9);
    return (struct naru_outcome){ 0 };
}

static bool get_special(struct naru_play *p, struct naru_play_fd *f, int64_t level, int64_t name,
                        const struct naru_script_call *call, struct naru_outcome *outcome)
{
    const struct naru_script_expr *e = naru_call_arg(call, 3);
    if (level == SOL_SOCKET && name == SO_LINGER)
        *outcome = get_linger(p, f, e != NULL && e->kind == NARU_SCRIPT_LIST ? e->first : e);
    else if (level == SOL_SOCKET && name == SO_ERROR)
        *outcome = get_error(p, f, call);
    else if (level == SOL_SOCKET && name == SO_TYPE)
        *outcome = check_value(p, call, "SO_TYPE", 3, f->dgram ? SOCK_DGRAM : SOCK_STREAM);
    else if (level == SOL_SOCKET && name == SO_DOMAIN)
        *outcome = check_value(p, call, "SO_DOMAIN", 3, f->v6 ? AF_INET6 : AF_INET);
    else if (level == SOL_SOCKET && name == SO_PROTOCOL)
        *outcome = check_value(p, call, "SO_PROTOCOL", 3, f->dgram ? IPPROTO_UDP : IPPROTO_TCP);
    else if (level == SOL_SOCKET && name == SO_ACCEPTCONN)
        *outcome = check_value(p, call, "SO_ACCEPTCONN", 3, f->listener);
    else if (level == IPPROTO_TCP && name == TCP_CONGESTION)
        *outcome = get_congestion(p, f, e);
    else if (level == SOL_SOCKET && name == SO_ZEROCOPY)
        *outcome = check_value(p, call, "SO_ZEROCOPY", 3, f->notices.zerocopy);
    else if (level == SOL_SOCKET && name == SO_TIMESTAMPING)
        *outcome = check_value(p, call, "SO_TIMESTAMPING", 3, f->notices.stamping);
    else if (level == IPPROTO_TCP && name == TCP_INQ)
        *outcome = check_value(p, call, "TCP_INQ", 3, f->inq);
    else
        return false;
    return true;
}

struct naru_outcome naru_call_getsockopt(struct naru_play *p, const struct naru_script_call *call)
{
    struct naru_play_fd *f = naru_play_fd(p, naru_call_int(p, call, 0, -1));
    int64_t level = naru_call_int(p, call, 1, -1), name = naru_call_int(p, call, 2, -1), value;
    struct naru_outcome outcome;
    if (f == NULL || f->sock == NULL)
        return naru_outcome_error(EBADF);
    if (get_special(p, f, level, name, call, &outcome))
        return outcome;
    const struct naru_pkt_option *row = naru_pkt_option_find(level, name);
    if (row == NULL)
        return naru_outcome_error(ENOPROTOOPT);
    if (row->unit == NARU_PKT_IGNORED)
        return check_value(p, call, "the option", 3, kept(f, row));
    enum naru_err err = naru_sock_get(f->sock, row->opt, &value);
    if (err != NARU_OK)
        return naru_outcome_of(err);
    if (row->unit == NARU_PKT_SECONDS && value > 0)
        value /= 1000;
    if (row->unit == NARU_PKT_BUFFER && p->profile == NARU_PLAY_LINUX) {
        int64_t told = f->buffer_told[row->opt == NARU_OPT_SNDBUF];
        value = told != 0 ? told : value * 2;
    }
    return check_value(p, call, "the option", 3, value);
}

/* ---- ioctl, fcntl ---- */

struct naru_outcome naru_call_ioctl(struct naru_play *p, const struct naru_script_call *call)
{
    struct naru_play_fd *f = naru_play_fd(p, naru_call_int(p, call, 0, -1));
    int64_t request = naru_call_int(p, call, 1, 0), value = 0;
    enum naru_err err = NARU_OK;
    if (f == NULL || f->sock == NULL)
        return naru_outcome_error(EBADF);
    if (!naru_pkt_ioctl(f->sock, request, p->now, &value, &err))
        return naru_outcome_error(ENOTTY);
    return err != NARU_OK ? naru_outcome_of(err) : check_value(p, call, "ioctl", 2, value);
}

struct naru_outcome naru_call_fcntl(struct naru_play *p, const struct naru_script_call *call)
{
    struct naru_play_fd *f = naru_play_fd(p, naru_call_int(p, call, 0, -1));
    int64_t command = naru_call_int(p, call, 1, -1);
    if (f == NULL)
        return naru_outcome_error(EBADF);
    if (command == F_GETFL)
        return (struct naru_outcome){ .value = O_RDWR | (f->nonblock ? O_NONBLOCK : 0) };
    if (command == F_SETFL)
        f->nonblock = (naru_call_int(p, call, 2, 0) & O_NONBLOCK) != 0;
    else if (command != F_GETFD && command != F_SETFD)
        return naru_outcome_error(EINVAL);
    return (struct naru_outcome){ 0 };
}
