/*
 * naru doctor: not there yet.
 */
#include "cli/command.h"

#include <stdio.h>

int naru_command_doctor(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    fputs("naru doctor: not implemented yet\n", stderr);
    return NARU_EXIT_FAILURE;
}
