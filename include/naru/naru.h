/* All of libnaru's engine. */
#ifndef NARU_NARU_H
#define NARU_NARU_H

#include <naru/drop.h>
#include <naru/pkt.h>
#include <naru/sock.h>
#include <naru/stack.h>
#include <naru/trace.h>
#include <naru/types.h>

#endif
