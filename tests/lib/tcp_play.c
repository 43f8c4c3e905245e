/* The player of TCP scripts. */
#include "lib/tcp_play.h"

#include "base/text.h"
#include "wire/show.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Lines are in milliseconds, round trips are measured in microseconds. */
#define SLACK NARU_US(500)

/* ---- Words ---- */

static const char *const err_names[] = {
    "OK",           "AGAIN",       "INPROGRESS",  "ALREADY",    "ISCONN",  "NOTCONN",
    "CONNREFUSED",  "CONNRESET",   "CONNABORTED", "TIMEDOUT",   "PIPE",    "ADDRINUSE",
    "ADDRNOTAVAIL", "NETUNREACH",  "HOSTUNREACH", "NETDOWN",    "MSGSIZE", "DESTADDRREQ",
    "ACCES",        "AFNOSUPPORT", "OPNOTSUPP",   "NOPROTOOPT", "INVAL",   "NOMEM",
    "NOBUFS",       "EXIST",       "NOENT",       "PROTO",
};

static const struct {
    const char *name;
    enum naru_opt opt;
} opt_names[] = {
    { "NODELAY", NARU_OPT_NODELAY },
    { "CORK", NARU_OPT_CORK },
    { "QUICKACK", NARU_OPT_QUICKACK },
    { "KEEPALIVE", NARU_OPT_KEEPALIVE },
    { "KEEPIDLE", NARU_OPT_KEEPIDLE_MS },
    { "KEEPINTVL", NARU_OPT_KEEPINTVL_MS },
    { "KEEPCNT", NARU_OPT_KEEPCNT },
    { "OOBINLINE", NARU_OPT_OOBINLINE },
    { "LINGER", NARU_OPT_LINGER_MS },
    { "LINGER2", NARU_OPT_LINGER2_MS },
    { "SNDBUF", NARU_OPT_SNDBUF },
    { "RCVBUF", NARU_OPT_RCVBUF },
    { "USER_TIMEOUT", NARU_OPT_USER_TIMEOUT_MS },
    { "UTO", NARU_OPT_UTO_MS },
    { "PACING", NARU_OPT_PACING },
    { "MAX_PACING_RATE", NARU_OPT_MAX_PACING_RATE },
    { "SYNCNT", NARU_OPT_SYNCNT },
    { "MAXSEG", NARU_OPT_MAXSEG },
    { "UNREAD", NARU_OPT_UNREAD },
    { "UNSENT", NARU_OPT_UNSENT },
    { "AT_MARK", NARU_OPT_AT_MARK },
    { "CONGESTION", NARU_OPT_CONGESTION },
    { "WINDOW_CLAMP", NARU_OPT_WINDOW_CLAMP },
    { "RCVLOWAT", NARU_OPT_RCVLOWAT },
    { "NOTSENT_LOWAT", NARU_OPT_NOTSENT_LOWAT },
    { "ECN", NARU_OPT_ECN },
};

static const struct {
    const char *name;
    unsigned bit;
} ready_names[] = {
    { "READ", NARU_READY_READ },     { "WRITE", NARU_READY_WRITE },
    { "URGENT", NARU_READY_URGENT }, { "END", NARU_READY_READ_END },
    { "HANGUP", NARU_READY_HANGUP }, { "ERROR", NARU_READY_ERROR },
};

static void segment_text(char *at, size_t size, const struct naru_tcp_hdr *h, uint32_t len)
{
    struct naru_text t;
    naru_text_init(&t, at, size);
    naru_show_tcp(&t, h, len);
}

static _Noreturn void bad(struct tcp_play *p, const char *why, const char *got)
{
    const char *at = p->script;
    fprintf(stderr, "at %.3f ms: %s%s%s\n", (double)p->now / 1e6, why, got ? ": " : "",
            got ? got : "");
    while (*at != '\0') {
        size_t n = strcspn(at, "\n");
        fprintf(stderr, "%s %.*s\n", at == p->line ? "-->" : "   ", (int)n, at);
        at += n + (at[n] == '\n');
    }
    for (unsigned i = p->first; i < p->count; i++) {
        char text[256];
        segment_text(text, sizeof(text), &p->out[i].hdr, p->out[i].len);
        fprintf(stderr, "    got at %.3f: %s\n", (double)p->out[i].at / 1e6, text);
    }
    fail();
    abort(); /* fail does not return */
}

