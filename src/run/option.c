/*
 * setsockopt, getsockopt, and the functions for plain integers.
 *
 * An option that is not in the table is unknown: ENOPROTOOPT, as Linux says.  One that the stack
 * does not have for this kind of socket, although Linux has (SO_BROADCAST on TCP), is remembered.
 */
#include "run/option.h"

#include "host/errno.h"
#include "run/memo.h"

#include <errno.h>
#include <string.h>

int naru_option_int(const struct naru_option *option, int *out)
{
    if (option->len >= sizeof *out)
        memcpy(out, option->value, sizeof *out);
    else if (option->level == IPPROTO_IP && option->len >= 1)
        *out = option->value[0];
    else
        return -EINVAL;
    return 0;
}

void naru_option_put(struct naru_option *option, const void *value, size_t len)
{
    if (option->len > len)
        option->len = len;
    memcpy(option->value, value, option->len);
}

int naru_option_put_int(struct naru_option *option, int value)
{
    uint8_t byte = (uint8_t)value;
    if (option->level == IPPROTO_IP && option->len >= 1 && option->len < sizeof value &&
        value >= 0 && value <= 255)
        naru_option_put(option, &byte, 1); /* what programs from BSD expect */
    else
        naru_option_put(option, &value, sizeof value);
    return 0;
}

int naru_option_stack_set(struct naru_option *option, enum naru_opt opt, int64_t value)
{
    if (option->object->sock == NULL)
        return 0;
    return -naru_errno(naru_sock_set(option->object->sock, opt, value, option->call->now));
}

int64_t naru_option_stack_get(struct naru_option *option, enum naru_opt opt)
{
    int64_t value = 0;
    if (option->object->sock != NULL)
        (void)naru_sock_get(option->object->sock, opt, &value);
    return value;
}

static int remember(struct naru_option *option, int64_t value)
{
    return naru_memo_set(option->object, option->level, option->name, value) ? 0 : -ENOBUFS;
}

static int set_scaled(struct naru_option *option, int64_t value)
{
    int error =
        naru_option_stack_set(option, (enum naru_opt)option->row->opt, value * option->row->scale);
    return error == -ENOPROTOOPT ? remember(option, value) : error;
}

int naru_option_set_flag(struct naru_option *option)
{
    int value;
    int error = naru_option_int(option, &value);
    return error < 0 ? error : set_scaled(option, value != 0);
}

int naru_option_set_value(struct naru_option *option)
{
    int value;
    int error = naru_option_int(option, &value);
    return error < 0 ? error : set_scaled(option, value);
}

int naru_option_set_natural(struct naru_option *option)
{
    int value;
    int error = naru_option_int(option, &value);
    return error < 0 ? error : value < 0 ? -EINVAL : set_scaled(option, value);
}

int naru_option_get_value(struct naru_option *option)
{
    int64_t value;
    struct naru_sock *sock = option->object->sock;
    if (sock == NULL || naru_sock_get(sock, (enum naru_opt)option->row->opt, &value) != NARU_OK)
        return naru_option_get_memo(option);
    if (value == 0)
        value = option->row->otherwise; /* the stack's word for "nobody has set it" */
    return naru_option_put_int(option, (int)(value < 0 ? value : value / option->row->scale));
}

int naru_option_set_memo(struct naru_option *option)
{
    int value;
    int error = naru_option_int(option, &value);
    return error < 0 ? error : remember(option, value);
}

int naru_option_get_memo(struct naru_option *option)
{
    return naru_option_put_int(option, (int)naru_memo_get(option->object, option->level,
                                                          option->name, option->row->otherwise));
}

int naru_option_get_constant(struct naru_option *option)
{
    return naru_option_put_int(option, (int)option->row->otherwise);
}

int naru_option_set_nothing(struct naru_option *option)
{
    (void)option;
    return 0;
}

int naru_option_set_forbidden(struct naru_option *option)
{
    int value = 0;
    (void)naru_option_int(option, &value);
    return value != 0 ? -EPERM : 0;
}

int naru_option_set_unsupported(struct naru_option *option)
{
    int value = 0;
    (void)naru_option_int(option, &value);
    return value != 0 ? -EOPNOTSUPP : 0;
}

/* IPv6 options exist on IPv6 sockets only, TCP's on streams only. */
static bool applies(const struct naru_object *object, int level)
{
    return (level == SOL_SOCKET || level == IPPROTO_IP || level == IPPROTO_IPV6 ||
            level == IPPROTO_TCP || level == IPPROTO_UDP) &&
           !(level == IPPROTO_IPV6 && object->family != NARU_IPV6) &&
           !(level == IPPROTO_TCP && object->type != NARU_SOCK_STREAM) &&
           !(level == IPPROTO_UDP && object->type != NARU_SOCK_DGRAM);
}

static void begin(struct naru_call *call, struct naru_option *option)
{
    option->call = call;
    option->object = call->object;
    option->level = (int)call->notice->arg[1];
    option->name = (int)call->notice->arg[2];
    option->row = naru_option_find(option->level, option->name);
    if (option->row != NULL && !applies(call->object, option->level))
        option->row = NULL;
}

int64_t naru_call_setsockopt(struct naru_call *call)
{
    struct naru_option option;
    const uint64_t *arg = call->notice->arg;
    begin(call, &option);
    if (option.row == NULL || option.row->set == NULL)
        return -ENOPROTOOPT;
    if ((int)arg[4] < 0)
        return -EINVAL;
    memset(option.value, 0, sizeof option.value);
    option.len = (uint32_t)arg[4] < sizeof option.value ? (uint32_t)arg[4] : sizeof option.value;
    int error = naru_task_read(call->notice->tid, arg[3], option.value, option.len);
    return error < 0 ? error : option.row->set(&option);
}

int64_t naru_call_getsockopt(struct naru_call *call)
{
    struct naru_option option;
    const uint64_t *arg = call->notice->arg;
    pid_t tid = call->notice->tid;
    int32_t room;
    begin(call, &option);
    int error = naru_task_read(tid, arg[4], &room, sizeof room);
    if (error < 0)
        return error;
    if (room < 0)
        return -EINVAL;
    if (!applies(call->object, option.level))
        return -EOPNOTSUPP;
    if (option.row == NULL || option.row->get == NULL)
        return -ENOPROTOOPT;
    option.len = (size_t)room < sizeof option.value ? (size_t)room : sizeof option.value;
    error = option.row->get(&option);
    if (error < 0)
        return error;
    uint32_t len = (uint32_t)option.len;
    error = naru_task_write(tid, arg[3], option.value, option.len);
    return error < 0 ? error : naru_task_write(tid, arg[4], &len, sizeof len);
}
