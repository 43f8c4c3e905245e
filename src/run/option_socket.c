/*
 * Options of SOL_SOCKET that are more than a number.
 *
 * SO_RCVTIMEO, SO_SNDTIMEO, SO_RCVLOWAT and SO_OOBINLINE concern calls that run natively, so they
 * are set on the program's end of the pair as well.  SO_SNDBUF and SO_RCVBUF read back doubled and
 * not below Linux's minimum, because programs compare with what Linux tells; the stack counts
 * payload and gets the plain value.
 */
#include "run/option.h"

#include "run/dgram.h"
#include "run/memo.h"

#include <errno.h>
#include <string.h>
#include <sys/time.h>

#define SNDBUF_MIN 4608
#define RCVBUF_MIN 2304

int naru_option_get_error(struct naru_option *option)
{
    struct naru_object *object = option->object;
    int error = object->type == NARU_SOCK_STREAM
                    ? naru_object_take_error(object)
                    : naru_datagram_take_error(object, option->call->fd);
    return naru_option_put_int(option, error);
}

int naru_option_get_kind(struct naru_option *option)
{
    const struct naru_object *object = option->object;
    switch (option->name) {
    case SO_TYPE:
        return naru_option_put_int(option,
                                   object->type == NARU_SOCK_STREAM ? SOCK_STREAM : SOCK_DGRAM);
    case SO_DOMAIN:
        return naru_option_put_int(option, naru_object_domain(object));
    case SO_PROTOCOL:
        return naru_option_put_int(option, object->protocol);
    default: /* SO_ACCEPTCONN */
        return naru_option_put_int(option, object->phase == NARU_PHASE_LISTENING);
    }
}

int naru_option_set_linger(struct naru_option *option)
{
    struct linger linger;
    if (option->len < sizeof linger)
        return -EINVAL;
    memcpy(&linger, option->value, sizeof linger);
    int64_t ms = linger.l_onoff != 0 ? (int64_t)linger.l_linger * 1000 : -1;
    int error = naru_option_stack_set(option, NARU_OPT_LINGER_MS, ms);
    return error == -ENOPROTOOPT ? 0 : error; /* datagrams: no meaning, as in Linux */
}

int naru_option_get_linger(struct naru_option *option)
{
    int64_t ms = -1;
    if (option->object->sock != NULL)
        (void)naru_sock_get(option->object->sock, NARU_OPT_LINGER_MS, &ms);
    struct linger linger = { .l_onoff = ms >= 0, .l_linger = ms >= 0 ? (int)(ms / 1000) : 0 };
    naru_option_put(option, &linger, sizeof linger);
    return 0;
}

static naru_time *timeout_of(struct naru_option *option)
{
    bool receive = option->name == SO_RCVTIMEO || option->name == 66;
    return receive ? &option->object->recv_timeout : &option->object->send_timeout;
}

int naru_option_set_timeout(struct naru_option *option)
{
    struct timeval time;
    naru_time *timeout = timeout_of(option);
    if (option->len < sizeof time)
        return -EINVAL;
    memcpy(&time, option->value, sizeof time);
    if (time.tv_usec < 0 || time.tv_usec >= 1000000)
        return -EDOM;
    if (option->call->fd >= 0)
        setsockopt(option->call->fd, SOL_SOCKET, option->name, &time, sizeof time);
    *timeout = NARU_SEC(time.tv_sec) + NARU_US(time.tv_usec);
    if (*timeout == 0 || time.tv_sec > INT32_MAX)
        *timeout = NARU_NEVER;
    return 0;
}

int naru_option_get_timeout(struct naru_option *option)
{
    naru_time timeout = *timeout_of(option);
    struct timeval time = { .tv_sec = 0 };
    if (timeout != NARU_NEVER) {
        time.tv_sec = timeout / NARU_SEC(1);
        time.tv_usec = timeout % NARU_SEC(1) / NARU_US(1);
    }
    naru_option_put(option, &time, sizeof time);
    return 0;
}

int naru_option_set_buffer(struct naru_option *option)
{
    int value;
    bool send = option->row->opt == NARU_OPT_SNDBUF;
    int least = send ? SNDBUF_MIN : RCVBUF_MIN;
    int error = naru_option_int(option, &value);
    if (error < 0)
        return error;
    if (value < 0 || value > INT32_MAX / 2)
        value = INT32_MAX / 2;
    int64_t told = (int64_t)value * 2 < least ? least : (int64_t)value * 2;
    (void)naru_memo_set(option->object, SOL_SOCKET, send ? SO_SNDBUF : SO_RCVBUF, told);
    /* The stack has its own ideas of the smallest and largest; none of them is an error here. */
    (void)naru_option_stack_set(option, (enum naru_opt)option->row->opt, told / 2);
    return 0;
}

