/*
 * Starting the supervised program.
 */
#ifndef NARU_RUN_LAUNCH_H
#define NARU_RUN_LAUNCH_H

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

/* What the program shall find as it was before naru changed it for itself. */
struct naru_launch_origin {
    sigset_t signal_mask;
    struct rlimit nofile;
};

/* Remembers the above, raises our own RLIMIT_NOFILE, becomes a child subreaper, ignores SIGPIPE. */
void naru_launch_prepare(struct naru_launch_origin *origin);

struct naru_launched {
    pid_t pid;
    int listener;   /* the notification listener, close-on-exec */
    int exec_error; /* read end: an errno as an int if exec fails, nothing (EOF) if it succeeds */
};

/* Where a launch can fail, so that the message can name the reason. */
enum naru_launch_step {
    NARU_LAUNCH_FORK,
    NARU_LAUNCH_FILTER,   /* error: of naru_filter_install */
    NARU_LAUNCH_LISTENER, /* the listener could not be fetched from the child */
};

/*
 * Forks, installs the filter in the child and fetches its listener; the child then executes argv
 * (argv[0] is looked for in PATH).  Must not be called while signals are handled elsewhere.  0, or
 * a negative errno with *step set.
 */
int naru_launch(char *const argv[], const struct naru_launch_origin *origin,
                struct naru_launched *out, enum naru_launch_step *step);

#endif
