/* enum naru_err <-> errno; see errno.h. */
#include "host/errno.h"

#include <errno.h>

static const struct {
    enum naru_err err;
    int number;
} map[] = {
    { NARU_ERR_AGAIN, EAGAIN },
    { NARU_ERR_INPROGRESS, EINPROGRESS },
    { NARU_ERR_ALREADY, EALREADY },
    { NARU_ERR_ISCONN, EISCONN },
    { NARU_ERR_NOTCONN, ENOTCONN },
    { NARU_ERR_CONNREFUSED, ECONNREFUSED },
    { NARU_ERR_CONNRESET, ECONNRESET },
    { NARU_ERR_CONNABORTED, ECONNABORTED },
    { NARU_ERR_TIMEDOUT, ETIMEDOUT },
    { NARU_ERR_PIPE, EPIPE },
    { NARU_ERR_ADDRINUSE, EADDRINUSE },
    { NARU_ERR_ADDRNOTAVAIL, EADDRNOTAVAIL },
    { NARU_ERR_NETUNREACH, ENETUNREACH },
    { NARU_ERR_HOSTUNREACH, EHOSTUNREACH },
    { NARU_ERR_NETDOWN, ENETDOWN },
    { NARU_ERR_MSGSIZE, EMSGSIZE },
    { NARU_ERR_DESTADDRREQ, EDESTADDRREQ },
    { NARU_ERR_ACCES, EACCES },
    { NARU_ERR_AFNOSUPPORT, EAFNOSUPPORT },
    { NARU_ERR_OPNOTSUPP, EOPNOTSUPP },
    { NARU_ERR_NOPROTOOPT, ENOPROTOOPT },
    { NARU_ERR_INVAL, EINVAL },
    { NARU_ERR_NOMEM, ENOMEM },
    { NARU_ERR_NOBUFS, ENOBUFS },
    { NARU_ERR_EXIST, EEXIST },
    { NARU_ERR_NOENT, ENOENT },
    { NARU_ERR_PROTO, EPROTO },
};

#define MAP_COUNT (sizeof(map) / sizeof(map[0]))

int naru_errno(int64_t err)
{
    if (err >= 0)
        return 0;
    for (unsigned i = 0; i < MAP_COUNT; i++) {
        if (map[i].err == err)
            return map[i].number;
    }
    return EPROTO;
}

enum naru_err naru_err_from_errno(int error)
{
    if (error == 0)
        return NARU_OK;
    for (unsigned i = 0; i < MAP_COUNT; i++) {
        if (map[i].number == error)
            return map[i].err;
    }
    return NARU_ERR_PROTO;
}
