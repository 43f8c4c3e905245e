/*
 * A run in miniature: a child that does nothing but ask for one socket, and gets a descriptor.
 *
 * Every step that a real run depends on is done once, so that naru doctor can name the one that
 * this machine does not allow.
 */
#include "run/probe.h"

#include "run/filter.h"
#include "run/notify.h"
#include "run/task.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD 0200 /* O_EXCL */
#endif

#define ANSWER_MAX_MS 2000

static const char mark[] = "naru";

static _Noreturn void probe_child(int link)
{
    int32_t number = naru_filter_install();
    char go;
    if (write(link, &number, sizeof number) != (ssize_t)sizeof number || number < 0 ||
        read(link, &go, 1) != 1)
        _exit(1);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    _exit(fd >= 0 ? 0 : 1);
}

/* The child's one call: its memory is looked at, and it gets a descriptor. */
static void serve(struct naru_run_probe *out, int listener)
{
    struct pollfd in = { .fd = listener, .events = POLLIN };
    struct naru_notice notice;
    char seen[sizeof mark];
    out->sync_wake_up = naru_notify_has_sync(listener);
    if (poll(&in, 1, ANSWER_MAX_MS) <= 0 || !naru_notify_recv(listener, &notice))
        return;
    out->memory = naru_task_read(notice.tid, (uintptr_t)mark, seen, sizeof seen);
    out->add_fd = naru_notify_answer_fd(listener, notice.id, STDERR_FILENO, true);
    if (out->add_fd < 0)
        naru_notify_answer(listener, notice.id, -EPERM);
}

static void fetch(struct naru_run_probe *out, pid_t pid, int link)
{
    struct naru_tasks tasks;
    int32_t number = -ECHILD;
    if (read(link, &number, sizeof number) != (ssize_t)sizeof number || number < 0) {
        out->filter = number;
        return;
    }
    out->filter = 0;
    naru_tasks_init(&tasks);
    int listener = naru_task_getfd(&tasks, pid, number);
    out->listener = listener < 0 ? listener : 0;
    if (listener >= 0) {
        if (write(link, "", 1) == 1)
            serve(out, listener);
        close(listener);
    }
    naru_tasks_deinit(&tasks);
}

void naru_run_probe(struct naru_run_probe *out)
{
    int link[2];
    *out = (struct naru_run_probe){
        .filter = -ECHILD, .listener = -ECHILD, .add_fd = -ECHILD, .memory = -ECHILD
    };
    out->wait_killable = naru_filter_has_wait_killable();
    long pidfd = syscall(SYS_pidfd_open, getpid(), PIDFD_THREAD);
    out->pidfd_thread = pidfd >= 0;
    if (pidfd >= 0)
        close((int)pidfd);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, link) < 0)
        return;
    pid_t pid = fork();
    if (pid == 0) {
        close(link[0]);
        probe_child(link[1]);
    }
    close(link[1]);
    if (pid > 0)
        fetch(out, pid, link[0]);
    close(link[0]);
    if (pid > 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
}
