/*
 * A packet as one line of text, in tcpdump's language (`tcpdump -n -S`), for traces and tests.
 *
 *     IP 10.0.2.100.43210 > 10.0.2.2.80: Flags [S], seq 0, win 65535, options [mss 1460,sackOK,TS
 *         val 1 ecr 0,nop,wscale 8], length 0
 *     ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28
 *
 * Takes any bytes: what is cut off is shown as far as it goes and then as [|tcp], what is malformed
 * as [bad ...].  Sequence numbers are as in the packet; who wants relative ones parses, subtracts,
 * and calls naru_show_tcp.  Checksums are not looked at.
 */
#ifndef NARU_WIRE_SHOW_H
#define NARU_WIRE_SHOW_H

#include "base/text.h"
#include "wire/tcp.h"

/* An Ethernet frame; MAC addresses are shown only where the payload is neither IP nor ARP. */
void naru_show_frame(struct naru_text *t, const uint8_t *frame, size_t len);

/* An IPv4 or IPv6 packet, told apart by its first byte. */
void naru_show_packet(struct naru_text *t, const uint8_t *packet, size_t len);

/*
 * A TCP header that is parsed already, options in the order naru writes them: "Flags [S.], seq 5,
 * ack 1, win 512, length 0".
 */
void naru_show_tcp(struct naru_text *t, const struct naru_tcp_hdr *h, size_t payload_len);

/* "S", "S.", "FP.", "none": the flags as tcpdump has them. */
void naru_show_tcp_flags(struct naru_text *t, unsigned flags);

/*
 * ---- Parts of the above: what an IP packet carries.  in is as much of it as there is, len how
 * long it is by the IP header ----
 */

/* Without ports: "Flags [.], ..." */
void naru_show_segment(struct naru_text *t, struct naru_span in, size_t len);

/* "ICMP echo request, id 1, seq 2, length 64", "igmp v2 report 224.1.1.1", "ICMP6, ..." */
void naru_show_icmp(struct naru_text *t, struct naru_span in, size_t len);
void naru_show_igmp(struct naru_text *t, struct naru_span in);
void naru_show_icmpv6(struct naru_text *t, struct naru_span in, size_t len);

/* "udp", or "ip-proto-253" of one without a name. */
void naru_show_proto(struct naru_text *t, uint8_t proto);

#endif
