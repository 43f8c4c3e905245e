/*
 * What the files of the parser share.
 */
#ifndef NARU_PKT_PARSE_H
#define NARU_PKT_PARSE_H

#include "pkt/scan.h"

/* From behind the event's time. */
void naru_parse_packet(struct naru_scan *s, struct naru_script_packet *packet);
void naru_parse_call(struct naru_scan *s, struct naru_script_call *call);

#endif
