/*
 * Which resolvers the host uses: see resolver.h.
 */
#include "gate/resolver.h"

#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <unistd.h>

#define DNS_PORT 53
#define FILE_MAX 8192

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

/* The next word of *at, up to end; its length, 0 at the end of the line. */
static size_t next_word(const char **at, const char *end)
{
    size_t len = 0;

    while (*at < end && is_blank(**at))
        (*at)++;
    while (*at + len < end && !is_blank((*at)[len]))
        len++;
    return len;
}

/* "192.0.2.1", "2001:db8::1", "fe80::1%eth0" (the scope is the host's). */
static bool parse_server(const char *word, size_t len, struct naru_endpoint *out)
{
    char text[NARU_ADDR_TEXT_SIZE + IF_NAMESIZE + 1];
    char *scope;

    if (len >= sizeof(text))
        return false;
    memcpy(text, word, len);
    text[len] = '\0';
    *out = (struct naru_endpoint){ .port = DNS_PORT };
    scope = strchr(text, '%');
    if (scope != NULL) {
        *scope = '\0';
        unsigned index = if_nametoindex(scope + 1);
        if (index == 0 || index > UINT16_MAX)
            return false;
        out->ifindex = (uint16_t)index;
    }
    return naru_addr_parse(text, &out->addr);
}

static void parse_line(const char *at, const char *end, struct naru_resolvers *out)
{
    static const char keyword[] = "nameserver";
    size_t len = next_word(&at, end);

    if (len != sizeof(keyword) - 1 || memcmp(at, keyword, len) != 0)
        return;
    at += len;
    len = next_word(&at, end);
    if (len > 0 && parse_server(at, len, &out->server[out->count]))
        out->count++;
}

void naru_resolvers_parse(const char *text, size_t len, struct naru_resolvers *out)
{
    const char *end = text + len;

    *out = (struct naru_resolvers){ 0 };
    while (text < end && out->count < NARU_GATE_DNS_MAX) {
        const char *line_end = memchr(text, '\n', (size_t)(end - text));
        if (line_end == NULL)
            line_end = end;
        parse_line(text, line_end, out);
        text = line_end < end ? line_end + 1 : end;
    }
}

/* Up to FILE_MAX bytes; a file is small, and read in one go. */
static size_t read_file(const char *path, char *text)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len;

    if (fd < 0)
        return 0;
    len = read(fd, text, FILE_MAX);
    close(fd);
    return len < 0 ? 0 : (size_t)len;
}

void naru_resolvers_read(const char *path, struct naru_resolvers *out)
{
    char text[FILE_MAX];

    naru_resolvers_parse(text, read_file(path, text), out);
    if (out->count == 0) {
        out->server[0] =
            (struct naru_endpoint){ .addr = naru_addr_v4(0x7f000001), .port = DNS_PORT };
        out->count = 1;
    }
}