static int64_t number(struct tcp_play *p, const char *word)
{
    char *end;
    for (unsigned i = 0; i < NARU_ARRAY_LEN(err_names); i++)
        if (strcmp(word, err_names[i]) == 0)
            return -(int64_t)i;
    int64_t n = strtoll(word, &end, 0);
    if (*end != '\0')
        bad(p, "not a number", word);
    return n;
}

/* The next word of *at, cut out in place; NULL at the end. */
static char *word(char **at)
{
    char *w = *at + strspn(*at, " ");
    if (*w == '\0')
        return NULL;
    char *end = w + strcspn(w, " ");
    *at = *end == '\0' ? end : end + 1;
    *end = '\0';
    return w;
}

/* ---- The connection ---- */

static struct naru_tcp_setup setup(void)
{
    return (struct naru_tcp_setup){ .mss = 1460, .mss_default = 536 };
}

static void collect(struct tcp_play *p)
{
    struct naru_tcp_segment s;
    if (p->held || !p->open)
        return;
    while (p->c.due != 0 && naru_tcp_output(&p->c, &p->room, &s, p->now)) {
        naru_tcp_check(&p->c);
        if (p->first == p->count)
            p->first = p->count = 0;
        assert_true(p->count < TCP_PLAY_QUEUE);
        p->out[p->count++] = (struct tcp_play_out){
            .at = p->now, .hdr = s.hdr, .len = s.len, .gso_size = s.gso_size
        };
    }
    naru_tcp_check(&p->c);
}

static void advance(struct tcp_play *p, naru_time to)
{
    while (p->open && naru_tcp_deadline(&p->c) <= to + SLACK) {
        p->now = NARU_MAX(p->now, naru_tcp_deadline(&p->c));
        naru_tcp_tick(&p->c, p->now);
        collect(p);
    }
    p->now = NARU_MAX(p->now, to);
}

/* ---- Segments ---- */

struct text_segment {
    uint16_t flags;
    uint32_t seq, end, len, ack, wnd;
    bool has_ack, has_wnd, has_options, has_urg, has_ecn;
    uint16_t urg;
    uint8_t ecn;
    struct naru_tcp_hdr options;
};

static const char *const ecn_names[] = {
    [NARU_ECN_NOT_ECT] = "[noecn]",
    [NARU_ECN_ECT1] = "[ect1]",
    [NARU_ECN_ECT0] = "[ect0]",
    [NARU_ECN_CE] = "[ce]",
};

static uint16_t flags_of(struct tcp_play *p, const char *w)
{
    static const char letters[] = "FSRP.UEWA";
    uint16_t flags = 0;
    for (; *w != '\0'; w++) {
        const char *l = strchr(letters, *w);
        if (l == NULL)
            bad(p, "unknown flag", w);
        flags |= (uint16_t)(1u << (l - letters));
    }
    return flags;
}

/* "e0b 1 ceb 2 e1b 3", or the other way round, or less of it. */
static void accecn_of(struct tcp_play *p, struct naru_tcp_hdr *h, char *o)
{
    static const char *const names[] = { "e0b", "ceb", "e1b" };
    h->opts |= NARU_TCP_OPT_ACCECN;
    for (char *w; (w = word(&o)) != NULL; h->accecn_count++)
        for (unsigned i = 0; i < NARU_ARRAY_LEN(names); i++)
            if (strcmp(w, names[i]) == 0) {
                if (h->accecn_count == 0 && i == NARU_TCP_E1B)
                    h->opts |= NARU_TCP_OPT_ACCECN_FIRST1;
                h->accecn[i] = (uint32_t)number(p, word(&o));
            }
}

