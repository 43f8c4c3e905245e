/*
 * Reaching into the tasks of the supervised program.
 *
 * pidfds are kept in a small direct-mapped cache by tid.  An entry whose task has died is not
 * noticed until it is used (-ESRCH); then it is opened anew, once, because the number may have been
 * given to a new task.
 *
 * PIDFD_THREAD (Linux 6.9) makes a pidfd for a thread that does not lead its process; before that
 * only leaders have one, and the leader is looked up in /proc.  Descriptors are shared by the
 * threads of a process (but for unshare(CLONE_FILES), which nothing in practice uses).
 */
#include "run/task.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL
#endif

void naru_tasks_init(struct naru_tasks *tasks) { memset(tasks, 0, sizeof *tasks); }

void naru_tasks_deinit(struct naru_tasks *tasks)
{
    for (size_t i = 0; i < NARU_TASK_SLOTS; i++)
        if (tasks->slot[i].tid != 0)
            close(tasks->slot[i].pidfd);
    memset(tasks, 0, sizeof *tasks);
}

/* The text of /proc/<tid>/<name>, cut at size; its length or a negative errno. */
static ssize_t proc_read(pid_t tid, const char *name, char *text, size_t size)
{
    char path[96];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)tid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t len = read(fd, text, size - 1);
    if (len < 0)
        len = -errno;
    close(fd);
    text[len > 0 ? len : 0] = '\0';
    return len;
}

/* The value of a line "Name:\tvalue" in /proc/<tid>/status. */
static uint64_t status_field(const char *text, const char *name, int base)
{
    const char *at = strstr(text, name);
    return at == NULL ? 0 : strtoull(at + strlen(name), NULL, base);
}

pid_t naru_task_process(pid_t tid)
{
    char text[4096];
    if (proc_read(tid, "status", text, sizeof text) <= 0)
        return tid;
    pid_t leader = (pid_t)status_field(text, "\nTgid:", 10);
    return leader > 0 ? leader : tid;
}

bool naru_task_signalled(pid_t tid)
{
    char text[4096];
    if (proc_read(tid, "status", text, sizeof text) <= 0)
        return true;
    uint64_t pending = status_field(text, "\nSigPnd:", 16) | status_field(text, "\nShdPnd:", 16);
    return (pending & ~status_field(text, "\nSigBlk:", 16)) != 0;
}

static int pidfd_new(pid_t tid)
{
    long fd = syscall(SYS_pidfd_open, tid, PIDFD_THREAD);
    if (fd < 0 && errno == EINVAL)
        fd = syscall(SYS_pidfd_open, naru_task_process(tid), 0);
    return fd < 0 ? -errno : (int)fd;
}

/* The cached pidfd of a task; fresh: not the one that is cached. */
static int pidfd_of(struct naru_tasks *tasks, pid_t tid, bool fresh)
{
    size_t i = (size_t)tid % NARU_TASK_SLOTS;
    if (tasks->slot[i].tid == tid && !fresh)
        return tasks->slot[i].pidfd;

    int pidfd = pidfd_new(tid);
    if (pidfd < 0)
        return pidfd;
    if (tasks->slot[i].tid != 0)
        close(tasks->slot[i].pidfd);
    tasks->slot[i].tid = tid;
    tasks->slot[i].pidfd = pidfd;
    return pidfd;
}

int naru_task_getfd(struct naru_tasks *tasks, pid_t tid, int fd)
{
    for (int attempt = 0;; attempt++) {
        int pidfd = pidfd_of(tasks, tid, attempt > 0);
        if (pidfd < 0)
            return pidfd;
        long ours = syscall(SYS_pidfd_getfd, pidfd, fd, 0);
        if (ours >= 0)
            return (int)ours;
        if (errno != ESRCH || attempt > 0)
            return -errno;
    }
}

int naru_task_read(pid_t tid, uint64_t address, void *to, size_t len)
{
    struct iovec local = { .iov_base = to, .iov_len = len };
    struct iovec remote = { .iov_base = (void *)(uintptr_t)address, .iov_len = len };
    if (len == 0)
        return 0;
    ssize_t n = process_vm_readv(tid, &local, 1, &remote, 1, 0);
    if (n < 0)
        return -errno;
    return (size_t)n == len ? 0 : -EFAULT;
}

