/*
 * Runs an unmodified program with its sockets on a naru stack.
 *
 * The program is a child of the calling process.  Its IPv4 and IPv6 sockets, and those of
 * everything it starts, live in the stack; all else is the host's.  See runner.c, object.h and
 * stream.c for how.
 *
 * Belongs to the thread of its loop.  Functions return 0 or a negative errno.
 */
#ifndef NARU_RUN_RUN_H
#define NARU_RUN_RUN_H

#include "host/loop.h"

struct naru_run;

/* Once, early, while the process has no other thread and has changed nothing of its own. */
void naru_run_prepare(void);

struct naru_run_config {
    struct naru_loop *loop;
    struct naru_stack *stack; /* not attached to a loop yet; freed by the caller, after the run */
    /* Where queries to the servers of /etc/resolv.conf go; all zero: nowhere special. */
    struct naru_addr dns4, dns6;
    /* Processes that the program leaves behind go on, and the run ends with the last of them; else
     * they are ended when the program does. */
    bool wait;
    /* The program has ended with that exit status (128 + signal if it was killed), and its last
     * descendants are gone. */
    void (*ended)(void *user, int status);
    void *user;
};

/* Attaches the stack.  The program is started by naru_run_start. */
int naru_run_new(const struct naru_run_config *config, struct naru_run **out);
/* Ends what is left of the program (SIGKILL), closes its sockets. */
void naru_run_free(struct naru_run *run);

/* For devices and wires. */
struct naru_attachment *naru_run_attachment(struct naru_run *run);

/*
 * Starts argv[0], looked for in PATH.  A failure of exec is not an error of this call: ended is
 * told 126 or 127, after what has been printed.  An errno here comes with a sentence in *why: what
 * failed, and what to do.
 */
int naru_run_start(struct naru_run *run, char *const argv[], const char **why);

#endif
