/* Memory for what few connections need: see struct naru_tcp_rare. */
#include "proto/tcp/internal.h"

#include "base/mem.h"

NARU_NOINLINE struct naru_tcp_rare *naru_tcp_rare_need(struct naru_tcp *c)
{
    if (c->more->rare != NULL)
        return c->more->rare;
    if (!naru_tcp_more_need(c))
        return NULL;
    struct naru_tcp_rare *m = naru_mem_alloc_zero(c->more->env->mem, sizeof(*m));
    if (m == NULL)
        return NULL;
    c->more->rare = m;
    m->busy = c->busy;
    m->app_limited = NARU_MAX(c->delivered + 1, 1u); /* before, there was never so much to send */
    if (naru_tcp_sent_count(c) > 0) {                /* it has been busy since */
        m->limit_at = m->delivered_at = m->first_sent = naru_tcp_sent_at(c, 0)->sent_at;
        m->limit = NARU_TCP_LIMIT_NONE;
    }
    return m;
}

void naru_tcp_rare_free(struct naru_tcp *c)
{
    if (c->more->rare != NULL) {
        naru_mem_free(c->more->env->mem, c->more->rare, sizeof(*c->more->rare));
        c->more->rare = NULL;
    }
}

void naru_tcp_rare_spare(struct naru_tcp *c)
{
    if (c->more->rare != NULL && c->more->rare->remote_uto_ms == 0)
        naru_tcp_rare_free(c);
}