int naru_task_write(pid_t tid, uint64_t address, const void *from, size_t len)
{
    /* process_vm_writev only reads what local names. */
    union {
        const void *in;
        void *out;
    } base = { .in = from };
    struct iovec local = { .iov_base = base.out, .iov_len = len };
    struct iovec remote = { .iov_base = (void *)(uintptr_t)address, .iov_len = len };
    if (len == 0)
        return 0;
    ssize_t n = process_vm_writev(tid, &local, 1, &remote, 1, 0);
    if (n < 0)
        return -errno;
    return (size_t)n == len ? 0 : -EFAULT;
}

ssize_t naru_task_gather(pid_t tid, const struct iovec *remote, size_t count, void *to, size_t len)
{
    struct iovec local = { .iov_base = to, .iov_len = len };
    ssize_t n = count == 0 ? 0 : process_vm_readv(tid, &local, 1, remote, count, 0);
    return n < 0 ? -errno : n;
}

ssize_t naru_task_scatter(pid_t tid, const struct iovec *remote, size_t count, const void *from,
                          size_t len)
{
    union {
        const void *in;
        void *out;
    } base = { .in = from };
    struct iovec local = { .iov_base = base.out, .iov_len = len };
    ssize_t n = count == 0 || len == 0 ? 0 : process_vm_writev(tid, &local, 1, remote, count, 0);
    return n < 0 ? -errno : n;
}

/* Our duplicate of (pid, fd) if it is the socket with that inode number. */
static int holder_try(struct naru_tasks *tasks, pid_t pid, int fd, ino_t inode)
{
    int ours = naru_task_getfd(tasks, pid, fd);
    struct stat st;
    if (ours < 0)
        return ours;
    if (fstat(ours, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_ino == inode)
        return ours;
    close(ours);
    return -ENOENT;
}

static int holder_in_process(struct naru_tasks *tasks, pid_t pid, ino_t inode)
{
    char path[64], want[64], link[64];
    int found = -ENOENT;
    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    snprintf(want, sizeof want, "socket:[%llu]", (unsigned long long)inode);
    DIR *dir = opendir(path);
    if (dir == NULL)
        return -ENOENT;

    struct dirent *entry;
    while (found < 0 && (entry = readdir(dir)) != NULL) {
        ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof link - 1);
        if (len <= 0)
            continue;
        link[len] = '\0';
        if (strcmp(link, want) == 0)
            found = holder_try(tasks, pid, (int)strtol(entry->d_name, NULL, 10), inode);
    }
    closedir(dir);
    return found;
}

static int holder_below(struct naru_tasks *tasks, pid_t pid, ino_t inode, int depth);

/* The children that one thread of a process has forked, and theirs. */
static int holder_below_thread(struct naru_tasks *tasks, pid_t tid, ino_t inode, int depth)
{
    char name[64], text[16384];
    snprintf(name, sizeof name, "task/%d/children", (int)tid);
    if (proc_read(tid, name, text, sizeof text) <= 0)
        return -ENOENT;

    char *at = text, *end;
    for (long child; (child = strtol(at, &end, 10)) > 0; at = end) {
        int fd = holder_in_process(tasks, (pid_t)child, inode);
        if (fd < 0)
            fd = holder_below(tasks, (pid_t)child, inode, depth - 1);
        if (fd >= 0)
            return fd;
    }
    return -ENOENT;
}

/* Depth is bounded: programs are not that deep. */
static int holder_below(struct naru_tasks *tasks, pid_t pid, ino_t inode, int depth)
{
    char path[64];
    int found = -ENOENT;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *dir = depth > 0 ? opendir(path) : NULL;
    if (dir == NULL)
        return -ENOENT;

    struct dirent *entry;
    while (found < 0 && (entry = readdir(dir)) != NULL) {
        long tid = strtol(entry->d_name, NULL, 10);
        if (tid > 0)
            found = holder_below_thread(tasks, (pid_t)tid, inode, depth);
    }
    closedir(dir);
    return found;
}

int naru_task_find_holder(struct naru_tasks *tasks, pid_t hint_pid, int hint_fd, ino_t inode)
{
    int fd = hint_pid > 0 ? holder_try(tasks, hint_pid, hint_fd, inode) : -ENOENT;
    return fd >= 0 ? fd : holder_below(tasks, getpid(), inode, 16);
}
