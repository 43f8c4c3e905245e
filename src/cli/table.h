/* naru-sim --table: goodput over round trips, losses and rates (lab/goodput.h). */
#ifndef NARU_CLI_TABLE_H
#define NARU_CLI_TABLE_H

#include <stdbool.h>

/* Prints docs/goodput.md, or an object a line.  fast: the cheap cells alone, "-" for the others.
 * Exit status: 1 if a cell stalls or falls short. */
int naru_cli_table(bool json, bool fast);

#endif
