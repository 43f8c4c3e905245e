/*
 * The subcommands of naru.  Each gets its own argv (argv[0] is its name) and returns the exit
 * status.
 */
#ifndef NARU_CLI_COMMAND_H
#define NARU_CLI_COMMAND_H

#define NARU_VERSION "0.1.0"

/* naru itself, as env and shells say it. */
#define NARU_EXIT_USAGE   2   /* a wrong option or argument */
#define NARU_EXIT_FAILURE 125 /* naru cannot start */

int naru_command_run(int argc, char **argv);
int naru_command_doctor(int argc, char **argv);

#endif
