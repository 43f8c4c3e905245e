/*
 * Starting the supervised program: fork, filter, hand-over of the listener, exec.
 *
 * Theory: only the task that installs a filter gets its listener, and it is the child that must
 * have the filter.  So the child installs it, says over a socket pair what number the listener has,
 * and waits; the parent takes a duplicate with pidfd_getfd and says so; the child closes its own
 * (the parent must hold the only one: the listener's hang-up tells that the last supervised task is
 * gone) and executes the program.  Sending the descriptor over the pair would need sendmsg, which
 * the new filter already notifies: nobody could answer.
 *
 * The other end of the pair stays open across exec as close-on-exec: an errno that comes through it
 * is exec's, end of file is its success.
 */
#include "run/launch.h"

#include "run/filter.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

void naru_launch_prepare(struct naru_launch_origin *origin)
{
    pthread_sigmask(SIG_SETMASK, NULL, &origin->signal_mask);
    getrlimit(RLIMIT_NOFILE, &origin->nofile);

    struct rlimit more = origin->nofile;
    more.rlim_cur = more.rlim_max;
    setrlimit(RLIMIT_NOFILE, &more);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    signal(SIGPIPE, SIG_IGN);
}

static bool tell(int fd, int value)
{
    return write(fd, &value, sizeof value) == (ssize_t)sizeof value;
}

static bool hear(int fd, int *value)
{
    ssize_t n;
    do
        n = read(fd, value, sizeof *value);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof *value;
}

/* 126 and 127 are what env and shells say. */
static _Noreturn void child(char *const argv[], const struct naru_launch_origin *origin, int link)
{
    int listener = naru_filter_install();
    int go = 0;
    if (!tell(link, listener) || listener < 0 || !hear(link, &go))
        _exit(125);
    close(listener);

    signal(SIGPIPE, SIG_DFL);
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
    setrlimit(RLIMIT_NOFILE, &origin->nofile);
    sigprocmask(SIG_SETMASK, &origin->signal_mask, NULL);
    execvp(argv[0], argv);

    int error = errno;
    tell(link, error);
    _exit(error == ENOENT ? 127 : 126);
}

/* The listener, once the child has told its number. */
static int fetch_listener(pid_t pid, int link, enum naru_launch_step *step)
{
    int number;
    *step = NARU_LAUNCH_FILTER;
    if (!hear(link, &number))
        return -ECHILD;
    if (number < 0)
        return number;

    *step = NARU_LAUNCH_LISTENER;
    int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0)
        return -errno;
    int listener = (int)syscall(SYS_pidfd_getfd, pidfd, number, 0);
    if (listener < 0)
        listener = -errno;
    close(pidfd);
    return listener;
}

int naru_launch(char *const argv[], const struct naru_launch_origin *origin,
                struct naru_launched *out, enum naru_launch_step *step)
{
    int link[2];
    *step = NARU_LAUNCH_FORK;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) < 0)
        return -errno;

    pid_t pid = fork();
    if (pid < 0) {
        int error = errno;
        close(link[0]);
        close(link[1]);
        return -error;
    }
    if (pid == 0) {
        close(link[0]);
        child(argv, origin, link[1]);
    }
    close(link[1]);

    int listener = fetch_listener(pid, link[0], step);
    if (listener < 0 || !tell(link[0], 1)) {
        close(link[0]); /* the child, waiting, sees the end and leaves */
        waitpid(pid, NULL, 0);
        if (listener >= 0)
            close(listener);
        return listener < 0 ? listener : -ECHILD;
    }
    fcntl(listener, F_SETFD, FD_CLOEXEC);
    *out = (struct naru_launched){ .pid = pid, .listener = listener, .exec_error = link[0] };
    return 0;
}
