/*
 * Every synchronized state (and SYN-RECEIVED) against every kind of segment: what is answered, and
 * which state follows (RFC 9293 3.10.7.4; RFC 5961).
 *
 * In the segments R stands for the number we expect next, S for the one we send next, U for
 * SND.UNA.
 */
#include "lib/tcp_play.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { STATES = 8 };

#define OPENED                                    \
    "+0 < S 0:0(0) win 65535 <mss 1460,sackOK>\n" \
    "+0 > S. 0:0(0) ack 1\n"
#define ACCEPTED OPENED "+0 < . 1:1(0) ack 1 win 65535\n"
#define FIN_SENT ACCEPTED "+0 shutdown wr\n+0 > F. 1:1(0) ack 1\n"
#define FIN_CAME ACCEPTED "+0 < F. 1:1(0) ack 1 win 65535\n+0 > . 1:1(0) ack 2\n"

static const struct {
    const char *name, *script;
    unsigned s, r, u;
} states[STATES] = {
    { "SYN-RECEIVED", OPENED, 1, 1, 0 },
    { "ESTABLISHED", ACCEPTED, 1, 1, 1 },
    { "FIN-WAIT-1", FIN_SENT, 2, 1, 1 },
    { "FIN-WAIT-2", FIN_SENT "+0 < . 1:1(0) ack 2 win 65535\n", 2, 1, 2 },
    { "CLOSE-WAIT", FIN_CAME, 1, 2, 1 },
    { "CLOSING", FIN_SENT "+0 < F. 1:1(0) ack 1 win 65535\n+0 > . 2:2(0) ack 2\n", 2, 2, 1 },
    { "LAST-ACK", FIN_CAME "+0 shutdown wr\n+0 > F. 1:1(0) ack 2\n", 2, 2, 1 },
    { "TIME-WAIT", FIN_SENT "+0 < F. 1:1(0) ack 2 win 65535\n+0 > . 2:2(0) ack 2\n", 2, 2, 2 },
};

/* Answers: "-" none, "A" an ACK of what came before, "A+n" of n more, "R" a RST. */
struct event {
    const char *what;
    const char *flags;
    int seq; /* from R */
    unsigned len;
    int ack; /* from S; NONE; or AT_UNA */
    struct {
        const char *answer, *next; /* next NULL: the same */
    } in[STATES];
};

enum { NONE = 1000, AT_UNA = 1001 };

