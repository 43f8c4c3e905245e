/*
 * The words of scripts that stand for numbers: constants of the sockets interface, errno names, the
 * states and flags of TCP_INFO.
 */
#ifndef NARU_PKT_SYMBOLS_H
#define NARU_PKT_SYMBOLS_H

#include <stdbool.h>
#include <stdint.h>

bool naru_symbol_find(const char *name, int64_t *value);

/* "ECONNRESET", or the number as text. */
const char *naru_symbol_errno(int error, char buf[16]);

#endif
