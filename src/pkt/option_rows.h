/*
 * Socket options of scripts whose value is a number: Linux's names, and naru's for the same; and
 * what ioctl tells.
 */
#ifndef NARU_PKT_OPTION_ROWS_H
#define NARU_PKT_OPTION_ROWS_H

#include <naru/sock.h>

/* Socket options that only some systems have, in numbers no system uses for another. */
enum {
    NARU_FREEBSD_NOOPT = 0x10008,    /* TCP_NOOPT: no TCP options */
    NARU_FREEBSD_KEEPINIT = 0x10080, /* TCP_KEEPINIT: seconds until a connect gives up */
};

enum naru_pkt_unit {
    NARU_PKT_PLAIN,
    NARU_PKT_FLAG,
    NARU_PKT_SECONDS, /* milliseconds in naru */
    NARU_PKT_BUFFER,  /* read back doubled by Linux */
    NARU_PKT_IGNORED,
};

struct naru_pkt_option {
    int level, name;
    enum naru_pkt_unit unit;
    enum naru_opt opt;
};

/* NULL: no such option. */
const struct naru_pkt_option *naru_pkt_option_find(int64_t level, int64_t name);

/* SIOCOUTQ and its like: 0 in *value where *err is not OK.  False: no such request. */
bool naru_pkt_ioctl(struct naru_sock *sock, int64_t request, naru_time now, int64_t *value,
                    enum naru_err *err);

#endif
