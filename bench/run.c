/*
 * Runs the rows.  A row is measured several times, and in each repeat IPv4, what memory asks, and
 * IPv6 come one after the other, in an order that turns around: what is compared is measured in
 * the same moments, and the median of the ratios counts.
 */
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { V4, LIMIT, BESIDE, V6, PARTS };

double bench_median(const double *values, unsigned count)
{
    double sorted[BENCH_REPEATS_MAX];
    for (unsigned i = 0; i < count; i++) {
        unsigned at = i;
        for (; at > 0 && sorted[at - 1] > values[i]; at--)
            sorted[at] = sorted[at - 1];
        sorted[at] = values[i];
    }
    return count % 2 == 1 ? sorted[count / 2] : (sorted[count / 2 - 1] + sorted[count / 2]) / 2;
}

/* name is this row's, with or without -v6, or the beginning of it; *exact: it is all of it. */
static bool names(const char *name, size_t len, const char *row, bool *exact)
{
    *exact = false;
    if (strncmp(row, name, len) == 0) {
        *exact = row[len] == '\0';
        return true;
    }
    size_t row_len = strlen(row);
    *exact = len == row_len + 3 && strncmp(name, row, row_len) == 0 &&
             strncmp(name + row_len, "-v6", 3) == 0;
    return *exact;
}

/* Marks the rows that one word of the list means: the one of that name, or all that begin so. */
static bool mark(const char *name, size_t len, bool *wanted)
{
    bool exact, any = false;
    for (unsigned i = 0; i < bench_row_count; i++) {
        if (names(name, len, bench_rows[i].name, &exact) && exact)
            return wanted[i] = true;
    }
    for (unsigned i = 0; i < bench_row_count && len > 0; i++) {
        const struct bench_beside *beside = bench_rows[i].beside;
        if (names(name, len, bench_rows[i].name, &exact) ||
            (beside != NULL && names(name, len, beside->name, &exact)))
            any = wanted[i] = true;
    }
    return any;
}

static bool choose(const char *list, bool *wanted)
{
    for (unsigned i = 0; i < bench_row_count; i++)
        wanted[i] = list == NULL;
    for (const char *at = list; at != NULL;) {
        size_t len = strcspn(at, ",");
        if (!mark(at, len, wanted)) {
            fprintf(stderr, "naru-bench: no row is called %.*s\n", (int)len, at);
            return false;
        }
        at = at[len] == ',' ? at + len + 1 : NULL;
    }
    return true;
}

/* MiB that this machine has to give. */
static unsigned memory_available(void)
{
    unsigned long kib = 0;
    char line[128];
    FILE *f = fopen("/proc/meminfo", "r");
    if (f == NULL)
        return UINT32_MAX;
    while (fgets(line, sizeof(line), f) != NULL && sscanf(line, "MemAvailable: %lu", &kib) != 1)
        ;
    fclose(f);
    return (unsigned)(kib / 1024);
}

static void measure(const struct bench_options *options, const struct bench_row *row,
                    void *const state[2], void *beside)
{
    struct bench_figures v4 = { .name = row->name, .suffix = "" };
    struct bench_figures v6 = { .name = row->name, .suffix = "-v6", .v4 = &v4 };
    struct bench_figures other = { .suffix = "", .naru = &v4 };
    v4.count = v6.count = other.count = row->exact ? 1 : options->repeats;
    for (unsigned i = 0; i < v4.count; i++) {
        for (unsigned n = 0; n < PARTS; n++) {
            unsigned part = i % 2 == 0 ? n : PARTS - 1 - n;
            if (part == V4)
                v4.value[i] = row->measure(state[0], options->seconds);
            else if (part == V6)
                v6.value[i] = row->measure(state[1], options->seconds);
            else if (part == BESIDE && beside != NULL)
                other.value[i] = row->beside->measure(beside, options->seconds);
            else if (part == LIMIT && row->limit) {
                v4.limit[i] = bench_row_limit(row, false, options->seconds / 2);
                v6.limit[i] = bench_row_limit(row, true, options->seconds / 2);
            }
        }
    }
    bench_report(options, row, &v4);
    bench_report(options, row, &v6);
    if (beside != NULL) {
        other.name = row->beside->name;
        bench_report(options, row, &other);
    }
}

static void run_row(const struct bench_options *options, const struct bench_row *row,
                    void *const state[2])
{
    const struct bench_beside *beside = row->beside;
    void *other = beside != NULL ? beside->setup->open(beside->setup, false) : NULL;
    measure(options, row, state, other);
    if (other != NULL)
        beside->setup->close(other);
}

bool bench_run(const struct bench_options *options)
{
    bool *wanted = bench_calloc(bench_row_count, sizeof(*wanted));
    if (!choose(options->rows, wanted)) {
        free(wanted);
        return false;
    }
    const struct bench_setup *held = NULL;
    void *state[2] = { NULL, NULL };
    bench_report_head(options);
    for (unsigned i = 0; i < bench_row_count; i++) {
        const struct bench_row *row = &bench_rows[i];
        if (!wanted[i])
            continue;
        if (row->setup != held) {
            for (int f = 0; held != NULL && f < 2; f++)
                held->close(state[f]);
            held = NULL;
            if (memory_available() < row->setup->memory_mib) {
                bench_report_skipped(options, row, "too little memory is free here");
                continue;
            }
            held = row->setup;
            for (int f = 0; f < 2; f++)
                state[f] = held->open(held, f == 1);
        }
        run_row(options, row, state);
    }
    for (int f = 0; held != NULL && f < 2; f++)
        held->close(state[f]);
    free(wanted);
    return true;
}
