/* Whether to wait with open eyes; see spin.h. */
#include "host/spin.h"

enum {
    POINTS_PAY = 4, /* so many short waits, and the next one is expected to be short */
    POINTS_MAX = 8, /* a burst as long as it may be is over after two long waits */
    LONG_WAIT = 4,  /* what a long one costs: looking on is for loops that mostly wait shortly */
    CROWDED = 64,   /* short waits until it is tried again after others were in need */
};

void naru_spin_init(struct naru_spin *spin, naru_time window)
{
    *spin = (struct naru_spin){ .window = window };
}

bool naru_spin_pays(const struct naru_spin *spin)
{
    return spin->window > 0 && spin->points >= POINTS_PAY;
}

void naru_spin_waited(struct naru_spin *spin, naru_time took)
{
    if (took <= spin->window)
        spin->points += spin->points < POINTS_MAX;
    else if (spin->points > 0)
        spin->points = spin->points > LONG_WAIT ? spin->points - LONG_WAIT : 0;
}

void naru_spin_crowded(struct naru_spin *spin) { spin->points = -CROWDED; }
