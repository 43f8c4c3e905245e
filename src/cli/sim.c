/*
 * naru-sim: simulations by the thousand, each from its number.
 *
 *     naru-sim [--seed N] [--runs M] [--twice] [--long-way] [--json] [--pcapng FILE]
 *     naru-sim --table [--fast] [--json]
 *
 * A seed that fails is run again with a capture, and the line that repeats it is printed.
 */
#include "lab/sim.h"
#include "cli/table.h"
#include "host/pcapng.h"

#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    uint64_t seed, runs;
    bool twice, long_way, json, verbose, table, fast;
    const char *capture;
};

/* What an assertion says last. */
static char words[96];
static volatile sig_atomic_t words_len;

static const char usage[] =
    "usage: naru-sim [--seed N] [--runs M] [--twice] [--long-way] [--json] [--verbose]\n"
    "                [--pcapng FILE]\n"
    "       naru-sim --table [--fast] [--json]\n"
    "\n"
    "Runs M simulations (1), of the seeds N, N+1, ... (1): hosts behind links that lose,\n"
    "reorder, duplicate, corrupt and delay, with applications that write, read, stop and\n"
    "abort as they like, in virtual time.  Exit status 0 when all of them hold.\n"
    "\n"
    "  --twice        each seed three times; all must send the same bytes at the same times: the\n"
    "                 third is with --long-way\n"
    "  --long-way     without the short way that usual segments take (config.tcp_quick)\n"
    "  --json         one object a line\n"
    "  --verbose      one line a seed\n"
    "  --pcapng FILE  writes all hosts' frames of the first seed, or of the one that fails\n"
    "                 (naru-sim-SEED.pcapng if not given)\n"
    "\n"
    "  --table        goodput of one connection over round trips, losses and rates, beside what\n"
    "                 is possible (docs/goodput.md); exit status 1 when a cell stalls\n"
    "  --fast         the cells of it that take a moment\n";

static void last_words(int signal)
{
    (void)!write(STDERR_FILENO, words, (size_t)words_len);
    (void)signal;
}

static bool number(const char *text, uint64_t *out)
{
    char *end;
    *out = strtoull(text, &end, 10);
    return text[0] >= '0' && text[0] <= '9' && *end == '\0';
}

static bool parse(int argc, char **argv, struct options *o)
{
    for (int i = 1; i < argc; i++) {
        bool more = i + 1 < argc;
        if (strcmp(argv[i], "--twice") == 0)
            o->twice = true;
        else if (strcmp(argv[i], "--long-way") == 0)
            o->long_way = true;
        else if (strcmp(argv[i], "--json") == 0)
            o->json = true;
        else if (strcmp(argv[i], "--verbose") == 0)
            o->verbose = true;
        else if (strcmp(argv[i], "--table") == 0)
            o->table = true;
        else if (strcmp(argv[i], "--fast") == 0)
            o->fast = true;
        else if (strcmp(argv[i], "--pcapng") == 0 && more)
            o->capture = argv[++i];
        else if (strcmp(argv[i], "--seed") == 0 && more && number(argv[i + 1], &o->seed))
            i++;
        else if (strcmp(argv[i], "--runs") == 0 && more && number(argv[i + 1], &o->runs))
            i++;
        else {
            fprintf(stderr, "naru-sim: %s: not understood; --help tells the options\n", argv[i]);
            return false;
        }
    }
    return true;
}

/* The same simulation once more, with all frames in a file. */
static void capture(const struct options *o, uint64_t seed, const char *file)
{
    struct naru_sim_options sim = { .seed = seed,
                                    .trace = naru_pcapng_event,
                                    .long_way = o->long_way };
    struct naru_sim_result result;
    struct naru_pcapng *pcapng;
    int fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    struct naru_pcapng_config config = { .fd = fd, .program = "naru-sim" };
    if (fd < 0 || naru_pcapng_open(&config, &pcapng) < 0) {
        fprintf(stderr, "naru-sim: %s: cannot be written\n", file);
        return;
    }
    for (unsigned n = 0; n < NARU_SIM_HOSTS; n++) {
        char name[8];
        snprintf(name, sizeof(name), "host%u", n);
        sim.trace_user[n] = naru_pcapng_add_source(pcapng, name);
    }
    naru_sim_run(&sim, &result);
    (void)naru_pcapng_close(pcapng);
    close(fd);
    fprintf(stderr, "naru-sim: the frames are in %s\n", file);
}

static void print(const struct options *o, uint64_t seed, const struct naru_sim_result *r)
{
    bool failed = r->why[0] != '\0';
    if (o->json)
        printf("{\"seed\": %" PRIu64 ", \"ok\": %s, \"why\": \"%s\", \"frames\": %" PRIu64
               ", \"retransmits\": %" PRIu64 ", \"lost\": %" PRIu64
               ", \"seconds\": %.3f, \"digest\": \"%016" PRIx64 "\"}\n",
               seed, failed ? "false" : "true", r->why, r->frames, r->retransmits, r->lost,
               (double)r->time * 1e-9, r->digest);
    else if (failed || o->verbose)
        printf("%s seed %" PRIu64 ": %s (%s; %" PRIu64 " frames, %" PRIu64 " lost, %.3f s)\n",
               failed ? "FAIL" : "ok  ", seed, failed ? r->why : "holds", r->what, r->frames,
               r->lost, (double)r->time * 1e-9);
    fflush(stdout);
}

static bool run_seed(const struct options *o, uint64_t seed)
{
    struct naru_sim_options sim = { .seed = seed, .long_way = o->long_way };
    struct naru_sim_result result, again;
    words_len = snprintf(words, sizeof(words),
                         "naru-sim: repeat with: naru-sim --seed %" PRIu64 "\n", seed);
    naru_sim_run(&sim, &result);
    for (unsigned n = 1; o->twice && n <= 2 && result.why[0] == '\0'; n++) {
        sim.long_way = o->long_way || n == 2;
        naru_sim_run(&sim, &again);
        if (again.digest != result.digest)
            snprintf(result.why, sizeof(result.why), "two runs sent different bytes%s",
                     n == 2 ? ", by the short way and by the long one" : "");
    }
    print(o, seed, &result);
    return result.why[0] == '\0';
}

static void repeat(const struct options *o, uint64_t seed)
{
    char file[64];
    snprintf(file, sizeof(file), "naru-sim-%" PRIu64 ".pcapng", seed);
    fprintf(stderr, "naru-sim: repeat with: naru-sim --seed %" PRIu64 "\n", seed);
    capture(o, seed, o->capture != NULL ? o->capture : file);
}

int main(int argc, char **argv)
{
    struct options o = { .seed = 1, .runs = 1 };
    uint64_t failed = 0;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, stdout);
            return 0;
        }
    if (!parse(argc, argv, &o))
        return 2;
    if (o.table)
        return naru_cli_table(o.json, o.fast);
    signal(SIGABRT, last_words);
    for (uint64_t i = 0; i < o.runs; i++) {
        if (run_seed(&o, o.seed + i))
            continue;
        if (failed++ == 0)
            repeat(&o, o.seed + i);
    }
    if (failed == 0 && o.capture != NULL)
        capture(&o, o.seed, o.capture);
    if (!o.json)
        printf("%" PRIu64 " passed, %" PRIu64 " failed, 0 skipped\n", o.runs - failed, failed);
    return failed == 0 ? 0 : 1;
}
