/*
 * What recvmsg gives beside data: ancillary data, and the error queue of a stream (notice.h).
 *
 * Not done: ancillary data of sendmsg, of datagrams, and time stamps of what is received.
 */
#include "pkt/play.h"

#include <errno.h>
#include <time.h>

#include <linux/errqueue.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum { CONTROLS_MAX = 2 };

/* One piece: a number, a time, or a struct sock_extended_err. */
struct control {
    int level, type;
    const char *what;
    enum { NUMBER, TIME, ERROR } kind;
    int64_t number;
    naru_time time;
    struct sock_extended_err err;
};

struct controls {
    struct naru_play *p;
    unsigned count;
    struct control at[CONTROLS_MAX];
};

static struct control *add(struct controls *c, int level, int type, const char *what)
{
    struct control *one = &c->at[c->count++];
    *one = (struct control){ .level = level, .type = type, .what = what };
    return one;
}

/* ---- Comparing ---- */

static void differ(struct naru_play *p, const char *what, const char *member, int64_t want,
                   int64_t got)
{
    if (want == got || naru_play_ended(p))
        return;
    naru_play_fail(p, "wanted %s%s%s %lld, got %lld, at %.6f", what, member[0] != '\0' ? " " : "",
                   member, (long long)want, (long long)got, (double)naru_play_time(p->now) / 1e9);
}

/* A member that is not there, or "...", is not compared. */
static void check_member(struct naru_play *p, const struct control *got,
                         const struct naru_script_expr *want, const char *member, int64_t value)
{
    const struct naru_script_expr *e = naru_expr_member(want, member);
    if (e != NULL && e->kind == NARU_SCRIPT_WORD)
        naru_play_skip(p, "unknown symbol %s", e->text);
    else if (e != NULL && e->kind == NARU_SCRIPT_INT)
        differ(p, got->what, member, e->value, value);
}

static void check_time(struct naru_play *p, const struct control *got,
                       const struct naru_script_expr *want)
{
    const struct naru_script_expr *s = naru_expr_member(want, "scm_sec");
    const struct naru_script_expr *ns = naru_expr_member(want, "scm_nsec");
    if (s == NULL || ns == NULL || s->kind != NARU_SCRIPT_INT || ns->kind != NARU_SCRIPT_INT)
        return;
    naru_time at = naru_play_time(got->time), wanted = NARU_SEC(s->value) + ns->value;
    if (at < wanted - p->options.tolerance || at > wanted + p->options.tolerance)
        naru_play_fail(p, "wanted %s %.6f, got %.6f, at %.6f", got->what, (double)wanted / 1e9,
                       (double)at / 1e9, (double)naru_play_time(p->now) / 1e9);
}

static void check_one(struct naru_play *p, const struct naru_script_expr *want,
                      const struct control *got)
{
    const struct naru_script_expr *data = naru_expr_member(want, "cmsg_data");
    check_member(p, got, want, "cmsg_level", got->level);
    check_member(p, got, want, "cmsg_type", got->type);
    if (naru_play_ended(p))
        return;
    switch (got->kind) {
    case NUMBER:
        check_member(p, got, want, "cmsg_data", got->number);
        break;
    case TIME:
        check_time(p, got, data);
        break;
    case ERROR:
        check_member(p, got, data, "ee_errno", got->err.ee_errno);
        check_member(p, got, data, "ee_origin", got->err.ee_origin);
        check_member(p, got, data, "ee_type", got->err.ee_type);
        check_member(p, got, data, "ee_code", got->err.ee_code);
        check_member(p, got, data, "ee_info", got->err.ee_info);
        check_member(p, got, data, "ee_data", got->err.ee_data);
        break;
    }
}

/* What came of recvmsg, beside the script's msghdr. */
static void check(struct controls *c, const struct naru_script_expr *msg, int64_t flags)
{
    const struct naru_script_expr *list = naru_expr_member(msg, "msg_control");
    const struct naru_script_expr *wanted_flags = naru_expr_member(msg, "msg_flags");
    unsigned count = 0;
    if (wanted_flags != NULL && wanted_flags->kind == NARU_SCRIPT_INT)
        differ(c->p, "msg_flags", "", wanted_flags->value, flags);
    if (list == NULL || list->kind != NARU_SCRIPT_LIST)
        return;
    for (const struct naru_script_expr *e = list->first; e != NULL; e = e->next, count++)
        if (count < c->count)
            check_one(c->p, e, &c->at[count]);
    differ(c->p, "pieces of msg_control:", "", count, c->count);
}

/* ---- Making ---- */

static void add_error(struct controls *c, const struct naru_play_fd *f,
                      const struct naru_notice *notice)
{
    struct control *one = f->v6 ? add(c, IPPROTO_IPV6, IPV6_RECVERR, "IPV6_RECVERR")
                                : add(c, IPPROTO_IP, IP_RECVERR, "IP_RECVERR");
    one->kind = ERROR;
    one->err.ee_info = notice->info;
    one->err.ee_data = notice->data;
    if (notice->stamped) {
        one->err.ee_errno = ENOMSG;
        one->err.ee_origin = SO_EE_ORIGIN_TIMESTAMPING;
    } else {
        one->err.ee_origin = SO_EE_ORIGIN_ZEROCOPY;
        one->err.ee_code = SO_EE_CODE_ZEROCOPY_COPIED;
    }
}

struct naru_outcome naru_control_errqueue(struct naru_play *p, struct naru_play_fd *f,
                                          const struct naru_script_expr *msg)
{
    struct controls c = { .p = p };
    struct naru_notice notice;
    if (!naru_notices_take(&f->notices, &notice))
        return naru_outcome_error(EAGAIN);
    if (notice.stamped) {
        struct control *one = add(&c, SOL_SOCKET, SCM_TIMESTAMPING, "SCM_TIMESTAMPING");
        one->kind = TIME;
        one->time = notice.at;
    }
    add_error(&c, f, &notice);
    check(&c, msg, MSG_ERRQUEUE | (notice.truncated ? MSG_TRUNC : 0));
    return (struct naru_outcome){ 0 };
}

void naru_control_recv(struct naru_play *p, const struct naru_play_fd *f,
                       const struct naru_script_expr *msg)
{
    struct controls c = { .p = p };
    if (f->dgram && naru_expr_member(msg, "msg_control") != NULL) {
        naru_play_skip(p, "ancillary data of datagrams");
        return;
    }
    if (f->inq) {
        struct control *one = add(&c, IPPROTO_TCP, TCP_INQ, "TCP_CM_INQ");
        one->kind = NUMBER;
        one->number = naru_notices_unread(f->sock, p->now);
    }
    check(&c, msg, 0);
}