int naru_option_get_buffer(struct naru_option *option)
{
    int64_t told = naru_memo_get(option->object, SOL_SOCKET, option->name, -1);
    if (told < 0)
        told = naru_option_stack_get(option, (enum naru_opt)option->row->opt);
    return naru_option_put_int(option, (int)told);
}

int naru_option_set_oobinline(struct naru_option *option)
{
    int value;
    int error = naru_option_int(option, &value);
    if (error < 0)
        return error;
    value = value != 0;
    if (option->call->fd >= 0)
        setsockopt(option->call->fd, SOL_SOCKET, SO_OOBINLINE, &value, sizeof value);
    return naru_memo_set(option->object, SOL_SOCKET, SO_OOBINLINE, value) ? 0 : -ENOBUFS;
}

int naru_option_set_lowat(struct naru_option *option)
{
    int value;
    int error = naru_option_int(option, &value);
    if (error < 0)
        return error;
    if (option->call->fd >= 0)
        setsockopt(option->call->fd, SOL_SOCKET, SO_RCVLOWAT, &value, sizeof value);
    value = value < 0 ? INT32_MAX : value == 0 ? 1 : value;
    return naru_memo_set(option->object, SOL_SOCKET, SO_RCVLOWAT, value) ? 0 : -ENOBUFS;
}

int naru_option_set_device(struct naru_option *option)
{
    struct naru_iface_info info;
    char name[sizeof info.name] = "";
    struct naru_stack *stack = option->call->runner->stack;
    memcpy(name, option->value, option->len < sizeof name - 1 ? option->len : sizeof name - 1);
    if (name[0] == '\0')
        return naru_option_stack_set(option, NARU_OPT_BIND_IFACE, 0);
    for (unsigned i = 1; naru_iface_get(stack, i, &info) == NARU_OK; i++)
        if (strcmp(info.name, name) == 0)
            return naru_option_stack_set(option, NARU_OPT_BIND_IFACE, i);
    return -ENODEV;
}

int naru_option_get_device(struct naru_option *option)
{
    struct naru_iface_info info;
    int64_t ifindex = naru_option_stack_get(option, NARU_OPT_BIND_IFACE);
    if (ifindex == 0 ||
        naru_iface_get(option->call->runner->stack, (unsigned)ifindex, &info) != NARU_OK) {
        option->len = 0;
        return 0;
    }
    naru_option_put(option, info.name, strlen(info.name) + 1);
    return 0;
}

int naru_option_get_cookie(struct naru_option *option)
{
    uint64_t cookie = option->object->inode;
    if (option->len < sizeof cookie)
        return -EINVAL;
    naru_option_put(option, &cookie, sizeof cookie);
    return 0;
}

/* 32 bits of which all are "no limit", or 64; what is no TCP remembers nothing. */
int naru_option_set_pacing_rate(struct naru_option *option)
{
    uint64_t rate = 0;
    uint32_t narrow;
    if (option->len >= sizeof rate) {
        memcpy(&rate, option->value, sizeof rate);
    } else if (option->len >= sizeof narrow) {
        memcpy(&narrow, option->value, sizeof narrow);
        rate = narrow == UINT32_MAX ? UINT64_MAX : narrow;
    } else {
        return -EINVAL;
    }
    int error = naru_option_stack_set(option, NARU_OPT_MAX_PACING_RATE,
                                      rate > INT64_MAX ? -1 : (int64_t)rate);
    return error == -ENOPROTOOPT ? 0 : error;
}

int naru_option_get_pacing_rate(struct naru_option *option)
{
    int64_t value = -1;
    if (option->object->sock != NULL)
        (void)naru_sock_get(option->object->sock, NARU_OPT_MAX_PACING_RATE, &value);
    uint64_t rate = (uint64_t)value;
    uint32_t narrow = rate > UINT32_MAX ? UINT32_MAX : (uint32_t)rate;
    if (option->len >= sizeof rate)
        naru_option_put(option, &rate, sizeof rate);
    else
        naru_option_put(option, &narrow, sizeof narrow);
    return 0;
}
