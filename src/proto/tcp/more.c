/* Memory for what few connections need: see struct naru_tcp_more. */
#include "proto/tcp/internal.h"

#include "base/mem.h"

NARU_NOINLINE struct naru_tcp_more *naru_tcp_more_need(struct naru_tcp *c)
{
    if (c->more == NULL)
        c->more = naru_mem_alloc_zero(c->env->mem, sizeof(*c->more));
    return c->more;
}

void naru_tcp_more_free(struct naru_tcp *c)
{
    naru_mem_free(c->env->mem, c->more, sizeof(*c->more));
    c->more = NULL;
}
