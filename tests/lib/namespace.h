/*
 * A network namespace for a test of its own, as root or with a user namespace.
 */
#ifndef NARU_TESTS_NAMESPACE_H
#define NARU_TESTS_NAMESPACE_H

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static inline bool namespace_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    bool done = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0)
        close(fd);
    return done;
}

static inline bool namespace_enter(void)
{
    char map[64];
    if (unshare(CLONE_NEWNET) == 0)
        return true;
    snprintf(map, sizeof(map), "0 %u 1", (unsigned)getuid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 &&
           namespace_write("/proc/self/setgroups", "deny") &&
           namespace_write("/proc/self/uid_map", map);
}

/* Is there what a TAP needs?  Says what is missing; the test then ends with 77. */
static inline bool namespace_with_tap(void)
{
    if (!namespace_enter())
        puts("needs to make network namespaces, which this machine does not allow");
    else if (access("/dev/net/tun", R_OK | W_OK) != 0)
        puts("needs /dev/net/tun, which is not there or not open to this user");
    else
        return true;
    return false;
}

#endif