static void option_of(struct tcp_play *p, struct naru_tcp_hdr *h, char *o)
{
    unsigned a, b;
    if (sscanf(o, "mss %u", &a) == 1) {
        h->opts |= NARU_TCP_OPT_MSS;
        h->mss = (uint16_t)a;
    } else if (sscanf(o, "wscale %u", &a) == 1) {
        h->opts |= NARU_TCP_OPT_WSCALE;
        h->wscale = (uint8_t)a;
    } else if (sscanf(o, "uto %u", &a) == 1) {
        h->opts |= NARU_TCP_OPT_USER_TIMEOUT;
        h->user_timeout_s = a;
    } else if (strcmp(o, "sackOK") == 0) {
        h->opts |= NARU_TCP_OPT_SACK_OK;
    } else if (sscanf(o, "TS val %u ecr %u", &a, &b) == 2) {
        h->opts |= NARU_TCP_OPT_TS;
        h->ts_val = a;
        h->ts_ecr = b;
    } else if (strncmp(o, "ECN ", 4) == 0) {
        accecn_of(p, h, o + 4);
    } else if (strncmp(o, "sack ", 5) == 0) {
        h->opts |= NARU_TCP_OPT_SACK;
        for (o += 4; sscanf(o, " %u:%u", &a, &b) == 2; o += strcspn(o, " ")) {
            h->sack[h->sack_count++] = (struct naru_tcp_sack){ naru_seq_of(a), naru_seq_of(b) };
            o += strspn(o, " ");
        }
    } else if (strcmp(o, "nop") != 0) {
        bad(p, "unknown option", o);
    }
}

static struct text_segment segment_of(struct tcp_play *p, char *text)
{
    struct text_segment s = { .wnd = 65535 };
    char *options = strchr(text, '<'), *w;
    if (options != NULL) {
        *options++ = '\0';
        options[strcspn(options, ">")] = '\0';
        s.has_options = true;
        for (char *o = strtok_r(options, ",", &options); o != NULL;
             o = strtok_r(NULL, ",", &options))
            option_of(p, &s.options, o);
    }
    w = word(&text);
    for (unsigned i = 0; w != NULL && i < NARU_ARRAY_LEN(ecn_names); i++)
        if (strcmp(w, ecn_names[i]) == 0) {
            s.ecn = (uint8_t)i;
            s.has_ecn = true;
            w = word(&text);
        }
    s.flags = w == NULL ? 0 : flags_of(p, w);
    w = word(&text);
    if (w == NULL || sscanf(w, "%u:%u(%u)", &s.seq, &s.end, &s.len) != 3 || s.seq + s.len != s.end)
        bad(p, "not first:last(length)", w);
    while ((w = word(&text)) != NULL) {
        char *value = word(&text);
        if (value == NULL)
            bad(p, "a word without value", w);
        if (strcmp(w, "ack") == 0) {
            s.ack = (uint32_t)number(p, value);
            s.has_ack = true;
        } else if (strcmp(w, "win") == 0) {
            s.wnd = (uint32_t)number(p, value);
            s.has_wnd = true;
        } else if (strcmp(w, "urg") == 0) {
            s.urg = (uint16_t)number(p, value);
            s.has_urg = true;
        } else {
            bad(p, "unknown word", w);
        }
    }
    return s;
}

