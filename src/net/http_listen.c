#include "net/http_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 511

static enum err parse_listen(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len,
                             struct why *reterr)
{
    struct sockaddr_in *in4 = (struct sockaddr_in *)ret;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;
    const char *colon = strrchr(text, ':');
    char host[64];
    char *end;
    unsigned long port;
    size_t n;

    if (colon == NULL || colon[1] < '0' || colon[1] > '9')
        return why_set(reterr, ERR_INVALID, "listen", "listen: '%s' is not ADDRESS:PORT", text);
    port = strtoul(colon + 1, &end, 10);
    if (*end != '\0' || port > 65535)
        return why_set(reterr, ERR_INVALID, "listen", "listen: '%s': the port is not 0..65535", text);
    n = (size_t)(colon - text);
    if (n >= sizeof(host))
        return why_set(reterr, ERR_INVALID, "listen", "listen: '%s': the address is too long", text);
    if (n > 2 && text[0] == '[' && text[n - 1] == ']')
        (void)snprintf(host, sizeof(host), "%.*s", (int)n - 2, text + 1);
    else
        (void)snprintf(host, sizeof(host), "%.*s", (int)n, text);
    if (strcmp(host, "localhost") == 0)
        (void)snprintf(host, sizeof(host), "127.0.0.1");
    if (host[0] == '\0' || strcmp(host, "*") == 0)
        (void)snprintf(host, sizeof(host), "0.0.0.0");
    memset(ret, 0, sizeof(*ret));
    if (inet_pton(AF_INET, host, &in4->sin_addr) == 1) {
        in4->sin_family = AF_INET;
        in4->sin_port = htons((uint16_t)port);
        *ret_len = sizeof(*in4);
    } else if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        *ret_len = sizeof(*in6);
    } else {
        return why_set(reterr, ERR_INVALID, "listen", "listen: '%s' is not the address of an interface",
                       host);
    }
    return ERR_OK;
}

enum err http_listen_is_loopback(const char *listen, bool *ret, struct why *reterr)
{
    struct sockaddr_storage addr;
    socklen_t len = 0;
    enum err err = parse_listen(listen, &addr, &len, reterr);
    const struct sockaddr_in *in4 = (const struct sockaddr_in *)&addr;
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr;

    if (err == ERR_OK)
        *ret = addr.ss_family == AF_INET6 ? IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr)
                                          : (ntohl(in4->sin_addr.s_addr) >> 24) == 127;
    return err;
}

static void learn_address(int fd, struct http_address *ret)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof(addr);

    CHECK(getsockname(fd, (struct sockaddr *)&addr, &len) == 0);
    if (addr.ss_family == AF_INET6) {
        struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&addr;

        ret->port = ntohs(in6->sin6_port);
        ret->is_loopback = IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
        ret->host[0] = '[';
        (void)inet_ntop(AF_INET6, &in6->sin6_addr, ret->host + 1, sizeof(ret->host) - 2);
        (void)snprintf(ret->host + strlen(ret->host), 2, "]");
    } else {
        struct sockaddr_in *in4 = (struct sockaddr_in *)&addr;

        ret->port = ntohs(in4->sin_port);
        ret->is_loopback = (ntohl(in4->sin_addr.s_addr) >> 24) == 127;
        (void)inet_ntop(AF_INET, &in4->sin_addr, ret->host, sizeof(ret->host));
    }
}

enum err http_listen(const char *listen_text, int *ret_fd, struct http_address *ret, struct why *reterr)
{
    struct sockaddr_storage addr;
    socklen_t len = 0;
    int on = 1;
    enum err err = parse_listen(listen_text, &addr, &len, reterr);
    int fd;

    if (err != ERR_OK)
        return err;
    fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return why_errno(reterr, ERR_IO, errno, "listen on %s", listen_text);
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&addr, len) != 0 || listen(fd, BACKLOG) != 0) {
        err = why_errno(reterr, errno == EADDRINUSE ? ERR_CONFLICT : ERR_IO, errno, "listen on %s",
                        listen_text);
        (void)close(fd);
        return err;
    }
    learn_address(fd, ret);
    *ret_fd = fd;
    return ERR_OK;
}
