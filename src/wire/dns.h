/*
 * DNS messages (RFC 1035, RFC 3596, RFC 6891 for EDNS(0)).
 *
 * Names are the trap of this format: compressed ones may point in circles, or say that they are
 * longer than the message.  A pointer must lead to before the name it stands in, each further
 * than the last, so a name ends after as many steps as there are bytes; a name has at most 255 of
 * them.
 *
 * Not done: what is inside the records of most types, compression of what is written, updates,
 * signatures.
 */
#ifndef NARU_WIRE_DNS_H
#define NARU_WIRE_DNS_H

#include "base/text.h"
#include "wire/ip.h"

enum {
    NARU_DNS_LEN = 12,
    NARU_DNS_NAME_MAX = 255, /* bytes on the wire, the last 0 included */
    NARU_DNS_LABEL_MAX = 63,
    NARU_DNS_PORT = 53,
};

enum naru_dns_type {
    NARU_DNS_A = 1,
    NARU_DNS_NS = 2,
    NARU_DNS_CNAME = 5,
    NARU_DNS_SOA = 6,
    NARU_DNS_PTR = 12,
    NARU_DNS_MX = 15,
    NARU_DNS_TXT = 16,
    NARU_DNS_AAAA = 28,
    NARU_DNS_SRV = 33,
    NARU_DNS_OPT = 41,
    NARU_DNS_HTTPS = 65,
};

enum { NARU_DNS_IN = 1 }; /* class */

enum naru_dns_rcode {
    NARU_DNS_NOERROR = 0,
    NARU_DNS_FORMERR = 1,
    NARU_DNS_SERVFAIL = 2,
    NARU_DNS_NXDOMAIN = 3,
    NARU_DNS_NOTIMP = 4,
    NARU_DNS_REFUSED = 5,
};

struct naru_dns_hdr {
    uint16_t id;
    bool response;  /* QR */
    uint8_t opcode; /* 0: a query */
    bool aa, tc, rd, ra;
    bool ad, cd;   /* RFC 4035 */
    uint8_t rcode; /* enum naru_dns_rcode */
    uint16_t questions, answers, authorities, additionals;
};

/* Labels as on the wire, without compression: a length and that many bytes each, then a 0. */
struct naru_dns_name {
    uint8_t len;
    uint8_t b[NARU_DNS_NAME_MAX];
};

struct naru_dns_question {
    struct naru_dns_name name;
    uint16_t qtype, qclass;
};

struct naru_dns_record {
    struct naru_dns_name name;
    uint16_t type, rclass;
    uint32_t ttl_s;
    struct naru_span data;
};

/* in becomes what follows the header.  DNS_SHORT. */
enum naru_drop naru_dns_parse(struct naru_span *in, struct naru_dns_hdr *h);

/* Writes NARU_DNS_LEN bytes. */
size_t naru_dns_emit(uint8_t *at, const struct naru_dns_hdr *h);

/*
 * The next of hdr.questions questions, then of all records.  message is the whole of it, *at where
 * to read, NARU_DNS_LEN at first; it moves on.  DNS_SHORT, DNS_NAME.
 */
enum naru_drop naru_dns_question_parse(struct naru_span message, size_t *at,
                                       struct naru_dns_question *q);
enum naru_drop naru_dns_record_parse(struct naru_span message, size_t *at,
                                     struct naru_dns_record *r);

/* A name anywhere in the message, such as at the start of a CNAME's data. */
enum naru_drop naru_dns_name_parse(struct naru_span message, size_t *at,
                                   struct naru_dns_name *name);

/* The address of an A or AAAA record; false if it is neither, or of a wrong length. */
bool naru_dns_addr(const struct naru_dns_record *r, struct naru_addr *addr);

/* False, nothing written: no room. */
bool naru_dns_question_emit(struct naru_writer *w, const struct naru_dns_question *q);
bool naru_dns_record_emit(struct naru_writer *w, const struct naru_dns_record *r);

/* ---- Names ---- */

/* "www.example.org", with or without the last dot; false: empty or too long labels, or all. */
bool naru_dns_name_from_text(struct naru_dns_name *name, const char *text);

/* "100.2.0.10.in-addr.arpa", or under ip6.arpa. */
void naru_dns_name_from_addr(struct naru_dns_name *name, const struct naru_addr *addr);

/* Case does not count. */
bool naru_dns_name_eq(const struct naru_dns_name *a, const struct naru_dns_name *b);

/* "www.example.org"; the root is "."; dots and what cannot be printed as \DDD. */
void naru_dns_name_show(struct naru_text *t, const struct naru_dns_name *name);

#endif