static void to_us(struct tcp_play *p, char *text)
{
    struct text_segment s = segment_of(p, text);
    struct naru_tcp_segment seg = { .len = s.len };
    struct tcp_wire w;
    seg.hdr = s.options;
    seg.hdr.seq = naru_seq_of(TCP_PLAY_ISS + s.seq);
    seg.hdr.ack = naru_seq_of(s.has_ack ? TCP_PLAY_ISS + s.ack : 0);
    seg.hdr.flags = s.flags;
    seg.hdr.wnd = (uint16_t)s.wnd;
    seg.hdr.urg = s.urg;
    for (unsigned i = 0; i < seg.hdr.sack_count; i++) {
        seg.hdr.sack[i].left.v += TCP_PLAY_ISS;
        seg.hdr.sack[i].right.v += TCP_PLAY_ISS;
    }
    uint8_t *bytes = malloc(s.len + 1);
    for (uint32_t i = 0; i < s.len; i++)
        bytes[i] = (uint8_t)(s.seq + i);
    seg.slice[0] = (struct naru_slice){ .at = bytes, .len = s.len };
    seg.slice_count = s.len > 0 ? 1 : 0;
    tcp_wire_from(&w, &seg);
    w.ecn = seg.hdr.ecn = s.ecn;
    w.gso_size = s.len > p->super ? p->super : 0;
    free(bytes);
    if (!p->open) {
        struct naru_tcp_setup how = setup();
        assert_true((s.flags & ~(NARU_TCP_AE | NARU_TCP_ECE | NARU_TCP_CWR)) == NARU_TCP_SYN);
        naru_tcp_init(&p->c, &p->host.env, &how, p->now);
        naru_tcp_open_passive(&p->c, &seg.hdr, naru_seq_of(TCP_PLAY_ISS), p->defer, p->now);
        p->open = true;
        p->drop = NARU_DROP_NONE;
    } else {
        struct naru_tcp_verdict v = tcp_wire_input(&p->host, &p->c, &w, p->now);
        p->drop = v.drop;
        struct tcp_play_out *o = &p->out[p->count];
        if (v.reset && naru_tcp_reset_reply(&seg.hdr, naru_tcp_seg_len(&seg.hdr, s.len), &o->hdr)) {
            o->at = p->now;
            o->len = 0;
            p->count++;
        }
    }
    tcp_wire_free(&w);
}

static bool same_accecn(const struct naru_tcp_hdr *a, const struct naru_tcp_hdr *b)
{
    bool first1 = (a->opts & NARU_TCP_OPT_ACCECN_FIRST1) != 0;
    bool same = a->accecn_count == b->accecn_count;
    for (unsigned i = 0; same && i < a->accecn_count; i++)
        same = a->accecn[first1 ? 2 - i : i] == b->accecn[first1 ? 2 - i : i];
    return same;
}

static void from_us(struct tcp_play *p, char *text)
{
    struct text_segment s = segment_of(p, text);
    if (p->first == p->count)
        bad(p, "nothing was sent", NULL);
    struct tcp_play_out *o = &p->out[p->first];
    struct naru_tcp_hdr *h = &o->hdr;
    uint32_t seq =
        s.flags == (NARU_TCP_RST | NARU_TCP_ACK) && h->seq.v == 0 ? 0 : h->seq.v - TCP_PLAY_ISS;
    if (o->at > p->now + SLACK || o->at < p->now - SLACK)
        bad(p, "sent at another time", NULL);
    if (h->flags != s.flags || seq != s.seq || o->len != s.len)
        bad(p, "another segment", NULL);
    if (s.has_ecn && h->ecn != s.ecn)
        bad(p, "another codepoint", ecn_names[h->ecn]);
    if (s.has_ack && h->ack.v - TCP_PLAY_ISS != s.ack)
        bad(p, "another ack", NULL);
    if (s.has_wnd && h->wnd != s.wnd)
        bad(p, "another window", NULL);
    if (s.has_urg && h->urg != s.urg)
        bad(p, "another urgent pointer", NULL);
    if (s.has_options) {
        struct naru_tcp_hdr *w = &s.options;
        bool same = h->opts == w->opts && h->sack_count == w->sack_count;
        if (w->opts & NARU_TCP_OPT_ACCECN)
            same = same && same_accecn(h, w);
        same = same && (!(w->opts & NARU_TCP_OPT_MSS) || h->mss == w->mss);
        same = same && (!(w->opts & NARU_TCP_OPT_WSCALE) || h->wscale == w->wscale);
        same = same &&
               (!(w->opts & NARU_TCP_OPT_USER_TIMEOUT) || h->user_timeout_s == w->user_timeout_s);
        same = same &&
               (!(w->opts & NARU_TCP_OPT_TS) || (h->ts_val == w->ts_val && h->ts_ecr == w->ts_ecr));
        for (unsigned i = 0; same && i < w->sack_count; i++)
            same = h->sack[i].left.v - TCP_PLAY_ISS == w->sack[i].left.v &&
                   h->sack[i].right.v - TCP_PLAY_ISS == w->sack[i].right.v;
        if (!same)
            bad(p, "other options", NULL);
    }
    p->first++;
}

