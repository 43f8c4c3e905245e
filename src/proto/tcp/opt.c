/*
 * Options of sockets and connections: RFC 9293 3.9.1, RFC 5482, and what BSD and Linux programs
 * set.
 *
 * Values live in struct naru_tcp_opts; a connection shares the stack's until it differs, and those
 * that a listener accepted share the listener's; the flags that segments look at are in opt_flags.
 */
#include "proto/tcp/internal.h"

#include "base/mem.h"

#define KEEP_MAX_MS 32767000

/* Options that connections have in common; who changes them gets his own. */
struct shared {
    struct naru_tcp_opts opts; /* own_opts points here */
    uint32_t holders;
};

static struct shared *shared_of(const struct naru_tcp *c)
{
    return (struct shared *)(uintptr_t)c->own_opts; /* its first member */
}

static bool wants_reno(const struct naru_tcp *c)
{
    return naru_tcp_opts(c)->congestion == NARU_CONGESTION_RENO;
}

void naru_tcp_opts_take(struct naru_tcp *c, const struct naru_tcp *like)
{
    const struct naru_tcp_opts *defaults = &c->more->env->opts;
    c->own_opts = like != NULL ? like->own_opts : NULL;
    c->opt_flags = like != NULL ? like->opt_flags : defaults->flags;
    if (c->own_opts != NULL)
        shared_of(c)->holders++;
    c->reno = wants_reno(c);
}

void naru_tcp_opts_drop(struct naru_tcp *c)
{
    struct shared *s = shared_of(c);
    c->own_opts = NULL;
    if (s != NULL && --s->holders == 0)
        naru_mem_free(c->more->env->mem, s, sizeof(*s));
}

/* c alone has o from here on.  False: no memory, nothing changed. */
static bool set_own(struct naru_tcp *c, const struct naru_tcp_opts *o)
{
    struct shared *s = shared_of(c);
    if (s == NULL || s->holders > 1) {
        s = naru_mem_alloc(c->more->env->mem, sizeof(*s));
        if (s == NULL)
            return false;
        naru_tcp_opts_drop(c);
        s->holders = 1;
        c->own_opts = &s->opts;
    }
    s->opts = *o;
    return true;
}

static enum naru_err put_u32(uint32_t *at, int64_t value, int64_t low, int64_t high)
{
    if (value < low || value > high)
        return NARU_ERR_INVAL;
    *at = (uint32_t)value;
    return NARU_OK;
}

static enum naru_err put_u8(uint8_t *at, int64_t value, int64_t low, int64_t high)
{
    if (value < low || value > high)
        return NARU_ERR_INVAL;
    *at = (uint8_t)value;
    return NARU_OK;
}

/* The flag that stands for an option, or 0 (MUST-17, MUST-24). */
static unsigned flag_of(enum naru_opt opt)
{
    static const struct {
        enum naru_opt opt;
        unsigned flag;
    } flags[] = {
        { NARU_OPT_NODELAY, NARU_TCP_SET_NODELAY },
        { NARU_OPT_CORK, NARU_TCP_SET_CORK },
        { NARU_OPT_QUICKACK, NARU_TCP_SET_QUICKACK },
        { NARU_OPT_KEEPALIVE, NARU_TCP_SET_KEEPALIVE },
        { NARU_OPT_OOBINLINE, NARU_TCP_SET_OOBINLINE },
        { NARU_OPT_EVENT_ACKED, NARU_TCP_SET_EVENT_ACKED },
        { NARU_OPT_NO_OPTIONS, NARU_TCP_SET_NO_OPTIONS },
        { NARU_OPT_PACING, NARU_TCP_SET_PACING },
    };
    for (unsigned i = 0; i < NARU_ARRAY_LEN(flags); i++)
        if (flags[i].opt == opt)
            return flags[i].flag;
    return 0;
}

enum { BUFFER_MIN = 2048 };

static enum naru_err set_sndbuf(struct naru_tcp_opts *o, int64_t value)
{
    if (value < 0 || value > INT32_MAX)
        return NARU_ERR_INVAL;
    o->sndbuf = NARU_MAX((uint32_t)value, (uint32_t)BUFFER_MIN);
    o->flags |= NARU_TCP_SET_SNDBUF_FIXED;
    return NARU_OK;
}