static const struct event events[] = {
    { "SYN in the window",
      "S",
      10,
      0,
      NONE,
      { { "R", "CLOSED" },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL } } },
    { "SYN beyond the window",
      "S",
      70000,
      0,
      NONE,
      { { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL } } },
    { "exact RST",
      "R",
      0,
      0,
      NONE,
      { { "-", "CLOSED" },
        { "-", "CLOSED" },
        { "-", "CLOSED" },
        { "-", "CLOSED" },
        { "-", "CLOSED" },
        { "-", "CLOSED" },
        { "-", "CLOSED" },
        { "-", "CLOSED" } } },
    { "RST in the window",
      "R",
      5,
      0,
      NONE,
      { { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL } } },
    { "RST beyond the window",
      "R",
      70000,
      0,
      NONE,
      { { "-", NULL },
        { "-", NULL },
        { "-", NULL },
        { "-", NULL },
        { "-", NULL },
        { "-", NULL },
        { "-", NULL },
        { "-", NULL } } },
    { "ACK of what was not sent",
      ".",
      0,
      0,
      1,
      { { "R", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL } } },
    { "data beyond the window",
      ".",
      70000,
      10,
      AT_UNA,
      { { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL } } },
    { "ACK beyond the window",
      ".",
      70000,
      0,
      AT_UNA,
      { { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL } } },
    { "data without ACK",
      "P",
      0,
      10,
      NONE,
      { { "-", NULL },
        { "-", NULL },
        { "-", NULL },
        { "-", NULL },
        { "-", NULL },
        { "-", NULL },
        { "-", NULL },
        { "-", NULL } } },
    { "the ACK that is wanted",
      ".",
      0,
      0,
      0,
      { { "-", "ESTABLISHED" },
        { "-", NULL },
        { "-", "FIN-WAIT-2" },
        { "-", NULL },
        { "-", NULL },
        { "-", "TIME-WAIT" },
        { "-", "CLOSED" },
        { "-", NULL } } },
    { "data",
      "P.",
      0,
      10,
      0,
      { { "A+10", "ESTABLISHED" },
        { "A+10", NULL },
        { "A+10", "FIN-WAIT-2" },
        { "A+10", NULL },
        { "-", NULL },
        { "-", "TIME-WAIT" },
        { "-", "CLOSED" },
        { "-", NULL } } },
    { "FIN",
      "F.",
      0,
      0,
      AT_UNA,
      { { "R", NULL },
        { "A+1", "CLOSE-WAIT" },
        { "A+1", "CLOSING" },
        { "A+1", "TIME-WAIT" },
        { "-", NULL },
        { "-", NULL },
        { "-", NULL },
        { "-", NULL } } },
    { "FIN and the ACK that is wanted",
      "F.",
      0,
      0,
      0,
      { { "A+1", "CLOSE-WAIT" },
        { "A+1", "CLOSE-WAIT" },
        { "A+1", "TIME-WAIT" },
        { "A+1", "TIME-WAIT" },
        { "-", NULL },
        { "-", "TIME-WAIT" },
        { "-", "CLOSED" },
        { "-", NULL } } },
    { "the number before, with a byte",
      ".",
      -1,
      1,
      AT_UNA,
      { { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL } } },
    { "the number before, empty",
      ".",
      -1,
      0,
      AT_UNA,
      { { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL },
        { "A", NULL } } },
};

static void one(const struct event *e, unsigned i)
{
    struct tcp_play p;
    char script[512], ack[32] = "", answer[64] = "";
    unsigned s = states[i].s, r = states[i].r, at = r + (unsigned)e->seq;
    const char *a = e->in[i].answer, *next = e->in[i].next;
    tcp_play_begin(&p);
    tcp_play(&p, states[i].script);
    if (e->ack != NONE)
        snprintf(ack, sizeof(ack), " ack %u",
                 e->ack == AT_UNA ? states[i].u : s + (unsigned)e->ack);
    if (*a == 'A')
        snprintf(answer, sizeof(answer), "+0 > . %u:%u(0) ack %u\n", s, s,
                 r + (a[1] == '+' ? (unsigned)(a[2] == '1' && a[3] == '0' ? 10 : 1) : 0));
    else if (*a == 'R' && e->ack != NONE)
        snprintf(answer, sizeof(answer), "+0 > R %u:%u(0)\n",
                 e->ack == AT_UNA ? states[i].u : s + (unsigned)e->ack,
                 e->ack == AT_UNA ? states[i].u : s + (unsigned)e->ack);
    else if (*a == 'R')
        snprintf(answer, sizeof(answer), "+0 > R. 0:0(0) ack %u\n", at + 1);
    snprintf(script, sizeof(script),
             "+0 = %s\n"
             "+1 < %s %u:%u(%u)%s win 65535  # %s\n"
             "%s"
             "+0 = %s\n",
             states[i].name, e->flags, at, at + e->len, e->len, ack, e->what, answer,
             next == NULL ? states[i].name : next);
    tcp_play(&p, script);
    tcp_play_end(&p);
}

/* SYN, FIN, RST, data inside and outside the window, in every state: answer or silence
 * (C-outside-the-window, C-unacc-seq-ack, B-rst-validity). */
static void every_state_and_every_segment(void **state)
{
    (void)state;
    for (unsigned k = 0; k < NARU_ARRAY_LEN(events); k++)
        for (unsigned i = 0; i < STATES; i++)
            one(&events[k], i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_state_and_every_segment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
