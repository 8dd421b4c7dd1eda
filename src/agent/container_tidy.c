#include "agent/container_tidy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/container_image.h"
#include "agent/container_run.h"
#include "agent/container_start.h"
#include "agent/inside_user.h"

#define FACTS_LIMIT_MS 5000
#define MEND_LIMIT_MS 600000

static const enum engine engines[] = {ENGINE_PODMAN, ENGINE_DOCKER};

/* ---- containers ---- */

/* Each line of the list that another incarnation made. Returns how many could not be removed. */
static unsigned sweep_list(struct helper *h, enum engine e, const char *mark, uint64_t incarnation,
                           char *names)
{
    unsigned left = 0;
    char *rest = names;
    char *name;

    while ((name = strsep(&rest, "\n")) != NULL) {
        const char *why;

        if (!container_is_left(name, mark, incarnation))
            continue;
        why = container_clear(h, e, name);
        if (why != NULL)
            (void)fprintf(stderr, "container %s is left: %s\n", name, why);
        left += why != NULL;
    }
    return left;
}

/* Folders of containers that are gone. */
static void sweep_folders(uint64_t incarnation)
{
    DIR *d = opendir(BOX_FOLDER);
    struct dirent *e;
    char own[24];
    char path[600];

    (void)snprintf(own, sizeof(own), "%016" PRIx64 "-", incarnation);
    while (d != NULL && (e = readdir(d)) != NULL) {
        if (e->d_name[0] == '.' || strncmp(e->d_name, own, strlen(own)) == 0)
            continue;
        (void)snprintf(path, sizeof(path), BOX_FOLDER "/%s", e->d_name);
        container_folder_remove(path);
    }
    if (d != NULL)
        (void)closedir(d);
}

int container_sweep_main(int argc, char **argv)
{
    static struct answer a;
    struct helper h;
    unsigned left = 0;
    uint64_t incarnation = argc == 2 ? strtoull(argv[1], NULL, 16) : 0;

    if (argc != 2 || !helper_init(&h))
        return 2;
    for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
        struct call c = {.argv = container_list_argv(&h.arena, engines[i], argv[0])};

        if (call_engine(&h, &c, &a))
            left += sweep_list(&h, engines[i], argv[0], incarnation, a.out);
        else if (a.is_late)
            left++; /* it may come back; an engine that is not there has nothing of ours */
    }
    if (left == 0)
        sweep_folders(incarnation);
    return left == 0 ? 0 : 1;
}

int container_remove_main(int argc, char **argv)
{
    struct helper h;
    bool ok = true;

    if (argc < 1 || !helper_init(&h))
        return 2;
    for (int i = 0; i < argc; i++)
        for (size_t k = 0; k < ARRAY_LEN(engines); k++) {
            struct answer *a = arena_alloc(&h.arena, sizeof(*a));
            struct call c = {.argv = container_version_argv(&h.arena, engines[k]),
                             .limit_ms = FACTS_LIMIT_MS};

            if (call_engine(&h, &c, a))
                ok = container_clear(&h, engines[k], argv[i]) == NULL && ok;
            else
                ok = ok && !a->is_late;
        }
    return ok ? 0 : 1;
}

/* ---- files ---- */