/* ---- Calls ---- */

static void same(struct tcp_play *p, int64_t got, int64_t wanted)
{
    char text[64];
    snprintf(text, sizeof(text), "%lld instead of %lld", (long long)got, (long long)wanted);
    if (got != wanted)
        bad(p, "returned", text);
}

/* What stands behind "->", or the default. */
static int64_t result(struct tcp_play *p, char **rest, int64_t otherwise)
{
    char *w = word(rest);
    if (w == NULL)
        return otherwise;
    if (strcmp(w, "->") == 0)
        w = word(rest);
    return number(p, w);
}

static enum naru_opt option(struct tcp_play *p, const char *name)
{
    for (unsigned i = 0; i < NARU_ARRAY_LEN(opt_names); i++)
        if (strcmp(name, opt_names[i].name) == 0)
            return opt_names[i].opt;
    bad(p, "unknown option", name);
}

static void call_write(struct tcp_play *p, char *rest)
{
    static uint8_t bytes[1 << 20];
    int64_t len = number(p, word(&rest));
    unsigned flags = strncmp(rest, "more", 4) == 0  ? NARU_MSG_MORE
                     : strncmp(rest, "oob", 3) == 0 ? NARU_MSG_OOB
                     : strncmp(rest, "eor", 3) == 0 ? NARU_MSG_EOR
                                                    : 0;
    if (flags != 0)
        (void)word(&rest);
    struct naru_slice s = { .at = bytes, .len = (size_t)len };
    same(p, naru_tcp_send(&p->c, &s, 1, flags, p->now), result(p, &rest, len));
}

static void call_read(struct tcp_play *p, char *rest, unsigned flags)
{
    static uint8_t bytes[1 << 20];
    int64_t len = flags & NARU_MSG_OOB ? 1 : number(p, word(&rest));
    struct naru_room r = { .at = bytes, .len = (size_t)len };
    same(p, naru_tcp_recv(&p->c, &r, 1, flags, p->now), result(p, &rest, len));
}

static void call_ready(struct tcp_play *p, char *rest)
{
    unsigned wanted = 0, got = naru_tcp_ready(&p->c);
    char text[32];
    for (char *w; (w = word(&rest)) != NULL;)
        for (unsigned i = 0; i < NARU_ARRAY_LEN(ready_names); i++)
            if (strcmp(w, ready_names[i].name) == 0)
                wanted |= ready_names[i].bit;
    snprintf(text, sizeof(text), "0x%x instead of 0x%x", got, wanted);
    if (got != wanted)
        bad(p, "ready", text);
}

