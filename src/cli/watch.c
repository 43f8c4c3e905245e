/*
 * Capture, text trace and ladder, hung on the trace hooks of the stacks.
 *
 * Captured and traced is the program's stack: the gateway's would only show every packet again. The
 * ladder needs both, for the states on both sides.
 */
#include "cli/watch.h"

#include "cli/command.h"
#include "host/clock.h"
#include "host/ladder.h"

#include <errno.h>
#include <fcntl.h>
#include <naru/stack.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int complain(const char *option, const char *path, int error)
{
    fprintf(stderr, "naru run: %s %s: %s\n", option, path, strerror(error));
    return -error;
}

static void capture_failed(void *user, int error)
{
    (void)user;
    fprintf(stderr, "naru run: the capture ends here: %s\n", strerror(error < 0 ? -error : error));
}

static int open_capture(struct naru_cli_watch *watch, const char *path)
{
    struct naru_pcapng_config config = {
        .wall_offset = naru_clock_wall_offset(),
        .program = "naru " NARU_VERSION,
        .failed = capture_failed,
    };
    if (strcmp(path, "-") == 0)
        watch->capture_fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    else
        watch->capture_fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (watch->capture_fd < 0)
        return complain("--capture", path, errno);
    config.fd = watch->capture_fd;
    int error = naru_pcapng_open(&config, &watch->capture);
    if (error < 0)
        return complain("--capture", path, -error);
    watch->capture_source = naru_pcapng_add_source(watch->capture, "");
    if (watch->capture_source == NULL)
        return complain("--capture", path, ENOMEM);
    naru_pcapng_add_iface(watch->capture_source, 1, "lo");
    naru_trace_fan_add(&watch->program_fan, naru_pcapng_event, watch->capture_source);
    return 0;
}

static int open_trace(struct naru_cli_watch *watch, const char *path)
{
    watch->text.file = strcmp(path, "-") == 0 ? stderr : fopen(path, "we");
    if (watch->text.file == NULL)
        return complain("--trace", path, errno);
    watch->text.origin = naru_clock_now();
    watch->text.flush = watch->text.file == stderr;
    watch->text.iface[1] = "lo";
    naru_trace_fan_add(&watch->program_fan, naru_trace_text_event, &watch->text);
    return 0;
}

int naru_cli_watch_open(struct naru_cli_watch *watch, const struct naru_run_options *options)
{
    int error = 0;
    *watch = (struct naru_cli_watch){ .capture_fd = -1 };
    if (options->capture != NULL)
        error = open_capture(watch, options->capture);
    if (error == 0 && options->trace != NULL)
        error = open_trace(watch, options->trace);
    if (error < 0 || !options->ladder)
        return error;
    watch->ladder = naru_ladder_new(0);
    if (watch->ladder == NULL)
        return complain("--ladder", "", ENOMEM);
    naru_trace_fan_add(&watch->program_fan, naru_ladder_client_event, watch->ladder);
    naru_trace_fan_add(&watch->gateway_fan, naru_ladder_server_event, watch->ladder);
    return 0;
}

void naru_cli_watch_hook(struct naru_cli_watch *watch, struct naru_config *config)
{
    if (watch->program_fan.count == 0)
        return;
    config->trace = naru_trace_fan_event;
    config->trace_user = &watch->program_fan;
}

void naru_cli_watch_name(struct naru_cli_watch *watch, unsigned ifindex, const char *name)
{
    if (ifindex == 0)
        return;
    if (watch->capture_source != NULL)
        naru_pcapng_add_iface(watch->capture_source, ifindex, name);
    if (ifindex < NARU_TRACE_TEXT_IFACES)
        watch->text.iface[ifindex] = name;
}

void naru_cli_watch_close(struct naru_cli_watch *watch)
{
    if (watch->capture != NULL)
        naru_pcapng_close(watch->capture);
    if (watch->capture_fd >= 0)
        close(watch->capture_fd);
    if (watch->text.file != NULL)
        fflush(watch->text.file);
    if (watch->ladder == NULL)
        return;
    fflush(stdout);
    if (!naru_ladder_print(watch->ladder, stderr, "program", "gateway"))
        fputs("naru run: --ladder: the program has opened no TCP connection\n", stderr);
    naru_ladder_free(watch->ladder);
}
