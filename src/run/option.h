/*
 * Socket options, as one table of rows.
 *
 * A row says for which (level, name) which function sets and gets it.  Most rows use one of the
 * functions for plain integers, with the stack's option (opt), a unit (scale) and, where the stack
 * does not know it, a remembered value.
 */
#ifndef NARU_RUN_OPTION_H
#define NARU_RUN_OPTION_H

#include "run/runner.h"

#define NARU_OPTION_MAX 272 /* bytes of any value */

/* One setsockopt or getsockopt being done. */
struct naru_option {
    struct naru_call *call;
    struct naru_object *object;
    const struct naru_option_row *row;
    int level, name;
    uint8_t value[NARU_OPTION_MAX];
    size_t len; /* set: bytes given.  get: room, then bytes of the value */
};

struct naru_option_row {
    int level, name;
    int (*set)(struct naru_option *option); /* NULL: ENOPROTOOPT */
    int (*get)(struct naru_option *option); /* NULL: ENOPROTOOPT */
    int opt;                                /* enum naru_opt, or -1 */
    int scale;         /* the stack's units in one of the program's: 1000 for seconds -> ms */
    int64_t otherwise; /* get: when nobody has set it; the value of constants */
};

/* NULL: unknown. */
const struct naru_option_row *naru_option_find(int level, int name);

/* The int in a value: 0, or -EINVAL.  A single byte will do for options of IP. */
int naru_option_int(const struct naru_option *option, int *out);
void naru_option_put(struct naru_option *option, const void *value, size_t len);
int naru_option_put_int(struct naru_option *option, int value);
/* One option of the stack; a socket that has ended takes all and knows nothing (0). */
int naru_option_stack_set(struct naru_option *option, enum naru_opt opt, int64_t value);
int64_t naru_option_stack_get(struct naru_option *option, enum naru_opt opt);

/* For rows: option.c */
int naru_option_set_flag(struct naru_option *option); /* 0 or 1 */
int naru_option_set_value(struct naru_option *option);
int naru_option_set_natural(struct naru_option *option); /* nothing negative */
int naru_option_get_value(struct naru_option *option);
int naru_option_set_memo(struct naru_option *option);
int naru_option_get_memo(struct naru_option *option);
int naru_option_get_constant(struct naru_option *option);
int naru_option_set_nothing(struct naru_option *option);     /* accepted, has no meaning here */
int naru_option_set_forbidden(struct naru_option *option);   /* EPERM */
int naru_option_set_unsupported(struct naru_option *option); /* EOPNOTSUPP */

/* option_socket.c */
int naru_option_get_error(struct naru_option *option);
int naru_option_get_kind(struct naru_option *option);
int naru_option_set_linger(struct naru_option *option);
int naru_option_get_linger(struct naru_option *option);
int naru_option_set_timeout(struct naru_option *option);
int naru_option_get_timeout(struct naru_option *option);
int naru_option_set_buffer(struct naru_option *option);
int naru_option_get_buffer(struct naru_option *option);
int naru_option_set_oobinline(struct naru_option *option);
int naru_option_set_lowat(struct naru_option *option);
int naru_option_set_device(struct naru_option *option);
int naru_option_get_device(struct naru_option *option);
int naru_option_get_cookie(struct naru_option *option);
int naru_option_set_pacing_rate(struct naru_option *option);
int naru_option_get_pacing_rate(struct naru_option *option);

/* option_ip.c */
int naru_option_set_byte(struct naru_option *option);
int naru_option_set_tclass(struct naru_option *option);
int naru_option_get_byte(struct naru_option *option);
int naru_option_set_mtu_discover(struct naru_option *option);
int naru_option_set_mtu6(struct naru_option *option);
int naru_option_get_mtu(struct naru_option *option);
int naru_option_set_group(struct naru_option *option);
int naru_option_set_group6(struct naru_option *option);
int naru_option_set_group_any(struct naru_option *option);
int naru_option_set_group_source(struct naru_option *option);
int naru_option_set_group_source_any(struct naru_option *option);
int naru_option_set_multicast_if(struct naru_option *option);
int naru_option_get_multicast_if(struct naru_option *option);
int naru_option_set_ip_options(struct naru_option *option);
int naru_option_get_empty(struct naru_option *option);

/* option_tcp.c */
int naru_option_get_tcp_info(struct naru_option *option);
int naru_option_set_fastopen_key(struct naru_option *option);
int naru_option_get_fastopen_key(struct naru_option *option);
int naru_option_set_congestion(struct naru_option *option);
int naru_option_get_congestion(struct naru_option *option);
int naru_option_set_ulp(struct naru_option *option);
int naru_option_set_linger2(struct naru_option *option);
int naru_option_get_linger2(struct naru_option *option);

#endif