static void call_info(struct tcp_play *p, char *rest)
{
    struct naru_tcp_info i;
    char *field = word(&rest);
    naru_tcp_get_info(&p->c, &i, p->now);
    const struct {
        const char *name;
        int64_t value;
    } fields[] = {
        { "cwnd", i.snd_cwnd_segments },
        { "ssthresh", i.snd_ssthresh_segments },
        { "ca_state", i.ca_state },
        { "unacked", i.unacked_segments },
        { "sacked", i.sacked_segments },
        { "lost", i.lost_segments },
        { "retrans", i.retrans_segments },
        { "total_retrans", i.total_retrans_segments },
        { "rto_ms", i.rto / NARU_MS(1) },
        { "rtt_ms", i.rtt / NARU_MS(1) },
        { "backoff", i.backoff },
        { "probes", i.probes },
        { "snd_mss", i.snd_mss },
        { "snd_wnd", i.snd_wnd },
        { "notsent", i.notsent_bytes },
        { "ooo", i.rcv_ooo_segments },
        { "dsack_dups", i.dsack_dups },
        { "reordering", i.reordering_segments },
        { "reord_seen", i.reord_seen },
        { "delivered", i.delivered_segments },
        { "busy_ms", i.busy_time / NARU_MS(1) },
        { "rwnd_limited_ms", i.rwnd_limited / NARU_MS(1) },
        { "sndbuf_limited_ms", i.sndbuf_limited / NARU_MS(1) },
        { "delivery_rate", (int64_t)i.delivery_rate },
        { "app_limited", i.delivery_rate_app_limited },
        { "pacing_rate", (int64_t)i.pacing_rate },
        { "min_rtt_ms", i.min_rtt / NARU_MS(1) },
        { "ecn", i.ecn },
        { "ecn_seen", i.ecn_seen },
        { "delivered_ce", i.delivered_ce_segments },
    };
    for (unsigned k = 0; k < NARU_ARRAY_LEN(fields); k++)
        if (strcmp(field, fields[k].name) == 0) {
            same(p, fields[k].value, result(p, &rest, 0));
            return;
        }
    bad(p, "unknown field", field);
}

static void call_connect(struct tcp_play *p)
{
    struct naru_tcp_setup how = setup();
    if (!p->open)
        naru_tcp_init(&p->c, &p->host.env, &how, p->now);
    p->open = true;
    naru_tcp_open(&p->c, naru_seq_of(TCP_PLAY_ISS), p->now);
}

static void call(struct tcp_play *p, char *what, char *rest)
{
    struct naru_tcp *c = &p->c;
    int64_t value = 0;
    if (strcmp(what, "connect") == 0) {
        call_connect(p);
    } else if (strcmp(what, "write") == 0) {
        call_write(p, rest);
    } else if (strcmp(what, "read") == 0) {
        call_read(p, rest, 0);
    } else if (strcmp(what, "peek") == 0) {
        call_read(p, rest, NARU_MSG_PEEK);
    } else if (strcmp(what, "readoob") == 0) {
        call_read(p, rest, NARU_MSG_OOB);
    } else if (strcmp(what, "close") == 0) {
        naru_tcp_close(c, p->now);
    } else if (strcmp(what, "abort") == 0) {
        naru_tcp_abort(c, p->now);
    } else if (strcmp(what, "answer") == 0) {
        naru_tcp_answer(c, p->now);
    } else if (strcmp(what, "shutdown") == 0) {
        char *how = word(&rest);
        unsigned bits = (strstr(how, "rd") ? NARU_SHUTDOWN_READ : 0u) |
                        (strstr(how, "wr") ? NARU_SHUTDOWN_WRITE : 0u);
        same(p, naru_tcp_shutdown(c, bits, p->now), result(p, &rest, 0));
    } else if (strcmp(what, "set") == 0) {
        enum naru_opt opt = option(p, word(&rest));
        value = number(p, word(&rest));
        same(p, naru_tcp_set(c, opt, value, p->now), result(p, &rest, 0));
    } else if (strcmp(what, "get") == 0) {
        (void)naru_tcp_get(c, option(p, word(&rest)), &value);
        same(p, value, result(p, &rest, 0));
    } else if (strcmp(what, "ready") == 0) {
        call_ready(p, rest);
    } else if (strcmp(what, "error") == 0) {
        same(p, naru_tcp_take_error(c), number(p, word(&rest)));
    } else if (strcmp(what, "pmtu") == 0) {
        naru_tcp_set_pmtu(c, (uint16_t)number(p, word(&rest)), p->now);
    } else if (strcmp(what, "icmp") == 0) {
        enum naru_err err = (enum naru_err)number(p, word(&rest));
        char *seq = word(&rest);
        naru_seq at =
            seq != NULL ? naru_seq_of(TCP_PLAY_ISS + (uint32_t)number(p, seq)) : c->snd.una;
        p->drop = naru_tcp_icmp(c, err, true, at, p->now) ? NARU_DROP_NONE : NARU_DROP_ICMP_STALE;
    } else if (strcmp(what, "hold") == 0 || strcmp(what, "go") == 0) {
        p->held = *what == 'h';
    } else if (strcmp(what, "gso") == 0) {
        p->room.payload_max = (uint32_t)number(p, word(&rest));
    } else if (strcmp(what, "super") == 0) {
        p->super = (uint16_t)number(p, word(&rest));
    } else if (strcmp(what, "info") == 0) {
        call_info(p, rest);
    } else {
        bad(p, "unknown call", what);
    }
}

