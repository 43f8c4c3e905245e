/*
 * The checksum with the vector instructions of x86-64; private to csum.c.
 */
#ifndef NARU_BASE_CSUM_X86_H
#define NARU_BASE_CSUM_X86_H

struct naru_csum_ops;

/* The n-th (from 0, slowest first) that this processor runs, or NULL; NULL on other machines. */
const struct naru_csum_ops *naru_csum_ops_x86(unsigned n);

#endif
