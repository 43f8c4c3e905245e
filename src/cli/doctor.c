/*
 * naru doctor: what works on this machine, and how to mend what does not.
 *
 * Everything is tried, nothing concluded from version numbers.  One line per check; the three modes
 * come last, each the sum of its checks.  The exit status is 0 if `naru run --net user` works.
 */
#include "cli/command.h"
#include "host/tap.h"
#include "run/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

enum verdict { OK, NOTE, BAD };

static const char *const verdict_text[] = { "ok", "note", "FIX" };

struct report {
    struct json_object *checks; /* NULL: text */
};

/* One line: how it is, and, unless it is well, what to do. */
__attribute__((format(printf, 4, 5))) static void say(struct report *report, enum verdict verdict,
                                                      const char *name, const char *format, ...)
{
    char text[400];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    if (report->checks == NULL) {
        printf("%-4s  %-18s %s\n", verdict_text[verdict], name, text);
        return;
    }
    struct json_object *line = json_object_new_object();
    json_object_object_add(line, "check", json_object_new_string(name));
    json_object_object_add(line, "verdict", json_object_new_string(verdict_text[verdict]));
    json_object_object_add(line, "text", json_object_new_string(text));
    json_object_array_add(report->checks, line);
}

/* The number in a file of /proc, or otherwise if there is no such file. */
static long read_number(const char *path, long otherwise)
{
    long value = otherwise;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return otherwise;
    if (fscanf(file, "%ld", &value) != 1)
        value = otherwise;
    fclose(file);
    return value;
}

/* ---- What every mode needs ---- */

static void check_kernel(struct report *report, const struct naru_run_probe *probe)
{
    struct utsname name;
    uname(&name);
    if (!probe->wait_killable)
        say(report, NOTE, "kernel",
            "Linux %s: before 5.19 answers can be lost in a storm of signals; best is 6.6 or newer",
            name.release);
    else if (!probe->sync_wake_up && probe->filter == 0)
        say(report, NOTE, "kernel",
            "Linux %s works; 6.6 or newer answers socket calls 6 times "
            "faster",
            name.release);
    else
        say(report, OK, "kernel", "Linux %s", name.release);
}

static bool check_notification(struct report *report, const struct naru_run_probe *probe)
{
    if (probe->filter == -EBUSY)
        say(report, BAD, "seccomp",
            "a supervisor is above this shell already (another naru run, or a container manager "
            "with a seccomp listener); start naru outside of it");
    else if (probe->filter < 0)
        say(report, BAD, "seccomp",
            "user notification is refused (%s): Linux 5.14 is needed, and in a container "
            "--security-opt seccomp=unconfined",
            strerror(-probe->filter));
    else
        say(report, OK, "seccomp", "user notification%s",
            probe->wait_killable ? " with WAIT_KILLABLE_RECV" : "");
    return probe->filter == 0;
}

static bool check_reach(struct report *report, const struct naru_run_probe *probe)
{
    long scope = read_number("/proc/sys/kernel/yama/ptrace_scope", 0);
    if (probe->filter < 0)
        return false;
    if (probe->listener < 0 || probe->memory < 0 || probe->add_fd < 0) {
        int error = probe->listener < 0 ? probe->listener
                    : probe->memory < 0 ? probe->memory
                                        : probe->add_fd;
        say(report, BAD, "reach into child", "%s: %s", strerror(-error),
            scope > 1 ? "as root: sysctl kernel.yama.ptrace_scope=1"
                      : "in a container: --cap-add SYS_PTRACE, or a seccomp profile that allows "
                        "pidfd_getfd and process_vm_readv");
        return false;
    }
    say(report, OK, "reach into child", "pidfd_getfd, process_vm_readv, ADDFD%s (Yama: %ld)",
        probe->pidfd_thread ? ", PIDFD_THREAD" : "", scope);
    return true;
}

static void check_files(struct report *report)
{
    struct rlimit limit = { 0 };
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < 4096)
        say(report, NOTE, "open files",
            "at most %llu sockets at once; more: ulimit -Hn, or nofile in "
            "/etc/security/limits.conf",
            (unsigned long long)limit.rlim_max);
    else
        say(report, OK, "open files", "one per socket, at most %llu",
            (unsigned long long)limit.rlim_max);
}

/* ---- user ---- */

