/*
 * One run: the program's process, its signals, its end.
 *
 * Signals: those sent to naru by someone's kill are passed on to the program.  Those that the
 * terminal sends go to the whole foreground process group, the program included, and are not passed
 * on a second time; SIGTSTP and its kin are left alone, so that naru stops and goes on together
 * with its program, as the shell expects of a job.
 *
 * End: when the program ends, its leftover descendants (naru is their subreaper) get SIGTERM, and
 * SIGKILL a second later, as if they lost their machine; the run ends when the last supervised task
 * is gone.  With config.wait they are left alone (daemons, a server that replaces itself), and get
 * the signals that are sent to naru.
 */
#include "run/run.h"

#include "run/launch.h"
#include "run/runner.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define GRACE NARU_SEC(1)
/* A hand-over of the processor takes about ten microseconds, and what a program does with what it
 * got is often no more. */
#define SPIN NARU_US(50)

struct naru_run {
    struct naru_runner runner;
    struct naru_run_config config;
    struct naru_loop_signals signals;
    struct naru_loop_timer grace;
    pid_t pid; /* 0: not started, or ended */
    int status;
    bool told;
};

static struct naru_launch_origin origin;
static bool prepared, nested;

void naru_run_prepare(void)
{
    char pid[16];
    nested = getenv("NARU_RUN") != NULL;
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("NARU_RUN", pid, 1); /* for programs that want to know, and for a nested naru */
    naru_launch_prepare(&origin);
    prepared = true;
}

#define BIT(signal) (UINT64_C(1) << ((signal)-1))

static const uint64_t caught_mask = BIT(SIGCHLD) | BIT(SIGINT) | BIT(SIGTERM) | BIT(SIGHUP) |
                                    BIT(SIGQUIT) | BIT(SIGUSR1) | BIT(SIGUSR2) | BIT(SIGALRM) |
                                    BIT(SIGWINCH) | BIT(SIGCONT);

static const uint64_t ending_mask = BIT(SIGINT) | BIT(SIGTERM) | BIT(SIGHUP) | BIT(SIGQUIT);

static void tell_end(struct naru_run *run)
{
    if (run->told || run->pid != 0 || !run->runner.gone)
        return;
    run->told = true;
    naru_loop_timer_stop(&run->grace);
    run->config.ended(run->config.user, run->status);
}

static void listener_gone(struct naru_runner *runner)
{
    tell_end((struct naru_run *)(void *)((char *)runner - offsetof(struct naru_run, runner)));
}

/* A signal for every child that is left: our own, and those that were orphaned to us. */
static void signal_leftovers(int signal)
{
    char path[64], text[16384];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    char *at = text, *end;
    for (long child; (child = strtol(at, &end, 10)) > 0; at = end)
        kill((pid_t)child, signal);
}

static void grace_over(struct naru_loop_timer *timer, naru_time now)
{
    struct naru_run *run = timer->user;
    signal_leftovers(SIGKILL);
    naru_loop_timer_set(run->config.loop, timer, now + NARU_MS(50)); /* those orphaned by it */
}

static void program_ended(struct naru_run *run, int status)
{
    run->pid = 0;
    run->status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    if (!run->runner.gone && !run->config.wait) {
        signal_leftovers(SIGTERM);
        naru_loop_timer_set(run->config.loop, &run->grace, naru_loop_now(run->config.loop) + GRACE);
    }
    tell_end(run);
}

static void reap(struct naru_run *run)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (pid == run->pid)
            program_ended(run, status);
}

static void caught(struct naru_loop_signals *signals, const struct signalfd_siginfo *info)
{
    struct naru_run *run = signals->user;
    if (info->ssi_signo == SIGCHLD)
        reap(run);
    else if (run->told && (BIT(info->ssi_signo) & ending_mask) != 0)
        naru_loop_stop(run->config.loop); /* never mind the last bytes */
    else if (run->told || info->ssi_code == SI_KERNEL)
        return;
    else if (run->pid > 0)
        kill(run->pid, (int)info->ssi_signo);
    else
        signal_leftovers((int)info->ssi_signo);
}

int naru_run_new(const struct naru_run_config *config, struct naru_run **out)
{
    struct naru_run *run = calloc(1, sizeof *run);
    if (run == NULL)
        return -ENOMEM;
    if (!prepared)
        naru_run_prepare();
    run->config = *config;
    run->grace.fire = grace_over;
    run->grace.user = run;
    run->signals.caught = caught;
    run->signals.user = run;
    naru_loop_spin(config->loop, SPIN);
    int error = naru_runner_init(&run->runner, config->loop, config->stack);
    run->runner.listener_gone = listener_gone;
    naru_resolver_read(&run->runner.resolver, "/etc/resolv.conf");
    run->runner.resolver.relay4 = config->dns4;
    run->runner.resolver.relay6 = config->dns6;
    if (error == 0)
        error = naru_loop_signals_add(config->loop, &run->signals, caught_mask);
    if (error < 0) {
        naru_runner_deinit(&run->runner);
        free(run);
        return error;
    }
    *out = run;
    return 0;
}

void naru_run_free(struct naru_run *run)
{
    if (run == NULL)
        return;
    if (run->pid > 0)
        kill(run->pid, SIGKILL);
    if (!run->told)
        signal_leftovers(SIGKILL);
    naru_loop_timer_stop(&run->grace);
    naru_loop_signals_remove(&run->signals);
    naru_runner_deinit(&run->runner);
    free(run);
}

struct naru_attachment *naru_run_attachment(struct naru_run *run)
{
    return &run->runner.attachment;
}

static const char *explain(enum naru_launch_step step, int error)
{
    if (step == NARU_LAUNCH_FORK)
        return "cannot start a process";
    if (step == NARU_LAUNCH_LISTENER)
        return "the kernel does not let naru look into the program it started (pidfd_getfd): Linux "
               "5.14 is needed, and a container must allow ptrace of children";
    if (error == -EBUSY && nested)
        return "this is inside another naru run already, and they cannot be nested: start both "
               "programs from one naru run";
    if (error == -EBUSY)
        return "a supervisor with a seccomp listener is above this process already (a container "
               "manager, or another naru run), and the kernel allows one";
    return "the kernel does not offer seccomp user notification: Linux 5.14 is needed, and a "
           "container's seccomp profile must allow it; see naru doctor";
}

/* The errno of exec, or 0. */
static int exec_error(int fd)
{
    int error = 0;
    ssize_t n;
    do
        n = read(fd, &error, sizeof error);
    while (n < 0 && errno == EINTR);
    close(fd);
    return n == (ssize_t)sizeof error ? error : 0;
}

int naru_run_start(struct naru_run *run, char *const argv[], const char **why)
{
    struct naru_launched launched;
    enum naru_launch_step step;
    int error = naru_launch(argv, &origin, &launched, &step);
    if (error < 0) {
        *why = explain(step, error);
        return error;
    }
    run->pid = launched.pid;
    error = naru_runner_listen(&run->runner, launched.listener);
    if (error < 0) {
        *why = "cannot watch the program";
        return error;
    }
    /* exec makes no call that is notified; so it can be waited for. */
    error = exec_error(launched.exec_error);
    if (error != 0)
        fprintf(stderr, "naru: %s: %s\n", argv[0], strerror(error));
    return 0;
}
