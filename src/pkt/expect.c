/*
 * Packets that a script awaits from the stack.
 *
 * Compared are flags, sequence and acknowledgment numbers, payload, urgent pointer, options and
 * checksums; window, TOS and TTL where the script names them.  One wanted segment may come as
 * several: of the same acknowledgment and window, contiguous, all but the last of one length; PSH,
 * FIN and options are then those of the last.
 *
 * Order and padding of options are each stack's own habit: for scripts of another stack's habits
 * (profile freebsd) the options are compared as a set.
 */
#include "base/addr.h"
#include "pkt/play.h"

#include <stdio.h>
#include <string.h>

enum { EOL = 0, NOP = 1, SACK = 5, TS = 8, TEXT = 400, PATIENCE_S = 300, EARLY_MS = 10 };

/* The wanted packet, and what came for it. */
struct match {
    struct naru_play *p;
    const struct naru_script_packet *want;
    const struct naru_seen *seen; /* the last one */
    uint32_t seq, len;            /* of all together */
    uint16_t flags;
    naru_time at;
    naru_time low, high, tolerance;
    bool timed;
};

/* ---- What went wrong ---- */

static void fail_match(const struct match *m, const char *why)
{
    char want[TEXT], got[TEXT], when[80] = "";
    struct naru_seen all = *m->seen; /* its header only */
    naru_show_wanted(m->want, want, sizeof(want));
    all.tcp.seq = naru_seq_of(m->seq);
    all.tcp.flags = m->flags;
    all.payload_len = m->len;
    naru_show_seen(m->p, &all, got, sizeof(got));
    if (m->timed)
        snprintf(when, sizeof(when), " (%.6f", (double)naru_play_time(m->low) / 1e9);
    if (m->timed && m->high != m->low)
        snprintf(when + strlen(when), sizeof(when) - strlen(when), "~%.6f",
                 (double)naru_play_time(m->high) / 1e9);
    if (m->timed)
        snprintf(when + strlen(when), sizeof(when) - strlen(when), ")");
    naru_play_fail(m->p, "wanted %s%s, got %s at %.6f: %s", want, when, got,
                   (double)naru_play_time(m->at) / 1e9, why);
}

static void fail_silence(const struct match *m)
{
    char want[TEXT];
    naru_show_wanted(m->want, want, sizeof(want));
    naru_play_fail(m->p, "wanted %s, got nothing, at %.6f", want,
                   (double)naru_play_time(m->timed ? m->high : m->p->now) / 1e9);
}

/* ---- Options ---- */

struct walk {
    const uint8_t *at;
    size_t len;
};

static bool next_option(struct walk *w, struct naru_script_opt *opt)
{
    if (w->len == 0)
        return false;
    opt->kind = w->at[0];
    opt->len = 0;
    size_t size = 1;
    if (opt->kind != EOL && opt->kind != NOP) {
        size = w->len > 1 ? w->at[1] : 0;
        if (size < 2 || size > w->len || size - 2 > sizeof(opt->data))
            return false;
        opt->len = (uint8_t)(size - 2);
        memcpy(opt->data, w->at + 2, opt->len);
    }
    w->at += size;
    w->len -= size;
    return true;
}

/* What an acknowledgment time echoes is not compared, and TS val only against a clock. */
static bool same_option(const struct match *m, const struct naru_script_opt *want,
                        const struct naru_script_opt *got)
{
    if (want->kind != got->kind || want->len != got->len)
        return false;
    if (want->kind != TS)
        return memcmp(want->data, got->data, want->len) == 0;
    const struct naru_play_conn *c = m->p->conn;
    naru_time tick = m->p->options.ts_tick;
    if (tick == 0 || c->stamp_count == 0)
        return true;
    int64_t script = (int32_t)(naru_get32(want->data) - c->stamp[0].script) * tick;
    int64_t live = (int32_t)(naru_get32(got->data) - c->stamp[0].live) * NARU_MS(1);
    int64_t off = script > live ? script - live : live - script;
    return off <= NARU_MAX(m->p->options.tolerance, tick);
}

static bool is_padding(const struct naru_script_opt *o) { return o->kind == EOL || o->kind == NOP; }

static bool has_option(const struct match *m, const struct naru_script_opt *want)
{
    struct walk w = { m->seen->options.at, m->seen->options.len };
    struct naru_script_opt got;
    while (next_option(&w, &got))
        if (same_option(m, want, &got))
            return true;
    return false;
}

static bool options_as_set(const struct match *m)
{
    struct walk w = { m->seen->options.at, m->seen->options.len };
    struct naru_script_opt got;
    unsigned wanted = 0, there = 0;
    for (unsigned i = 0; i < m->want->opt_count; i++) {
        if (is_padding(&m->want->opt[i]))
            continue;
        wanted++;
        if (!has_option(m, &m->want->opt[i]))
            return false;
    }
    while (next_option(&w, &got))
        there += !is_padding(&got);
    return wanted == there;
}

