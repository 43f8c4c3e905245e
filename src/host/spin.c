/* Whether to wait with open eyes; see spin.h. */
#include "host/spin.h"

enum {
    POINTS_PAY = 4,   /* so many short waits, and the next one is expected to be short */
    POINTS_MAX = 8,   /* a burst as long as it may be is over after two long waits */
    LONG_WAIT = 4,    /* what a long one costs: looking on is for loops that mostly wait shortly */
    CROWDED_MIN = 64, /* short waits until it is tried again after others were in need */
    CROWDED_MAX = 8192, /* a try may cost a time slice, so there should be few where all are busy */
    FORGIVE = 4,        /* less of that for each short wait while it pays */
};

void naru_spin_init(struct naru_spin *spin, naru_time window)
{
    *spin = (struct naru_spin){ .window = window, .crowded = CROWDED_MIN };
}

bool naru_spin_pays(const struct naru_spin *spin)
{
    return spin->window > 0 && spin->points >= POINTS_PAY;
}

void naru_spin_waited(struct naru_spin *spin, naru_time took)
{
    if (took <= spin->window) {
        if (spin->points >= POINTS_PAY && spin->crowded > CROWDED_MIN)
            spin->crowded -= FORGIVE;
        spin->points += spin->points < POINTS_MAX;
    } else if (spin->points > 0) {
        spin->points = spin->points > LONG_WAIT ? spin->points - LONG_WAIT : 0;
    }
}

/* Again and again means that the others stay; once in a thousand times, that something passed. */
void naru_spin_crowded(struct naru_spin *spin)
{
    spin->points = -spin->crowded;
    spin->crowded = spin->crowded < CROWDED_MAX / 2 ? 2 * spin->crowded : CROWDED_MAX;
}
