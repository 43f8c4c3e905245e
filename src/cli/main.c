/*
 * naru: which subcommand.
 */
#include "cli/command.h"

#include <stdio.h>
#include <string.h>

static const char usage[] =
    "naru: a TCP/IP stack of its own for any program\n"
    "\n"
    "  naru run [options] -- PROGRAM [ARGS...]   run a program on it (naru run --help)\n"
    "  naru doctor [--json]                      what works on this machine, and how to fix the "
    "rest\n"
    "  naru --version\n"
    "  naru --help\n"
    "\n"
    "The manual: man naru\n";

int main(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "";
    if (strcmp(word, "run") == 0)
        return naru_command_run(argc - 1, argv + 1);
    if (strcmp(word, "doctor") == 0)
        return naru_command_doctor(argc - 1, argv + 1);
    if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
        puts("naru " NARU_VERSION);
        return 0;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        fputs(usage, stdout);
        return 0;
    }
    if (argc < 2)
        fputs("naru: expected run, doctor, --version or --help\n", stderr);
    else
        fprintf(stderr, "naru: %s: expected run, doctor, --version or --help\n", word);
    return NARU_EXIT_USAGE;
}
