/* bench_examples.c - what examples take on disk and how fast they are written; how long an old folder takes to move.
 *
 *     bench_examples [EXAMPLES [FOLDER]]      default: 1000000 in a folder in /tmp, removed afterwards
 *     bench_examples open FOLDER              only open it: what the migrations of this version take
 *
 * A suite of 500 files with 100 examples each runs again and again; one example of a hundred fails, with a message that has a
 * number of its own and one of a few backtraces. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rng.h"
#include "store/store.h"
#include "store_waited.h"

#define FILES 500u
#define EXAMPLES 100u /* of a file */
#define FRAMES 12u

static double open_store(const char *folder)
{
    struct mono t = mono_now();
    struct why why;

    if (store_open(&(struct store_opts){.dir = folder, .wake = on_wake}, &st, &why) != ERR_OK) {
        fprintf(stderr, "%s\n", why.text);
        exit(1);
    }
    return seconds_since(t);
}

static long long database_bytes(const char *folder)
{
    char path[512];
    struct stat s;

    (void)snprintf(path, sizeof(path), "%s/wrata.db", folder);
    return stat(path, &s) == 0 ? (long long)s.st_size : 0;
}

static uint64_t id_of(uint32_t launch, uint32_t file)
{
    return (uint64_t)(launch - 1) * FILES + file + 1;
}

static void add_launch(struct arena *a, uint32_t launch)
{
    struct change *c = arena_alloc(a, (2 * FILES + 1) * sizeof(*c));
    static const char *const argv[] = {"rspec"};

    c[0].kind = CHANGE_LAUNCH_ADD;
    c[0].launch = (struct launch_row){.id = {launch},
                                      .project = {1},
                                      .project_name = "bench",
                                      .name = "",
                                      .ref = "main",
                                      .commit = "4e1c",
                                      .n_tests = FILES,
                                      .user = {1}};
    for (uint32_t i = 0; i < FILES; i++) {
        const char *path = arena_printf(a, "spec/models/some/folder/test_%04u_spec.rb", i);

        c[1 + i].kind = CHANGE_TEST_ADD;
        c[1 + i].test = (struct test_row){.id = {id_of(launch, i)},
                                          .launch = {launch},
                                          .position = i,
                                          .path = path,
                                          .adapter = ADAPTER_RSPEC,
                                          .argv = argv,
                                          .n_argv = 1};
        c[1 + FILES + i].kind = CHANGE_RUN_ADD;
        c[1 + FILES + i].run = (struct run_row){.id = {id_of(launch, i)},
                                                .test = {id_of(launch, i)},
                                                .launch = {launch},
                                                .server = {1},
                                                .server_name = "local-1",
                                                .path = path,
                                                .attempt = 1,
                                                .created_at = {1700000000000 + (int64_t)launch * 3600000}};
    }
    pending++;
    store_changes(st, c, 2 * FILES + 1, on_done, NULL);
    settle();
}

static void a_failure(struct arena *a, struct rng *rng, struct example_row *row)
{
    const char **frames = arena_alloc(a, FRAMES * sizeof(*frames));
    unsigned where = (unsigned)rng_below(rng, 8);

    for (uint32_t i = 0; i < FRAMES; i++)
        frames[i] =
            arena_printf(a, "./lib/pages/page_%u.rb:%u:in `method_that_does_step_%u'", where, 10 + i, i);
    row->status = EXAMPLE_FAILED;
    row->exception = "RSpec::Expectations::ExpectationNotMetError";
    row->message =
        arena_printf(a, "expected the document to have %u pages\n     got: %u\n\n(compared using ==)",
                     (unsigned)rng_below(rng, 100), (unsigned)rng_below(rng, 100));
    row->backtrace = frames;
    row->n_backtrace = FRAMES;
}

static void add_examples(struct arena *a, struct rng *rng, uint32_t launch, uint32_t file)
{
    struct example_row *rows = arena_alloc(a, EXAMPLES * sizeof(*rows));
    struct tally tally = {.started = true, .discovered = EXAMPLES};
    const char *path = arena_printf(a, "./spec/models/some/folder/test_%04u_spec.rb", file);

    for (uint32_t i = 0; i < EXAMPLES; i++) {
        const char **names = arena_alloc(a, 3 * sizeof(*names));

        names[0] = arena_printf(a, "A document of kind %u", file);
        names[1] = arena_printf(a, "when it was opened %u times", i / 10);
        names[2] = arena_printf(a, "has all of its styles and number %u", i);
        rows[i] = (struct example_row){.run = {id_of(launch, file)},
                                       .seq = i,
                                       .id = arena_printf(a, "%s[1:%u:%u]", path, i / 10 + 1, i % 10 + 1),
                                       .path = names,
                                       .n_path = 3,
                                       .file = path,
                                       .line = 10 + 4 * i,
                                       .duration_ms = (double)rng_below(rng, 1000000) / 1000,
                                       .exception = "",
                                       .message = "",
                                       .pending = ""};
        if (rng_chance(rng, 1, 100))
            a_failure(a, rng, &rows[i]);
        if (rows[i].status == EXAMPLE_FAILED)
            tally.failed++;
        else
            tally.passed++;
    }
    pending++;
    store_examples(st, (struct run_id){id_of(launch, file)}, (struct launch_id){launch}, rows, EXAMPLES, 1000,
                   &tally, on_done, NULL);
}

static int remove_one(const char *path, const struct stat *s, int flag, struct FTW *ftw)
{
    (void)s;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void write_all(const char *folder, uint32_t n)
{
    uint32_t launches = (n + FILES * EXAMPLES - 1) / (FILES * EXAMPLES);
    long long before;
    double s = 0;
    struct arena a;
    struct rng rng;

    arena_init(&a);
    rng_seed(&rng, 1);
    (void)open_store(folder);
    for (uint32_t launch = 1; launch <= launches; launch++) {
        add_launch(&a, launch);
        arena_reset(&a);
    }
    store_close(st);
    before = database_bytes(folder);
    (void)open_store(folder);
    for (uint32_t launch = 1; launch <= launches; launch++) {
        struct mono t = mono_now();

        for (uint32_t file = 0; file < FILES; file++) {
            add_examples(&a, &rng, launch, file);
            if (file % 20 == 19)
                settle();
        }
        settle();
        s += seconds_since(t);
        arena_reset(&a);
    }
    store_close(st);
    n = launches * FILES * EXAMPLES;
    printf("%u examples: %.0f a second, %.1f bytes each\n", n, n / s,
           (double)(database_bytes(folder) - before) / n);
    arena_done(&a);
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/wrata-bench-XXXXXX";
    const char *folder = argc > 2 ? argv[2] : mkdtemp(dir);

    if (folder == NULL || pipe(wake_fds) != 0)
        return 1;
    if (argc > 2 && strcmp(argv[1], "open") == 0) {
        printf("opened in %.2f s\n", open_store(folder));
        store_close(st);
        return 0;
    }
    write_all(folder, argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 10) : 1000000);
    if (argc <= 2)
        (void)nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}