static bool options_match(const struct match *m)
{
    struct walk w = { m->seen->options.at, m->seen->options.len };
    struct naru_script_opt got;
    if (m->want->opts_any)
        return true;
    if (m->p->profile == NARU_PLAY_FREEBSD)
        return options_as_set(m);
    for (unsigned i = 0; i < m->want->opt_count; i++)
        if (!next_option(&w, &got) || !same_option(m, &m->want->opt[i], &got))
            return false;
    return w.len == 0;
}

static void learn_stamp(const struct match *m)
{
    struct walk w = { m->seen->options.at, m->seen->options.len };
    struct naru_script_opt got;
    struct naru_play_conn *c = m->p->conn;
    for (unsigned i = 0; i < m->want->opt_count; i++) {
        if (m->want->opt[i].kind != TS || c->stamp_count == NARU_PLAY_STAMPS)
            continue;
        while (next_option(&w, &got))
            if (got.kind == TS && got.len == 8)
                c->stamp[c->stamp_count++] =
                    (struct naru_stamp){ .script = naru_get32(m->want->opt[i].data),
                                         .live = naru_get32(got.data) };
    }
}

/* ---- Names and numbers ---- */

static bool ports_match(const struct match *m)
{
    struct naru_play_conn *c = m->p->conn;
    const struct naru_seen *seen = m->seen;
    if (m->want->sport != 0 &&
        (m->want->sport != c->local_port || m->want->dport != c->remote_port)) {
        naru_play_new_conn(m->p, m->want->sport, m->want->dport);
        c = m->p->conn;
    }
    if (c->local_port == 0)
        c->local_port = seen->sport;
    if (c->remote_port == 0)
        c->remote_port = seen->dport;
    return c->local_port == seen->sport && c->remote_port == seen->dport;
}

static const char *check_ip(const struct match *m)
{
    static const uint8_t bits[] = {
        [NARU_SCRIPT_ECN_UNSAID] = 0,        [NARU_SCRIPT_ECN_NONE] = NARU_ECN_NOT_ECT,
        [NARU_SCRIPT_ECT0] = NARU_ECN_ECT0,  [NARU_SCRIPT_ECT1] = NARU_ECN_ECT1,
        [NARU_SCRIPT_ECT01] = NARU_ECN_ECT0, [NARU_SCRIPT_CE] = NARU_ECN_CE,
    };
    const struct naru_script_ip *ip = &m->want->ip;
    const struct naru_seen *seen = m->seen;
    bool v6 = m->p->options.version == NARU_SCRIPT_V6;
    if (seen->broken != NULL)
        return seen->broken;
    if (!naru_addr_eq(&seen->src, &m->p->options.local[v6]) ||
        !naru_addr_eq(&seen->dst, &m->p->options.remote[v6]))
        return "other addresses";
    bool either = ip->ecn == NARU_SCRIPT_ECT01 && (seen->tos & 3) == NARU_ECN_ECT1;
    if (ip->ecn != NARU_SCRIPT_ECN_UNSAID && !either && (seen->tos & 3) != bits[ip->ecn])
        return "the ECN bits differ";
    if (ip->has_tos && ip->tos != seen->tos)
        return "the TOS byte differs";
    if (ip->has_ttl && ip->ttl != seen->ttl)
        return "the TTL differs";
    if (ip->has_flow && ip->flow != seen->flow)
        return "the flow label differs";
    return NULL;
}

static void learn_iss(struct match *m)
{
    struct naru_play_conn *c = m->p->conn;
    bool syn = (m->flags & NARU_TCP_SYN) != 0 && (m->want->flags & NARU_TCP_SYN) != 0;
    if (!syn || (c->iss_known && !m->want->seq_any))
        return;
    c->iss_known = true;
    c->offset = m->seq - m->want->seq;
}

static const char *check_tcp(struct match *m)
{
    const struct naru_script_packet *want = m->want;
    const struct naru_tcp_hdr *h = &m->seen->tcp;
    learn_iss(m);
    if (m->flags != want->flags)
        return "the flags differ";
    if (!want->seq_any && want->seq + m->p->conn->offset != m->seq)
        return "the sequence number differs";
    if (want->len != m->len)
        return "the length differs";
    if (want->has_ack && want->ack != h->ack.v)
        return "the acknowledgment number differs";
    if (want->has_win && want->win != h->wnd)
        return "the window differs";
    if (want->urg != h->urg)
        return "the urgent pointer differs";
    if (!m->seen->payload_zero)
        return "the payload is not what was sent";
    return options_match(m) ? NULL : "the options differ";
}

