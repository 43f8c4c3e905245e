/*
 * What watches a run: capture, text trace, ladder.
 */
#ifndef NARU_CLI_WATCH_H
#define NARU_CLI_WATCH_H

#include "cli/options.h"
#include "host/pcapng.h"
#include "host/tracefan.h"
#include "host/tracetext.h"

struct naru_config;
struct naru_ladder;

struct naru_cli_watch {
    struct naru_trace_fan program_fan, gateway_fan;
    struct naru_pcapng *capture;
    struct naru_pcapng_source *capture_source;
    int capture_fd;
    struct naru_trace_text text;
    struct naru_ladder *ladder;
};

/* 0, or a negative errno after a line on standard error. */
int naru_cli_watch_open(struct naru_cli_watch *watch, const struct naru_run_options *options);
/* Lets the program's stack be heard; before it is made. */
void naru_cli_watch_hook(struct naru_cli_watch *watch, struct naru_config *config);
/* How the interface is called in what is written.  0: there is none. */
void naru_cli_watch_name(struct naru_cli_watch *watch, unsigned ifindex, const char *name);
/* Writes what is held, and the ladder. */
void naru_cli_watch_close(struct naru_cli_watch *watch);

#endif
