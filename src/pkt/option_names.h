/*
 * Socket options that only some systems have, in numbers no system uses for another.
 */
#ifndef NARU_PKT_OPTION_NAMES_H
#define NARU_PKT_OPTION_NAMES_H

enum {
    NARU_FREEBSD_NOOPT = 0x10008,    /* TCP_NOOPT: no TCP options */
    NARU_FREEBSD_KEEPINIT = 0x10080, /* TCP_KEEPINIT: seconds until a connect gives up */
};

#endif
