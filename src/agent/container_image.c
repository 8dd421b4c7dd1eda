#include "agent/container_image.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "wire/agent_image.h"

#define PULL_TRIES 2
#define PULL_AGAIN_MS 2000
#define FILE_BYTES KIB(96)
#define SAY_LIMIT_MS 5000

/* ---- the engine ---- */

static bool read_text(const char *path, char *ret, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t have = 0;
    ssize_t n = 0;

    while (fd >= 0 && have < size - 1 &&
           ((n = read(fd, ret + have, size - 1 - have)) > 0 || (n < 0 && errno == EINTR)))
        have += n > 0 ? (size_t)n : 0;
    if (fd >= 0)
        (void)close(fd);
    ret[have] = '\0';
    return fd >= 0 && n >= 0;
}

/* NULL: it answers. */
static const char *ask_version(struct helper *h, int64_t limit_ms, enum engine e,
                               struct container_ground *ret)
{
    struct answer *a = arena_alloc(&h->arena, sizeof(*a));
    struct call c = {.argv = container_version_argv(&h->arena, e), .limit_ms = limit_ms};

    if (!call_engine(h, &c, a))
        return call_error(h, &c, a);
    if (!container_version_parse(a->out, ret->version, sizeof(ret->version)))
        return arena_printf(&h->arena, "%s version: its answer is no version", engine_name(e));
    ret->engine = e;
    return NULL;
}

const char *engine_find(struct helper *h, int64_t limit_ms, struct container_ground *ret)
{
    static const enum engine order[] = {ENGINE_PODMAN, ENGINE_DOCKER};
    const char *whys[ARRAY_LEN(order)] = {"", ""};
    enum engine set = ENGINE_COUNT;
    char text[64];

    *ret = (struct container_ground){.patience_ms = h->patience_ms};
    if (read_text(ENGINE_FILE, text, sizeof(text)) && !engine_setting(text, &set, &ret->patience_ms))
        return "the file `engine` of this server is not podman, docker or none, and a number of seconds";
    h->patience_ms = ret->patience_ms;
    if (set == ENGINE_NONE)
        return "this server is set to run no containers (its file `engine`)";
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        if (set != ENGINE_COUNT && set != order[i])
            continue;
        whys[i] = ask_version(h, limit_ms, order[i], ret);
        if (whys[i] == NULL)
            return NULL;
    }
    return arena_printf(&h->arena, "this server cannot run containers: %s%s%s", whys[0],
                        whys[0][0] != '\0' && whys[1][0] != '\0' ? "; " : "", whys[1]);
}

void container_engine_say(void)
{
    static const char none[] = "command not found";
    struct container_ground ground;
    struct helper h;
    const char *why;

    if (!helper_init(&h))
        return;
    why = engine_find(&h, SAY_LIMIT_MS, &ground);
    if (why == NULL)
        (void)printf("containers by %s %s\n", engine_name(ground.engine), ground.version);
    else if (strstr(why, none) != NULL && strstr(strstr(why, none) + 1, none) != NULL)
        (void)printf("no containers: neither podman nor docker is installed\n");
    else
        (void)printf("no containers: %s\n", why);
}

/* ---- the image ---- */

static bool inspect(struct helper *h, enum engine e, const char *name, struct answer *a)
{
    struct call c = {.argv = container_image_argv(&h->arena, e, name)};
    struct container_image image;

    return call_engine(h, &c, a) && container_image_parse(a->out, name, &image);
}

/* NULL: it was fetched. */
static const char *fetch(struct helper *h, enum engine e, const char *name)
{
    struct answer *a = arena_alloc(&h->arena, sizeof(*a));
    struct call c = {.argv = container_argv(&h->arena, e, (const char *[]){"pull", name, NULL}),
                     .limit_ms = SETUP_STEP_LIMIT_MS,
                     .out = STDOUT_FILENO};

    for (int tries = 1; !call_engine(h, &c, a); tries++) {
        int none;

        if (tries == PULL_TRIES || a->is_cut || !a->is_started)
            return call_error(h, &c, a);
        (void)printf("[wrata: %s; tried once more]\n", call_error(h, &c, a));
        (void)fflush(stdout);
        (void)poll(&(struct pollfd){.fd = h->signal_fd, .events = POLLIN}, 1, PULL_AGAIN_MS);
        (void)helper_signals(h, -1, &none);
    }
    return NULL;
}

/* NULL: it is there, with what `inspect` says of it in a->out. */
static const char *have(struct helper *h, enum engine e, const char *name, const char *policy,
                        struct answer *a)
{
    bool always =
        strcmp(policy, "always") == 0 ||
        (strcmp(policy, "default") == 0 && !image_name_is_pinned(name) && !image_name_is_local(name));
    const char *why;

    if (!always && inspect(h, e, name, a))
        return NULL;
    if (a->is_late || a->is_cut)
        return arena_printf(&h->arena, "%s image inspect gave no answer", engine_name(e));
    if (strcmp(policy, "never") == 0)
        return arena_printf(
            &h->arena, "image %s is not on this server, and `pull: never` keeps it from being fetched", name);
    (void)printf("[wrata: %s fetches image %s]\n", engine_name(e), name);
    (void)fflush(stdout);
    why = fetch(h, e, name);
    if (why != NULL)
        return arena_printf(&h->arena, "image %s could not be fetched: %s", name, why);
    return inspect(h, e, name, a) ? NULL
                                  : arena_printf(&h->arena, "image %s was fetched, but is not there: %s",
                                                 name, a->err[0] != '\0' ? a->err : a->out);
}

int container_image_main(int argc, char **argv)
{
    static struct answer a;
    struct container_ground ground;
    struct helper h;
    const char *why;
    FILE *f;

    if (argc != 3 || !helper_init(&h))
        return 2;
    why = engine_find(&h, ENGINE_LIMIT_MS, &ground);
    if (why == NULL)
        why = have(&h, ground.engine, argv[1], argv[2], &a);
    f = fopen(argv[0], "we");
    if (f == NULL)
        return 1;
    if (why != NULL)
        (void)fprintf(f, "failed %s\n", why);
    else
        (void)fprintf(f, "%s %s %" PRId64 " %s\n%s", engine_name(ground.engine), ground.version,
                      ground.patience_ms, argv[1], a.out);
    return fclose(f) == 0 && why == NULL ? 0 : 1;
}

bool container_ground_read(const char *file, struct container_ground *ret, char *ret_why, size_t size)
{
    static char text[FILE_BYTES];
    char engine[16];
    char name[IMAGE_NAME_BYTES_MAX + 1];
    const char *image;

    (void)snprintf(ret_why, size, "what podman or docker says of the image cannot be read");
    if (!read_text(file, text, sizeof(text)))
        return false;
    if (strncmp(text, "failed ", 7) == 0) {
        text[strcspn(text, "\n")] = '\0';
        (void)snprintf(ret_why, size, "%s", text + 7);
        return false;
    }
    *ret = (struct container_ground){0};
    image = strchr(text, '\n');
    if (image == NULL ||
        sscanf(text, "%15s %39s %" SCNd64 " %255s", engine, ret->version, &ret->patience_ms, name) != 4)
        return false;
    ret->engine = engine_parse(engine);
    return ret->engine != ENGINE_COUNT && container_image_parse(image + 1, name, &ret->image);
}