/* Another user's files can be given back by root of the machine, or by root of a container of the image that made them. */
static const char *give_back(struct helper *h, const char *const *place, const char *engine,
                             const char *image, const char *folder)
{
    struct container_ground ground = {.engine = engine_parse(engine), .patience_ms = h->patience_ms};
    const struct container_place at = {
        .dir = getcwd(NULL, 0), .mark = place[0], .incarnation = strtoull(place[1], NULL, 16)};
    const struct setup_container none = {.pull = SETUP_PULL_NEVER};
    const struct container_what what = {
        .run = (uint64_t)getpid(), .step = 99, .server = "mend", .tree = folder};
    struct container_order order;
    struct container_start c = {.order = &order, .out = STDOUT_FILENO, .results = -1};
    struct mono end = mono_add_ms(mono_now(), MEND_LIMIT_MS);
    const char *fault;
    int status = 0;

    if (at.dir == NULL || ground.engine == ENGINE_COUNT)
        return "the note about it cannot be used";
    (void)snprintf(ground.image.id, sizeof(ground.image.id), "%s", image);
    fault = container_plan(&h->arena, &at, &ground, &none, &what, &order);
    if (fault != NULL)
        return fault;
    order.has_notes = false; /* the one that is there stays until we are done */
    order.inside.has_hook = false;
    order.inside.cwd = "/";
    order_add(&h->arena, &order.inside.argv, BOX_INSIDE "/agent"); /* anything that ends */
    order_add(&h->arena, &order.inside.argv, "version");
    fault = container_start(&c, &h->arena);
    while (fault == NULL && mono_before(mono_now(), end) && !h->wants_kill) {
        (void)poll(&(struct pollfd){.fd = h->signal_fd, .events = POLLIN}, 1, 1000);
        if (helper_signals(h, c.pid, &status))
            return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? NULL
                                                                 : "a container that gives it back failed";
    }
    return fault != NULL ? fault : "a container that gives it back took too long";
}

/* moved_to: where the folder of the note is by now; NULL: where it says.
 * NULL: there is no note, or everything is ours again. */
static const char *mend(struct helper *h, const char *const *place, const char *note, const char *moved_to)
{
    char path[300];
    char engine[16];
    char image[80];
    char folder[4097];
    const char *why = NULL;
    int error = 0;
    FILE *f;
    int n;

    (void)snprintf(path, sizeof(path), LENT_FOLDER "/%s", note);
    f = fopen(path, "re");
    if (f == NULL)
        return errno == ENOENT ? NULL : strerror(errno);
    n = fscanf(f, "%15s %79s %4096[^\n]", engine, image, folder);
    (void)fclose(f);
    if (moved_to != NULL)
        (void)snprintf(folder, sizeof(folder), "%s", moved_to);
    if (n != 3)
        why = "the note about it cannot be read";
    else if (access(folder, F_OK) != 0)
        why = NULL;
    else if (geteuid() == 0)
        why = inside_own(folder, 0, 0, &error) > 0 ? strerror(error) : NULL;
    else
        why = give_back(h, place, engine, image, folder);
    if (why == NULL)
        (void)unlink(path);
    return why;
}

static int mend_note(char **argv, const char *moved_to)
{
    struct helper h;
    const char *why;

    if (!helper_init(&h))
        return 2;
    why = mend(&h, (const char *[]){argv[0], argv[1]}, argv[2], moved_to);
    if (why != NULL)
        (void)printf("files of a container in %s are not the agent's again: %s\n", argv[2], why);
    return why == NULL ? 0 : 1;
}

int container_mend_main(int argc, char **argv)
{
    return argc == 3 ? mend_note(argv, NULL) : 2;
}

int container_clear_main(int argc, char **argv)
{
    if (argc != 4 || mend_note(argv, argv[3]) != 0)
        return 1;
    (void)execlp("rm", "rm", "-rf", "--", argv[3], (char *)NULL);
    return 1;
}

/* ---- verbs ---- */

int container_main(int argc, char **argv)
{
    static const struct {
        const char *verb;
        int (*run)(int argc, char **argv);
    } verbs[] = {{"run", container_run_main},     {"image", container_image_main},
                 {"sweep", container_sweep_main}, {"remove", container_remove_main},
                 {"mend", container_mend_main},   {"clear", container_clear_main}};

    for (size_t i = 0; argc > 0 && i < ARRAY_LEN(verbs); i++)
        if (strcmp(argv[0], verbs[i].verb) == 0)
            return verbs[i].run(argc - 1, argv + 1);
    return 2;
}
