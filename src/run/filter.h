/*
 * The seccomp filter of `naru run`: which system calls the supervisor is asked about.
 */
#ifndef NARU_RUN_FILTER_H
#define NARU_RUN_FILTER_H

/*
 * Installs the filter on the calling thread and returns its notification listener, or a negative
 * errno: -EBUSY if there is a listener already (a nested `naru run`, or a container runtime's),
 * -EINVAL or -ENOSYS if the kernel is too old.  Sets NO_NEW_PRIVS.  Async-signal-safe: it is called
 * between fork and exec.
 */
int naru_filter_install(void);

/* For naru doctor: the kernel knows WAIT_KILLABLE_RECV (5.19). */
int naru_filter_has_wait_killable(void);

#endif
