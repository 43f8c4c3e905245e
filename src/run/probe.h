/*
 * What `naru run` needs of the kernel, tried out rather than guessed.
 */
#ifndef NARU_RUN_PROBE_H
#define NARU_RUN_PROBE_H

#include <stdbool.h>

struct naru_run_probe {
    int filter;   /* 0, or the negative errno of installing the filter with its listener */
    int listener; /* 0, or that of fetching the listener from the child (pidfd_getfd) */
    int add_fd;   /* 0, or that of giving a child a descriptor and its answer at once */
    int memory;   /* 0, or that of reading the child's memory */
    bool wait_killable, sync_wake_up, pidfd_thread;
};

/* Runs a child under the filter that makes one call, and answers it. */
void naru_run_probe(struct naru_run_probe *out);

#endif
