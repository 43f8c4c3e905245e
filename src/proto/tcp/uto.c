/*
 * The user timeout: how long data may stay unacknowledged before the connection ends, R2 of RFC
 * 9293 3.8.3; and the option by which each side tells the other its own (RFC 5482).
 *
 * Where there is one it stands instead of the number of retransmissions, shorter or longer, for
 * data and for the probes of a closed window alike.  A connection that nobody holds any more is not
 * kept for ever: there the number counts again.  An opening ends by whichever comes first (Linux).
 *
 * By RFC 5482's names: ENABLED and ADV_UTO are uto_ms of the options, CHANGEABLE is that the user
 * has set no timeout, L_LIMIT and U_LIMIT are the stack's tcp_uto_min_ms and tcp_uto_max_ms.  The
 * option goes with the SYN, with the first segment after it (3.1: a SYN cookie forgets what the SYN
 * said), and again when the user changes it.  It is advice, and not retransmitted.
 *
 * Not here: trying again without the option when a SYN that has it is answered with RST.
 */
#include "proto/tcp/internal.h"

/* 3.1: USER_TIMEOUT = min(U_LIMIT, max(ADV_UTO, REMOTE_UTO, L_LIMIT)) */
static uint32_t adopted_ms(const struct naru_tcp *c)
{
    const struct naru_config *config = c->more->env->config;
    uint32_t ms = NARU_MAX(naru_tcp_opts(c)->uto_ms, c->more->rare->remote_uto_ms);
    return NARU_MIN(NARU_MAX(ms, config->tcp_uto_min_ms), config->tcp_uto_max_ms);
}

NARU_NOINLINE naru_time naru_tcp_user_timeout(const struct naru_tcp *c)
{
    const struct naru_tcp_opts *opts = naru_tcp_opts(c);
    if (opts->user_timeout_ms == NARU_TCP_FOR_EVER)
        return NARU_NEVER;
    if (opts->user_timeout_ms != 0)
        return NARU_MS((naru_time)opts->user_timeout_ms);
    if (opts->uto_ms == 0 || c->more->rare == NULL || c->more->rare->remote_uto_ms == 0)
        return 0;
    return NARU_MS((naru_time)adopted_ms(c));
}

NARU_NOINLINE bool naru_tcp_counts_retries(const struct naru_tcp *c)
{
    naru_time span = naru_tcp_user_timeout(c);
    return span == 0 || !naru_tcp_synchronized(c) ||
           (span == NARU_NEVER && (c->flags & NARU_TCP_F_ORPHAN));
}

void naru_tcp_uto_changed(struct naru_tcp *c, naru_time now)
{
    if (!naru_tcp_synchronized(c))
        return; /* the SYN will say it */
    bool on = naru_tcp_opts(c)->uto_ms != 0;
    if (on && naru_tcp_rare_need(c) != NULL)
        c->more->rare->uto_due = true;
    else if (c->more->rare != NULL)
        c->more->rare->uto_due = false;
    naru_tcp_timer_user_timeout(c, now);
}

void naru_tcp_uto_established(struct naru_tcp *c)
{
    if (naru_tcp_opts(c)->uto_ms != 0 && naru_tcp_rare_need(c) != NULL)
        c->more->rare->uto_due = true;
}

NARU_NOINLINE void naru_tcp_uto_input(struct naru_tcp *c, const struct naru_tcp_hdr *h,
                                      naru_time now)
{
    if (naru_tcp_opts(c)->uto_ms == 0 || h->user_timeout_s == 0 || naru_tcp_rare_need(c) == NULL)
        return;
    uint32_t s = NARU_MIN(h->user_timeout_s, UINT32_MAX / 1000);
    if (c->more->rare->remote_uto_ms == s * 1000)
        return;
    c->more->rare->remote_uto_ms = s * 1000;
    naru_tcp_timer_user_timeout(c, now);
}

NARU_NOINLINE void naru_tcp_uto_put(const struct naru_tcp *c, struct naru_tcp_hdr *h)
{
    h->opts |= NARU_TCP_OPT_USER_TIMEOUT;
    h->user_timeout_s = (naru_tcp_opts(c)->uto_ms + 999) / 1000;
}
