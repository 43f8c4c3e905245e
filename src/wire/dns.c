/*
 * DNS messages (see dns.h; names are in dns_name.c).
 */
#include "wire/dns.h"

#include "base/addr.h"

#include <string.h>

enum { ID = 0, FLAGS = 2, QDCOUNT = 4, ANCOUNT = 6, NSCOUNT = 8, ARCOUNT = 10 };
enum {
    QR = 0x8000,
    AA = 0x0400,
    TC = 0x0200,
    RD = 0x0100,
    RA = 0x0080,
    AD = 0x0020,
    CD = 0x0010,
    OPCODE_SHIFT = 11,
};
enum { QUESTION_TAIL = 4, RECORD_TAIL = 10 };

enum naru_drop naru_dns_parse(struct naru_span *in, struct naru_dns_hdr *h)
{
    const uint8_t *p = naru_span_take(in, NARU_DNS_LEN);
    if (p == NULL)
        return NARU_DROP_DNS_SHORT;

    unsigned flags = naru_get16(p + FLAGS);
    h->id = naru_get16(p + ID);
    h->response = (flags & QR) != 0;
    h->opcode = flags >> OPCODE_SHIFT & 0xf;
    h->aa = (flags & AA) != 0;
    h->tc = (flags & TC) != 0;
    h->rd = (flags & RD) != 0;
    h->ra = (flags & RA) != 0;
    h->ad = (flags & AD) != 0;
    h->cd = (flags & CD) != 0;
    h->rcode = flags & 0xf;
    h->questions = naru_get16(p + QDCOUNT);
    h->answers = naru_get16(p + ANCOUNT);
    h->authorities = naru_get16(p + NSCOUNT);
    h->additionals = naru_get16(p + ARCOUNT);
    return NARU_DROP_NONE;
}

size_t naru_dns_emit(uint8_t *at, const struct naru_dns_hdr *h)
{
    unsigned flags = (h->response ? QR : 0U) | (h->aa ? AA : 0U) | (h->tc ? TC : 0U) |
                     (h->rd ? RD : 0U) | (h->ra ? RA : 0U) | (h->ad ? AD : 0U) | (h->cd ? CD : 0U) |
                     (h->opcode & 0xfU) << OPCODE_SHIFT | (h->rcode & 0xfU);
    naru_put16(at + ID, h->id);
    naru_put16(at + FLAGS, flags);
    naru_put16(at + QDCOUNT, h->questions);
    naru_put16(at + ANCOUNT, h->answers);
    naru_put16(at + NSCOUNT, h->authorities);
    naru_put16(at + ARCOUNT, h->additionals);
    return NARU_DNS_LEN;
}

/* len bytes of the message at *at, which moves on; NULL: there are not so many. */
static const uint8_t *take(struct naru_span message, size_t *at, size_t len)
{
    if (*at > message.len || len > message.len - *at)
        return NULL;
    const uint8_t *p = message.at + *at;
    *at += len;
    return p;
}

enum naru_drop naru_dns_question_parse(struct naru_span message, size_t *at,
                                       struct naru_dns_question *q)
{
    enum naru_drop drop = naru_dns_name_parse(message, at, &q->name);
    if (drop != NARU_DROP_NONE)
        return drop;
    const uint8_t *p = take(message, at, QUESTION_TAIL);
    if (p == NULL)
        return NARU_DROP_DNS_SHORT;
    q->qtype = naru_get16(p);
    q->qclass = naru_get16(p + 2);
    return NARU_DROP_NONE;
}

enum naru_drop naru_dns_record_parse(struct naru_span message, size_t *at,
                                     struct naru_dns_record *r)
{
    enum naru_drop drop = naru_dns_name_parse(message, at, &r->name);
    if (drop != NARU_DROP_NONE)
        return drop;
    const uint8_t *p = take(message, at, RECORD_TAIL);
    if (p == NULL)
        return NARU_DROP_DNS_SHORT;
    r->type = naru_get16(p);
    r->rclass = naru_get16(p + 2);
    r->ttl_s = naru_get32(p + 4);
    size_t len = naru_get16(p + 8);
    const uint8_t *data = take(message, at, len);
    if (data == NULL)
        return NARU_DROP_DNS_SHORT;
    r->data = naru_span(data, len);
    return NARU_DROP_NONE;
}

bool naru_dns_addr(const struct naru_dns_record *r, struct naru_addr *addr)
{
    if (r->rclass != NARU_DNS_IN)
        return false;
    if (r->type == NARU_DNS_A && r->data.len == 4)
        *addr = naru_addr_from4(r->data.at);
    else if (r->type == NARU_DNS_AAAA && r->data.len == 16)
        *addr = naru_addr_from16(r->data.at);
    else
        return false;
    return true;
}

bool naru_dns_question_emit(struct naru_writer *w, const struct naru_dns_question *q)
{
    uint8_t *p = naru_writer_take(w, (size_t)q->name.len + QUESTION_TAIL);
    if (p == NULL)
        return false;
    memcpy(p, q->name.b, q->name.len);
    p += q->name.len;
    naru_put16(p, q->qtype);
    naru_put16(p + 2, q->qclass);
    return true;
}

bool naru_dns_record_emit(struct naru_writer *w, const struct naru_dns_record *r)
{
    if (r->data.len > 0xffff)
        return false;
    uint8_t *p = naru_writer_take(w, (size_t)r->name.len + RECORD_TAIL + r->data.len);
    if (p == NULL)
        return false;
    memcpy(p, r->name.b, r->name.len);
    p += r->name.len;
    naru_put16(p, r->type);
    naru_put16(p + 2, r->rclass);
    naru_put32(p + 4, r->ttl_s);
    naru_put16(p + 8, (unsigned)r->data.len);
    if (r->data.len > 0)
        memcpy(p + RECORD_TAIL, r->data.at, r->data.len);
    return true;
}
