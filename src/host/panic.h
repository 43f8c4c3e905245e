/*
 * The engine's panic hook: called when an assertion fails, that is when naru itself is wrong.
 *
 * host/panic.c has a weak definition that prints one line to standard error and aborts; an embedder
 * who defines naru_panic gets his own.
 */
#ifndef NARU_HOST_PANIC_H
#define NARU_HOST_PANIC_H

_Noreturn void naru_panic(const char *file, int line, const char *what);

#endif
