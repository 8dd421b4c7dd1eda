#include "agent/container_start.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "agent/container_call.h"
#include "agent/launch.h"

/* Memory alone: what is in it may be secret. -1 with errno. */
static int order_file(const struct container_order *order)
{
    int fd = memfd_create("wrata-order", MFD_CLOEXEC);
    struct buf b;
    size_t at = 0;

    buf_init(&b, ORDER_BYTES_MAX);
    container_order_write(order, &b);
    while (fd >= 0 && at < b.len) {
        ssize_t n = write(fd, b.data + at, b.len - at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            (void)close(fd);
            fd = -1;
            break;
        }
        at += (size_t)n;
    }
    mem_wipe(b.data, b.cap);
    buf_done(&b);
    return fd;
}

const char *container_start(struct container_start *c, struct arena *a)
{
    struct launch l = {
        .argv = (char *[]){"/proc/self/exe", "container", "run", NULL}, .out = c->out, .results = c->results};
    int side[2] = {-1, -1};
    const char *step = "";
    const char *error = NULL;

    l.in = order_file(c->order);
    l.envp = engine_env(a);
    if (l.in < 0 || (!c->order->is_step && pipe2(side, O_CLOEXEC) != 0))
        error =
            arena_printf(a, "what is to be done in its container cannot be passed on: %s", strerror(errno));
    l.side = side[1] >= 0 ? side[1] : 0;
    c->pid = error == NULL ? launch_child(&l, a, &step) : -1;
    if (error == NULL && c->pid < 0)
        error = arena_printf(a, "the helper of its container does not start: %s", strerror(errno));
    if (l.in >= 0)
        (void)close(l.in);
    if (side[1] >= 0)
        (void)close(side[1]);
    c->side = side[0];
    if (side[0] >= 0 && error == NULL)
        (void)fcntl(side[0], F_SETFL, O_NONBLOCK);
    else if (side[0] >= 0)
        (void)close(side[0]);
    return error;
}