/* ---- Lines ---- */

static void play_line(struct tcp_play *p, char *text)
{
    text[strcspn(text, "#")] = '\0';
    for (size_t n = strlen(text); n > 0 && text[n - 1] == ' '; n--)
        text[n - 1] = '\0';
    char *when = word(&text);
    if (when == NULL)
        return;
    advance(p, p->now + (naru_time)(strtod(when, NULL) * 1e6 + 0.5));
    char *what = word(&text);
    if (strcmp(what, ">") == 0) {
        from_us(p, text);
        return;
    }
    if (p->first != p->count && !strchr("=!", *what))
        bad(p, "a segment that no line expects", NULL);
    if (strcmp(what, "<") == 0)
        to_us(p, text);
    else if (strcmp(what, "=") == 0 && strcmp(naru_tcp_state_text(p->c.state), text) != 0)
        bad(p, "another state", naru_tcp_state_text(p->c.state));
    else if (strcmp(what, "!") == 0 && strcmp(naru_drop_text(p->drop), text) != 0)
        bad(p, "another fate", naru_drop_text(p->drop));
    else if (!strchr("=!<", *what))
        call(p, what, text);
    collect(p);
}

void tcp_play(struct tcp_play *p, const char *script)
{
    p->script = p->line = script;
    while (*p->line != '\0') {
        char text[512];
        size_t n = strcspn(p->line, "\n");
        assert_true(n < sizeof(text));
        memcpy(text, p->line, n);
        text[n] = '\0';
        play_line(p, text);
        p->line += n + (p->line[n] == '\n');
    }
    if (p->first != p->count)
        bad(p, "a segment that no line expects", NULL);
}

void tcp_play_begin(struct tcp_play *p)
{
    memset(p, 0, sizeof(*p));
    tcp_host_init(&p->host);
    p->host.config.tcp_timestamps = false;
    tcp_host_start(&p->host, 1);
    p->now = NARU_SEC(1000);
}

void tcp_play_end(struct tcp_play *p)
{
    if (p->open)
        naru_tcp_deinit(&p->c);
    tcp_host_stop(&p->host);
}

void tcp_play_accept(struct tcp_play *p)
{
    tcp_play_begin(p);
    tcp_play(p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                "+0 > S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK>\n"
                "+0 = SYN-RECEIVED\n"
                "+0 < . 1:1(0) ack 1 win 65535\n"
                "+0 = ESTABLISHED\n");
}

void tcp_play_accept_far(struct tcp_play *p)
{
    tcp_play_begin(p);
    tcp_play(p, "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n"
                "+0 > S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK>\n"
                "+100 < . 1:1(0) ack 1 win 65535\n"
                "+0 = ESTABLISHED\n");
}

void tcp_play_connect(struct tcp_play *p)
{
    tcp_play_begin(p);
    tcp_play(p, "+0 connect\n"
                "+0 > S 0:0(0) win 65535 <mss 1460,sackOK,nop,wscale 8>\n"
                "+0 = SYN-SENT\n"
                "+0 < S. 0:0(0) ack 1 win 65535 <mss 1460,sackOK>\n"
                "+0 > . 1:1(0) ack 1\n"
                "+0 = ESTABLISHED\n");
}
