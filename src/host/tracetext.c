/* The trace as text; see tracetext.h. */
#include "host/tracetext.h"
#include "wire/show.h"

#include <string.h>

#define FRAME_MAX (65535 + 64)
#define TEXT_MAX  640

/* "12.000345 gateway/eth0 > " */
static void begin_line(const struct naru_trace_text *t, const struct naru_trace_event *event,
                       char mark, struct naru_text *line)
{
    unsigned i = event->ifindex != 0 ? event->ifindex : t->last_ifindex;

    naru_text_time(line, event->time - t->origin);
    naru_text_char(line, ' ');
    if (t->name != NULL) {
        naru_text_str(line, t->name);
        naru_text_char(line, '/');
    }
    if (i < NARU_TRACE_TEXT_IFACES && t->iface[i] != NULL) {
        naru_text_str(line, t->iface[i]);
    } else {
        naru_text_str(line, "if");
        naru_text_uint(line, i);
    }
    naru_text_char(line, ' ');
    naru_text_char(line, mark);
    naru_text_char(line, ' ');
}

static void show_frame(const struct naru_trace_event *event, struct naru_text *line)
{
    uint8_t frame[FRAME_MAX];
    size_t at = 0;

    for (unsigned i = 0; i < event->slice_count; i++) {
        const struct naru_slice *s = &event->slice[i];
        if (s->len > sizeof(frame) - at)
            break;
        if (s->len > 0)
            memcpy(frame + at, s->at, s->len);
        at += s->len;
    }
    if (event->ethernet)
        naru_show_frame(line, frame, at);
    else
        naru_show_packet(line, frame, at);
    if (event->offload.gso != NARU_GSO_NONE) {
        naru_text_str(line, ", in segments of ");
        naru_text_uint(line, event->offload.gso_size);
    }
}

static void show_connection(const struct naru_trace_event *event, struct naru_text *line)
{
    naru_text_endpoint(line, &event->local);
    naru_text_str(line, " - ");
    naru_text_endpoint(line, &event->remote);
    naru_text_char(line, ' ');
}

static void show_change(const struct naru_trace_event *event, struct naru_text *line)
{
    show_connection(event, line);
    naru_text_str(line, naru_tcp_state_text(event->tcp.from));
    naru_text_str(line, " -> ");
    naru_text_str(line, naru_tcp_state_text(event->tcp.state));
}

void naru_trace_text_event(void *user, const struct naru_trace_event *event)
{
    struct naru_trace_text *t = user;
    char buf[TEXT_MAX];
    struct naru_text line;

    naru_text_init(&line, buf, sizeof(buf));
    if (event->ifindex != 0)
        t->last_ifindex = event->ifindex;
    switch (event->kind) {
    case NARU_TRACE_FRAME_IN:
        begin_line(t, event, '<', &line);
        show_frame(event, &line);
        break;
    case NARU_TRACE_FRAME_OUT:
        begin_line(t, event, '>', &line);
        show_frame(event, &line);
        break;
    case NARU_TRACE_DROP:
        begin_line(t, event, '!', &line);
        naru_text_str(&line, naru_drop_text(event->reason));
        break;
    case NARU_TRACE_STATE:
        begin_line(t, event, '=', &line);
        show_change(event, &line);
        break;
    case NARU_TRACE_SEGMENT:
        if (!event->tcp.retransmit)
            return; /* Its frame says it all. */
        begin_line(t, event, '=', &line);
        show_connection(event, &line);
        naru_text_str(&line, "retransmission");
        break;
    }
    fprintf(t->file, "%s\n", buf);
    if (t->flush)
        fflush(t->file);
}
