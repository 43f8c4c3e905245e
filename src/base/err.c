/*
 * What each error is called.
 */
#include <naru/types.h>

const char *naru_err_text(int err)
{
    if (err >= 0)
        return "success";
    switch ((enum naru_err)err) {
    case NARU_OK:
        break;
    case NARU_ERR_AGAIN:
        return "not now: try again when ready";
    case NARU_ERR_INPROGRESS:
        return "operation in progress";
    case NARU_ERR_ALREADY:
        return "operation already in progress";
    case NARU_ERR_ISCONN:
        return "already connected";
    case NARU_ERR_NOTCONN:
        return "not connected";
    case NARU_ERR_CONNREFUSED:
        return "connection refused";
    case NARU_ERR_CONNRESET:
        return "connection reset by peer";
    case NARU_ERR_CONNABORTED:
        return "connection aborted";
    case NARU_ERR_TIMEDOUT:
        return "connection timed out";
    case NARU_ERR_PIPE:
        return "sending side is closed";
    case NARU_ERR_ADDRINUSE:
        return "address already in use";
    case NARU_ERR_ADDRNOTAVAIL:
        return "address not available";
    case NARU_ERR_NETUNREACH:
        return "network is unreachable";
    case NARU_ERR_HOSTUNREACH:
        return "host is unreachable";
    case NARU_ERR_NETDOWN:
        return "network is down";
    case NARU_ERR_MSGSIZE:
        return "message too long";
    case NARU_ERR_DESTADDRREQ:
        return "destination address required";
    case NARU_ERR_ACCES:
        return "permission denied";
    case NARU_ERR_AFNOSUPPORT:
        return "address family not supported";
    case NARU_ERR_OPNOTSUPP:
        return "operation not supported";
    case NARU_ERR_NOPROTOOPT:
        return "unknown option";
    case NARU_ERR_INVAL:
        return "invalid argument";
    case NARU_ERR_NOMEM:
        return "out of memory";
    case NARU_ERR_NOBUFS:
        return "table or queue is full";
    case NARU_ERR_EXIST:
        return "already exists";
    case NARU_ERR_NOENT:
        return "does not exist";
    case NARU_ERR_PROTO:
        return "protocol error";
    }
    return "unknown error";
}
