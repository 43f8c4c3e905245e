/*
 * The tasks of the supervised program: their memory, descriptors and pending signals.
 *
 * A notification names a thread (tid), never a process.  All that the supervisor wants of it goes
 * through two doors of the kernel: process_vm_readv/writev for memory and pidfd_getfd for
 * descriptors.  Both are checked like ptrace; a descendant of ours that is dumpable passes.
 *
 * Everything here returns 0 (or a count, a descriptor) or a negative errno.  A task may die between
 * any two calls: -ESRCH then, or a tid that belongs to another by now, which is why whoever copies
 * from a task asks afterwards if its notification is still valid.
 */
#ifndef NARU_RUN_TASK_H
#define NARU_RUN_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#define NARU_TASK_SLOTS 256

/* pidfds of tasks that called lately: opening one costs more than everything else of a call. */
struct naru_tasks {
    struct {
        pid_t tid; /* 0: empty */
        int pidfd;
    } slot[NARU_TASK_SLOTS];
};

void naru_tasks_init(struct naru_tasks *tasks);
void naru_tasks_deinit(struct naru_tasks *tasks);

/* Our own close-on-exec duplicate of the task's descriptor.  -EBADF: it has no such descriptor. */
int naru_task_getfd(struct naru_tasks *tasks, pid_t tid, int fd);

/* Copies exactly len bytes; -EFAULT if any of them is not there. */
int naru_task_read(pid_t tid, uint64_t address, void *to, size_t len);
int naru_task_write(pid_t tid, uint64_t address, const void *from, size_t len);

/* The task's iovecs against one buffer of ours: as many bytes as both have room for. */
ssize_t naru_task_gather(pid_t tid, const struct iovec *remote, size_t count, void *to, size_t len);
ssize_t naru_task_scatter(pid_t tid, const struct iovec *remote, size_t count, const void *from,
                          size_t len);

/* A signal is pending that the task does not block; true too if the task is gone. */
bool naru_task_signalled(pid_t tid);

/* The process a thread belongs to, or tid itself if that cannot be told. */
pid_t naru_task_process(pid_t tid);

/*
 * A duplicate of any descriptor that some descendant of ours has for the socket with that inode
 * number, looking at (hint_pid, hint_fd) first.  -ENOENT if nobody has it.  Slow without a hint
 * that holds: it looks through /proc.
 */
int naru_task_find_holder(struct naru_tasks *tasks, pid_t hint_pid, int hint_fd, ino_t inode);

#endif