static enum naru_err set_rcvbuf(struct naru_tcp_opts *o, int64_t value)
{
    if (value < 0 || value > INT32_MAX)
        return NARU_ERR_INVAL;
    o->rcvbuf = NARU_MAX((uint32_t)value, (uint32_t)BUFFER_MIN);
    o->flags |= NARU_TCP_SET_RCVBUF_FIXED;
    return NARU_OK;
}

static enum naru_err set_rcvlowat(struct naru_tcp_opts *o, int64_t value)
{
    return put_u32(&o->rcvlowat, NARU_MAX(value, (int64_t)1), 1, INT32_MAX);
}

static enum naru_err set_signed_ms(int32_t *at, int64_t value)
{
    if (value < -1 || value > INT32_MAX)
        return NARU_ERR_INVAL;
    *at = (int32_t)value;
    return NARU_OK;
}

/* R2 of this connection, also without end (MUST-21). */
static enum naru_err set_user_timeout(struct naru_tcp_opts *o, int64_t value)
{
    if (value < -1 || value > INT32_MAX)
        return NARU_ERR_INVAL;
    o->user_timeout_ms = value < 0 ? NARU_TCP_FOR_EVER : (uint32_t)value;
    return NARU_OK;
}

/* A limit asks for pacing, too; taking it away leaves that as it is (Linux). */
static enum naru_err set_pacing_max(struct naru_tcp_opts *o, int64_t value)
{
    if (value < -1)
        return NARU_ERR_INVAL;
    o->pacing_max = value <= 0 ? UINT64_MAX : (uint64_t)value;
    if (value > 0)
        o->flags |= NARU_TCP_SET_PACING;
    return NARU_OK;
}

static enum naru_err set_maxseg(struct naru_tcp_opts *o, int64_t value)
{
    if (value != 0 && (value < 88 || value > 32767))
        return NARU_ERR_INVAL;
    o->maxseg = (uint16_t)value;
    return NARU_OK;
}

/* The keep-alive interval is configurable (MUST-27). */
enum naru_err naru_tcp_opts_set(struct naru_tcp_opts *o, enum naru_opt opt, int64_t value)
{
    unsigned flag = flag_of(opt);
    if (flag != 0) {
        o->flags = (uint16_t)(value != 0 ? o->flags | flag : o->flags & ~flag);
        return NARU_OK;
    }
    /* clang-format off */
    if (opt == NARU_OPT_KEEPIDLE_MS)     return put_u32(&o->keepidle_ms, value, 1, KEEP_MAX_MS);
    if (opt == NARU_OPT_KEEPINTVL_MS)    return put_u32(&o->keepintvl_ms, value, 1, KEEP_MAX_MS);
    if (opt == NARU_OPT_KEEPCNT)         return put_u8(&o->keepcnt, value, 1, 127);
    if (opt == NARU_OPT_SYNCNT)          return put_u8(&o->syncnt, value, 1, 127);
    if (opt == NARU_OPT_LINGER_MS)       return set_signed_ms(&o->linger_ms, value);
    if (opt == NARU_OPT_LINGER2_MS)      return set_signed_ms(&o->linger2_ms, value);
    if (opt == NARU_OPT_SNDBUF)          return set_sndbuf(o, value);
    if (opt == NARU_OPT_RCVBUF)          return set_rcvbuf(o, value);
    if (opt == NARU_OPT_RCVLOWAT)        return set_rcvlowat(o, value);
    if (opt == NARU_OPT_MAXSEG)          return set_maxseg(o, value);
    if (opt == NARU_OPT_USER_TIMEOUT_MS) return set_user_timeout(o, value);
    if (opt == NARU_OPT_MAX_PACING_RATE) return set_pacing_max(o, value);
    if (opt == NARU_OPT_UTO_MS)          return put_u32(&o->uto_ms, value, 0, INT32_MAX);
    if (opt == NARU_OPT_WINDOW_CLAMP)    return put_u32(&o->window_clamp, value, 0, INT32_MAX);
    if (opt == NARU_OPT_NOTSENT_LOWAT)   return put_u32(&o->notsent_lowat, value, 0, UINT32_MAX);
    if (opt == NARU_OPT_DEFER_ACCEPT_MS) return put_u32(&o->defer_accept_ms, value, 0, INT32_MAX);
    if (opt == NARU_OPT_ECN)
        return put_u8(&o->ecn, value, NARU_ECN_MODE_OFF, NARU_ECN_MODE_ACCEPT_ACCURATE);
    if (opt == NARU_OPT_CONGESTION)
        return put_u8(&o->congestion, value, NARU_CONGESTION_CUBIC, NARU_CONGESTION_RENO);
    /* clang-format on */
    return NARU_ERR_NOPROTOOPT;
}

