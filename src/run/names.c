/*
 * bind, getsockname and getpeername.
 */
#include "run/runner.h"

#include "host/errno.h"

#include <errno.h>

int64_t naru_call_bind(struct naru_call *call)
{
    struct naru_object *object = call->object;
    struct naru_endpoint local;
    int error =
        naru_call_get_name(call, call->notice->arg[1], (uint32_t)call->notice->arg[2], &local);
    if (error < 0)
        return error;
    if (object->phase == NARU_PHASE_ENDED)
        return -EINVAL;
    return -naru_errno(naru_sock_bind(object->sock, &local));
}

int64_t naru_call_getsockname(struct naru_call *call)
{
    struct naru_object *object = call->object;
    struct naru_endpoint local = object->local;
    if (object->phase != NARU_PHASE_ENDED)
        naru_sock_local(object->sock, &local);
    return naru_call_put_name(call, call->notice->arg[1], call->notice->arg[2], &local);
}

int64_t naru_call_getpeername(struct naru_call *call)
{
    struct naru_object *object = call->object;
    struct naru_endpoint remote = object->remote;
    if (object->phase == NARU_PHASE_CONNECTING)
        return -ENOTCONN;
    if (object->phase == NARU_PHASE_ENDED ? !object->has_remote
                                          : naru_sock_remote(object->sock, &remote) != NARU_OK)
        return -ENOTCONN;
    naru_resolver_unmap(&call->runner->resolver, &object->dgram.asked, &remote);
    return naru_call_put_name(call, call->notice->arg[1], call->notice->arg[2], &remote);
}
