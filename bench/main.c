/*
 * naru-bench: what naru costs, with what memory alone would cost beside it.
 */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The processor's time and not the wall's: who takes the processor away from us costs us nothing.
 */
double bench_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec * 1e-9;
}

static _Noreturn void usage(int status)
{
    FILE *out = status == 0 ? stdout : stderr;
    fprintf(out, "usage: naru-bench [--rows NAME,...] [--seconds S] [--repeats N] [--json]\n"
                 "       naru-bench --shards N [--seconds S] [--repeats N] [--json]\n"
                 "       naru-bench --memory\n"
                 "       naru-bench --fixed NAME\n"
                 "\n"
                 "  --rows NAME,...  these rows, or all whose names begin so; each with its -v6\n"
                 "  --seconds S      of each measurement; 0.3\n"
                 "  --repeats N      of each row, medians count; 5\n"
                 "  --json           an object a row\n"
                 "  --shards N       N threads with a pair of stacks each, beside one, in turns\n"
                 "  --memory         bytes of each kind of object, as a table\n"
                 "  --fixed NAME     the same small piece of work each time, to count the\n"
                 "                   instructions of\n"
                 "  --help           this\n"
                 "\n"
                 "rows:");
    size_t column = 5;
    for (unsigned i = 0; i < bench_row_count; i++) {
        column += 1 + strlen(bench_rows[i].name);
        bool wrap = column > 80;
        fprintf(out, "%s %s", wrap ? "\n     " : "", bench_rows[i].name);
        if (wrap)
            column = 6 + strlen(bench_rows[i].name);
    }
    fprintf(out, "\n");
    exit(status);
}

static double number(const char *text, double least, double most)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (errno != 0 || end == text || *end != '\0' || !(value >= least && value <= most))
        usage(2);
    return value;
}

static unsigned count(const char *text, unsigned least, unsigned most)
{
    double value = number(text, least, most);
    if (value != (double)(unsigned)value)
        usage(2);
    return (unsigned)value;
}

int main(int argc, char **argv)
{
    enum { ROWS = 256, SECONDS, REPEATS, JSON, SHARDS, MEMORY, FIXED, HELP };
    static const struct option names[] = {
        { "rows", required_argument, NULL, ROWS },
        { "seconds", required_argument, NULL, SECONDS },
        { "repeats", required_argument, NULL, REPEATS },
        { "json", no_argument, NULL, JSON },
        { "shards", required_argument, NULL, SHARDS },
        { "memory", no_argument, NULL, MEMORY },
        { "fixed", required_argument, NULL, FIXED },
        { "help", no_argument, NULL, HELP },
        { NULL, 0, NULL, 0 },
    };
    struct bench_options options = { .seconds = 0.3, .repeats = 5 };
    const char *fixed = NULL;
    bool memory = false;
    for (int option; (option = getopt_long(argc, argv, "", names, NULL)) != -1;) {
        if (option == ROWS)
            options.rows = optarg;
        else if (option == SECONDS)
            options.seconds = number(optarg, 0.001, 3600);
        else if (option == REPEATS)
            options.repeats = count(optarg, 1, BENCH_REPEATS_MAX);
        else if (option == JSON)
            options.json = true;
        else if (option == SHARDS)
            options.shards = count(optarg, 2, BENCH_SHARDS_MAX);
        else if (option == MEMORY)
            memory = true;
        else if (option == FIXED)
            fixed = optarg;
        else
            usage(option == HELP ? 0 : 2);
    }
    if (optind != argc || memory + (fixed != NULL) + (options.shards > 0) > 1)
        usage(2);
    if (fixed != NULL)
        return bench_fixed(fixed) ? 0 : (usage(2), 2);
    if (memory) {
        bench_memory();
        return 0;
    }
    if (options.shards > 0) {
        bench_shards(&options);
        return 0;
    }
    return bench_run(&options) ? 0 : 2;
}