enum naru_err naru_tcp_opts_get(const struct naru_tcp_opts *o, enum naru_opt opt, int64_t *value)
{
    unsigned flag = flag_of(opt);
    if (flag != 0) {
        *value = (o->flags & flag) != 0;
        return NARU_OK;
    }
    /* clang-format off */
    if (opt == NARU_OPT_KEEPIDLE_MS)          *value = o->keepidle_ms;
    else if (opt == NARU_OPT_KEEPINTVL_MS)    *value = o->keepintvl_ms;
    else if (opt == NARU_OPT_KEEPCNT)         *value = o->keepcnt;
    else if (opt == NARU_OPT_SYNCNT)          *value = o->syncnt;
    else if (opt == NARU_OPT_LINGER_MS)       *value = o->linger_ms;
    else if (opt == NARU_OPT_LINGER2_MS)      *value = o->linger2_ms;
    else if (opt == NARU_OPT_SNDBUF)          *value = o->sndbuf;
    else if (opt == NARU_OPT_RCVBUF)          *value = o->rcvbuf;
    else if (opt == NARU_OPT_RCVLOWAT)        *value = o->rcvlowat;
    else if (opt == NARU_OPT_MAXSEG)          *value = o->maxseg;
    else if (opt == NARU_OPT_USER_TIMEOUT_MS)
        *value = o->user_timeout_ms == NARU_TCP_FOR_EVER ? -1 : (int64_t)o->user_timeout_ms;
    else if (opt == NARU_OPT_UTO_MS)          *value = o->uto_ms;
    else if (opt == NARU_OPT_MAX_PACING_RATE)
        *value = o->pacing_max == UINT64_MAX ? -1 : (int64_t)o->pacing_max;
    else if (opt == NARU_OPT_WINDOW_CLAMP)    *value = o->window_clamp;
    else if (opt == NARU_OPT_NOTSENT_LOWAT)   *value = o->notsent_lowat;
    else if (opt == NARU_OPT_DEFER_ACCEPT_MS) *value = o->defer_accept_ms;
    else if (opt == NARU_OPT_CONGESTION)      *value = o->congestion;
    else if (opt == NARU_OPT_ECN)             *value = o->ecn;
    else return NARU_ERR_NOPROTOOPT;
    /* clang-format on */
    return NARU_OK;
}