static void check_ping(struct report *report)
{
    unsigned long low = 1, high = 0, group = getegid();
    FILE *file = fopen("/proc/sys/net/ipv4/ping_group_range", "re");
    if (file != NULL) {
        if (fscanf(file, "%lu %lu", &low, &high) != 2)
            low = 1, high = 0;
        fclose(file);
    }
    if (low <= group && group <= high)
        say(report, OK, "ping", "the gateway may send echo requests");
    else
        say(report, NOTE, "ping",
            "echo requests do not leave the gateway; as root: sysctl "
            "net.ipv4.ping_group_range=\"0 2147483647\"");
}

static void check_resolver(struct report *report)
{
    char line[256];
    unsigned count = 0;
    FILE *file = fopen("/etc/resolv.conf", "re");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        count += strncmp(line, "nameserver", 10) == 0;
    if (file != NULL)
        fclose(file);
    if (count == 0)
        say(report, NOTE, "DNS", "/etc/resolv.conf names no server; programs will ask 127.0.0.1");
    else
        say(report, OK, "DNS", "%u server%s in /etc/resolv.conf", count, count == 1 ? "" : "s");
}

/* ---- tap ---- */

static bool check_tap(struct report *report)
{
    struct naru_tap_config config;
    struct naru_tap *tap;
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        say(report, NOTE, "/dev/net/tun", "%s: as root: %s", strerror(errno),
            errno == ENOENT ? "modprobe tun (a container: --device /dev/net/tun)"
                            : "chmod 666 /dev/net/tun");
        return false;
    }
    close(fd);
    naru_tap_config_init(&config);
    int error = naru_tap_open(&config, &tap);
    if (error == 0)
        naru_tap_close(tap);
    if (error == 0)
        say(report, OK, "/dev/net/tun", "new TAP devices can be made");
    else
        say(report, NOTE, "/dev/net/tun",
            "only existing TAP devices: as root: ip tuntap add tap0 mode tap vnet_hdr user %u",
            (unsigned)getuid());
    return true;
}

static bool can_unshare(void)
{
    int status = 1;
    pid_t pid = fork();
    if (pid == 0)
        _exit(unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 ? 0 : 1);
    if (pid > 0)
        waitpid(pid, &status, 0);
    return pid > 0 && status == 0;
}

/* Not needed by any mode; good to know for those who make TAPs without root. */
static void check_namespaces(struct report *report)
{
    if (can_unshare())
        say(report, OK, "user namespaces", "can be made (naru does not need them)");
    else if (read_number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", 0) != 0)
        say(report, NOTE, "user namespaces",
            "restricted by AppArmor (naru does not need them); as root: sysctl "
            "kernel.apparmor_restrict_unprivileged_userns=0");
    else
        say(report, NOTE, "user namespaces",
            "cannot be made (naru does not need them); as root: sysctl "
            "user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1");
}

static int check_all(struct report *report)
{
    struct naru_run_probe probe;
    naru_run_probe(&probe);
    check_kernel(report, &probe);
    bool runs = check_notification(report, &probe) && check_reach(report, &probe);
    check_files(report);
    check_ping(report);
    check_resolver(report);
    bool tap = check_tap(report);
    check_namespaces(report);

    const char *broken = "see FIX above";
    say(report, runs ? OK : BAD, "--net user", "%s", runs ? "works" : broken);
    say(report, runs ? (tap ? OK : NOTE) : BAD, "--net tap", "%s",
        !runs ? broken
        : tap ? "works"
              : "not without /dev/net/tun, see above");
    say(report, runs ? OK : BAD, "--net none", "%s", runs ? "works" : broken);
    return runs ? 0 : 1;
}

int naru_command_doctor(int argc, char **argv)
{
    struct report report = { NULL };
    if (argc == 2 && strcmp(argv[1], "--json") == 0) {
        report.checks = json_object_new_array();
    } else if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        puts("naru doctor [--json]: what works on this machine, and how to mend the rest");
        return 0;
    } else if (argc > 1) {
        fprintf(stderr, "naru doctor: %s: expected --json or nothing\n", argv[1]);
        return NARU_EXIT_USAGE;
    }
    int status = check_all(&report);
    if (report.checks != NULL) {
        puts(json_object_to_json_string_ext(report.checks, JSON_C_TO_STRING_PRETTY));
        json_object_put(report.checks);
    }
    return status;
}