static const char *check(struct match *m)
{
    static const uint8_t protos[] = {
        [NARU_SCRIPT_TCP] = NARU_PROTO_TCP, [NARU_SCRIPT_UDP] = NARU_PROTO_UDP
    };
    const char *why = check_ip(m);
    if (why != NULL)
        return why;
    if (m->want->proto == NARU_SCRIPT_ICMP)
        return m->seen->proto == NARU_PROTO_ICMP || m->seen->proto == NARU_PROTO_ICMPV6
                   ? NULL
                   : "not an ICMP message";
    if (m->seen->proto != protos[m->want->proto])
        return "another protocol";
    if (!ports_match(m))
        return "other ports";
    if (m->want->proto == NARU_SCRIPT_UDP)
        return m->want->len == m->seen->payload_len ? NULL : "the length differs";
    return check_tcp(m);
}

/* ---- Time ---- */

static void set_times(struct match *m, const struct naru_script_event *e, naru_time origin)
{
    const struct naru_script_options *o = &m->p->options;
    m->timed = e->time.when != NARU_SCRIPT_ANY;
    m->low = origin + e->time.at;
    m->high = origin + e->time.until;
    double gap = (double)(m->high - m->p->last_at) * o->tolerance_percent / 100;
    m->tolerance = o->tolerance;
    if (gap > (double)m->tolerance)
        m->tolerance = (naru_time)gap;
}

static const char *check_time(const struct match *m)
{
    if (!m->timed)
        return NULL;
    /* Written on real machines: what those needed to answer is no part of the behaviour. */
    naru_time early =
        m->p->options.tolerance_set ? m->tolerance : NARU_MAX(m->tolerance, NARU_MS(EARLY_MS));
    if (m->at < m->low - early)
        return "too early";
    return m->at > m->high + m->tolerance ? "too late" : NULL;
}

/* ---- Taking packets ---- */

static struct naru_seen *take(struct naru_play *p, naru_time patience)
{
    naru_play_run(p, patience, true);
    struct naru_seen *seen = p->seen;
    if (seen == NULL || naru_play_ended(p))
        return NULL;
    p->seen = seen->next;
    if (p->seen == NULL)
        p->seen_end = &p->seen;
    seen->next = NULL;
    return seen;
}

/* May this one be a later part of the same wanted segment? */
static bool continues(const struct match *m, const struct naru_seen *next, uint32_t part_len)
{
    const uint16_t both = NARU_TCP_SYN | NARU_TCP_RST | NARU_TCP_URG | NARU_TCP_ECE;
    const struct naru_tcp_hdr *a = &m->seen->tcp, *b = &next->tcp;
    return next->proto == NARU_PROTO_TCP && next->broken == NULL && a->dport == b->dport &&
           a->sport == b->sport && b->seq.v == m->seq + m->len && a->ack.v == b->ack.v &&
           a->wnd == b->wnd && ((a->flags ^ b->flags) & both) == 0 &&
           m->seen->payload_len == part_len && next->payload_len <= part_len &&
           next->payload_len > 0 && m->len + next->payload_len <= m->want->len;
}

static void gather(struct match *m, naru_time patience)
{
    struct naru_play *p = m->p;
    uint32_t part_len = m->len;
    bool first_right = m->want->proto == NARU_SCRIPT_TCP && m->seen->proto == NARU_PROTO_TCP &&
                       m->len > 0 && m->len < m->want->len && !p->options.strict_segments &&
                       (m->flags & NARU_TCP_FIN) == 0;
    while (first_right && m->len < m->want->len && !naru_play_ended(p)) {
        naru_play_run(p, patience, true);
        if (p->seen == NULL || !continues(m, p->seen, part_len))
            return;
        const struct naru_seen *next = take(p, patience);
        if (next == NULL)
            return;
        m->seen = next;
        m->len += m->seen->payload_len;
        m->flags =
            (uint16_t)((m->flags & NARU_TCP_CWR) | (m->seen->tcp.flags & (unsigned)~NARU_TCP_CWR));
        m->at = m->seen->at;
    }
}

void naru_expect(struct naru_play *p, const struct naru_script_event *e, naru_time origin)
{
    struct match m = { .p = p, .want = &e->u.packet };
    naru_play_need_stack(p);
    if (naru_play_ended(p))
        return;
    set_times(&m, e, origin);
    naru_time patience = NARU_MAX(p->now, m.timed ? m.high : 0) + NARU_SEC(PATIENCE_S);
    m.seen = take(p, patience);
    if (m.seen == NULL) {
        fail_silence(&m);
        return;
    }
    m.seq = m.seen->tcp.seq.v;
    m.len = m.seen->payload_len;
    m.flags = m.seen->tcp.flags;
    m.at = m.seen->at;
    gather(&m, m.at + m.tolerance);
    const char *why = check(&m);
    if (why == NULL)
        why = check_time(&m);
    if (why != NULL) {
        fail_match(&m, why);
        return;
    }
    if (m.want->proto == NARU_SCRIPT_TCP)
        learn_stamp(&m);
    p->last_at = m.at;
}