/* What a change means to a living connection. */
static void apply(struct naru_tcp *c, enum naru_opt opt, naru_time now)
{
    if (opt == NARU_OPT_SNDBUF) {
        c->sndbuf = naru_tcp_opts(c)->sndbuf;
    } else if (opt == NARU_OPT_RCVBUF) {
        uint32_t max = 65535u << (naru_tcp_synchronized(c) ? c->rcv.wscale : c->more->env->wscale);
        c->rcv.buf = NARU_MIN(naru_tcp_opts(c)->rcvbuf, max);
        if (!naru_tcp_synchronized(c))
            naru_tcp_rcvwnd_init(c, now);
    } else if (opt == NARU_OPT_MAXSEG) {
        if (c->state == NARU_TCP_CLOSED && naru_tcp_opts(c)->maxseg != 0)
            c->mss_advertised = (uint16_t)NARU_MIN(c->mss_path, naru_tcp_opts(c)->maxseg);
        naru_tcp_update_mss(c);
    } else if (opt == NARU_OPT_CONGESTION && c->reno != wants_reno(c)) {
        c->reno = wants_reno(c);
        uint32_t cwnd = c->cwnd, ssthresh = c->ssthresh, sent_tick = c->sent_tick;
        naru_tcp_cc_init(c, now);
        c->cwnd = cwnd;
        c->ssthresh = ssthresh;
        c->sent_tick = sent_tick;
    } else if (opt == NARU_OPT_KEEPALIVE || opt == NARU_OPT_KEEPIDLE_MS ||
               opt == NARU_OPT_KEEPINTVL_MS) {
        naru_tcp_timer_keepalive(c, now);
    } else if (opt == NARU_OPT_USER_TIMEOUT_MS) {
        naru_tcp_timer_user_timeout(c, now);
    } else if (opt == NARU_OPT_PACING || opt == NARU_OPT_MAX_PACING_RATE) {
        naru_tcp_pace_changed(c, now);
    } else if (opt == NARU_OPT_UTO_MS) {
        naru_tcp_uto_changed(c, now);
    } else if (opt == NARU_OPT_NODELAY || opt == NARU_OPT_CORK) {
        bool push = opt == NARU_OPT_NODELAY ? (c->opt_flags & NARU_TCP_SET_NODELAY) != 0
                                            : !(c->opt_flags & NARU_TCP_SET_CORK);
        if (push && naru_tcp_synchronized(c) && naru_tcp_unsent_new(c) > 0) {
            c->flags |= NARU_TCP_F_PUSHED;
            c->due |= NARU_TCP_DUE_DATA;
        }
    } else if (opt == NARU_OPT_QUICKACK && (c->opt_flags & NARU_TCP_SET_QUICKACK) &&
               naru_tcp_synchronized(c) && !naru_seq_eq(c->rcv.ack, c->rcv.nxt)) {
        c->due |= NARU_TCP_DUE_ACK;
    }
}

struct naru_tcp_opts naru_tcp_get_opts(const struct naru_tcp *c)
{
    struct naru_tcp_opts o = *naru_tcp_opts(c);
    o.flags = c->opt_flags;
    return o;
}

enum naru_err naru_tcp_set(struct naru_tcp *c, enum naru_opt opt, int64_t value, naru_time now)
{
    struct naru_tcp_opts o = naru_tcp_get_opts(c);
    enum naru_err err = naru_tcp_opts_set(&o, opt, value);
    if (err != NARU_OK)
        return err;
    if (flag_of(opt) == 0 && !set_own(c, &o))
        return NARU_ERR_NOMEM;
    naru_tcp_odd(c);
    c->opt_flags = o.flags;
    apply(c, opt, now);
    return NARU_OK;
}

/* The application can find out whether and how much urgent data remains (MUST-33). */
static bool at_mark(const struct naru_tcp *c)
{
    return c->more->urgent != NARU_TCP_URGENT_NONE &&
           naru_seq_eq(c->more->rcv_up, naru_tcp_copied(c));
}

enum naru_err naru_tcp_get(struct naru_tcp *c, enum naru_opt opt, int64_t *value)
{
    unsigned flag = flag_of(opt);
    /* clang-format off */
    if (flag != 0)                   *value = (c->opt_flags & flag) != 0;
    else if (opt == NARU_OPT_ERROR)  *value = naru_tcp_take_error(c);
    else if (opt == NARU_OPT_STATE)  *value = c->state;
    else if (opt == NARU_OPT_UNREAD) *value = naru_tcp_unread(c);
    else if (opt == NARU_OPT_UNSENT) *value = naru_tcp_unsent(c);
    else if (opt == NARU_OPT_AT_MARK) *value = at_mark(c);
    else if (opt == NARU_OPT_SNDBUF) *value = c->sndbuf;
    else if (opt == NARU_OPT_RCVBUF) *value = c->rcv.buf;
    else if (opt == NARU_OPT_MAXSEG)
        *value = naru_tcp_synchronized(c) ? c->snd.mss
                 : naru_tcp_opts(c)->maxseg != 0   ? naru_tcp_opts(c)->maxseg : 536;
    else return naru_tcp_opts_get(naru_tcp_opts(c), opt, value);
    /* clang-format on */
    return NARU_OK;
}
