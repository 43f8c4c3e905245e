/*
 * enum naru_err <-> errno, in one table.
 */
#ifndef NARU_HOST_ERRNO_H
#define NARU_HOST_ERRNO_H

#include <naru/types.h>

/* NARU_ERR_CONNREFUSED (or its value as int64_t of send and recv) -> ECONNREFUSED; NARU_OK and
 * counts -> 0. */
int naru_errno(int64_t err);

/* ECONNREFUSED -> NARU_ERR_CONNREFUSED; 0 -> NARU_OK; an errno that has no like: NARU_ERR_PROTO. */
enum naru_err naru_err_from_errno(int error);

#endif
