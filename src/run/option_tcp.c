/*
 * TCP options that are more than a number: TCP_INFO, TCP_CONGESTION, TCP_LINGER2, TCP_ULP,
 * TCP_FASTOPEN_KEY.
 */
#include "run/option.h"

#include "host/errno.h"
#include "host/tcpinfo.h"

#include <errno.h>
#include <linux/tcp.h>
#include <string.h>

#define FIN_WAIT_2_MS 60000 /* until somebody sets it */

int naru_option_get_tcp_info(struct naru_option *option)
{
    struct naru_tcp_info from;
    struct tcp_info to;
    memset(&from, 0, sizeof from);
    if (option->object->sock != NULL)
        (void)naru_sock_tcp_info(option->object->sock, &from, option->call->now);
    naru_tcpinfo_linux(&from, option->call->now, &to);
    naru_option_put(option, &to, sizeof to);
    return 0;
}

static const char *const algorithm[] = {
    [NARU_CONGESTION_CUBIC] = "cubic",
    [NARU_CONGESTION_RENO] = "reno",
};

int naru_option_set_congestion(struct naru_option *option)
{
    char name[17] = "";
    memcpy(name, option->value, option->len < sizeof name - 1 ? option->len : sizeof name - 1);
    for (size_t i = 0; i < sizeof algorithm / sizeof algorithm[0]; i++)
        if (strcmp(name, algorithm[i]) == 0)
            return naru_option_stack_set(option, NARU_OPT_CONGESTION, (int64_t)i);
    return -ENOENT;
}

int naru_option_get_congestion(struct naru_option *option)
{
    char name[16] = "";
    int64_t which = naru_option_stack_get(option, NARU_OPT_CONGESTION);
    if (which >= 0 && which < (int64_t)(sizeof algorithm / sizeof algorithm[0]))
        strncpy(name, algorithm[which], sizeof name - 1);
    naru_option_put(option, name, sizeof name);
    return 0;
}

/* "tls" and others: as on a kernel without the module, upon which programs do it themselves. */
int naru_option_set_ulp(struct naru_option *option)
{
    (void)option;
    return -ENOENT;
}

int naru_option_set_linger2(struct naru_option *option)
{
    int value;
    int error = naru_option_int(option, &value);
    if (error < 0)
        return error;
    return naru_option_stack_set(option, NARU_OPT_LINGER2_MS,
                                 value < 0 ? -1 : (int64_t)value * 1000);
}

int naru_option_get_linger2(struct naru_option *option)
{
    int64_t ms = naru_option_stack_get(option, NARU_OPT_LINGER2_MS);
    if (ms == 0)
        ms = FIN_WAIT_2_MS;
    return naru_option_put_int(option, (int)(ms < 0 ? -1 : ms / 1000));
}

int naru_option_set_fastopen_key(struct naru_option *option)
{
    struct naru_sock *sock = option->object->sock;
    if (sock == NULL)
        return -EINVAL;
    return -naru_errno(naru_sock_set_fastopen_key(sock, option->value, option->len));
}

int naru_option_get_fastopen_key(struct naru_option *option)
{
    uint8_t key[32];
    const struct naru_sock *sock = option->object->sock;
    naru_option_put(option, key, sock == NULL ? 0 : naru_sock_get_fastopen_key(sock, key));
    return 0;
}
