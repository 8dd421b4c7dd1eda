/* test_store_world.h - a store in a folder of its own, and rows to put into it: for the tests of the store. */
#ifndef WRATA_TEST_STORE_WORLD_H
#define WRATA_TEST_STORE_WORLD_H

#include <errno.h>
#include <ftw.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/mem.h"
#include "base/rng.h"
#include "store/db.h"
#include "store/migrations.h"
#include "store/store.h"

/* ---- a store in a folder of its own ----------------------------------------------------------------------- */

struct world {
    char dir[64];
    struct store *st;
    int wake[2];      /* a byte per wake() */
    uint32_t pending; /* submitted, not done */
    enum err last_err;
    struct why last_why;
    uint32_t n_failed;
};

static inline void on_wake(void *ctx)
{
    struct world *w = ctx;

    assert_int_equal(write(w->wake[1], "x", 1), 1);
}

static inline enum err world_open(struct world *w, struct why *why)
{
    return store_open(&(struct store_opts){.dir = w->dir, .wake = on_wake, .wake_ctx = w}, &w->st, why);
}

static inline void world_reopen(struct world *w)
{
    struct why why = {0};

    store_close(w->st);
    w->st = NULL;
    if (world_open(w, &why) != ERR_OK)
        fail_msg("%s", why.text);
}

static inline int setup(void **state)
{
    struct world *w = xcalloc(1, sizeof(*w));
    struct why why = {0};

    (void)snprintf(w->dir, sizeof(w->dir), "/tmp/wrata-store-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    assert_int_equal(pipe(w->wake), 0);
    if (world_open(w, &why) != ERR_OK)
        fail_msg("%s", why.text);
    *state = w;
    return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static inline int teardown(void **state)
{
    struct world *w = *state;

    fault_disarm_all();
    store_close(w->st);
    (void)close(w->wake[0]);
    (void)close(w->wake[1]);
    (void)nftw(w->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(w);
    return 0;
}

static inline void on_done(void *ctx, enum err err, const struct why *why)
{
    struct world *w = ctx;

    w->pending--;
    w->last_err = err;
    w->last_why = *why;
    if (err != ERR_OK)
        w->n_failed++;
}

static inline void turn(struct world *w)
{
    char bytes[64];

    assert_true(read(w->wake[0], bytes, sizeof(bytes)) > 0);
    store_turn(w->st);
}

static inline void settle(struct world *w)
{
    while (w->pending > 0)
        turn(w);
}

static inline void put_changes(struct world *w, const struct change *c, uint32_t n)
{
    w->pending++;
    store_changes(w->st, c, n, on_done, w);
}

static inline void put(struct world *w, const struct change *c, uint32_t n)
{
    w->n_failed = 0;
    put_changes(w, c, n);
    settle(w);
    if (w->n_failed > 0)
        fail_msg("%s", w->last_why.text);
}

static inline void append(struct world *w, uint64_t run, uint64_t offset, const void *bytes, size_t len)
{
    char *copy = xmalloc(len);

    memcpy(copy, bytes, len);
    w->pending++;
    store_log_append(w->st, (struct run_id){run}, offset, copy, (uint32_t)len, on_done, w);
}

static inline void end_log(struct world *w, uint64_t run)
{
    w->pending++;
    store_log_end(w->st, (struct run_id){run}, on_done, w);
}

/* A read, waited for. */
struct read_job {
    void (*fn)(struct reader *r, void *arg);
    void *arg;
    bool done;
};

static inline void read_job_fn(struct reader *r, void *arg)
{
    struct read_job *j = arg;

    j->fn(r, j->arg);
}

static inline void read_job_done(void *arg)
{
    ((struct read_job *)arg)->done = true;
}

static inline void read_now(struct world *w, void (*fn)(struct reader *r, void *arg), void *arg)
{
    struct read_job j = {fn, arg, false};

    store_read(w->st, read_job_fn, read_job_done, &j);
    while (!j.done)
        turn(w);
}

/* ---- rows to write ----------------------------------------------------------------------------------------- */

/* Everything that has ever broken a quoting rule. */
#define NASTY \
    "it's \"quoted\", `ticked`; -- \\ %s %% \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n\ttwo\r\nlines ? $1 {id}"

static const char *const env[] = {"NAME=value", "EMPTY=", "NASTY=" NASTY};
static const char *const sealed[] = {"TOKEN=1 0123456789abcdef c2VhbGVk", "KEY=1 x"};
static const uint64_t only_servers[] = {1, 2, UINT64_C(9007199254740993)};

static inline struct change a_server(uint64_t id, const char *name)
{
    struct change c = {.kind = CHANGE_SERVER_PUT};

    c.server = (struct server_row){.id = {id},
                                   .name = name,
                                   .fleet = FLEET_SSH,
                                   .address = "10.0.0.1",
                                   .user = "u",
                                   .identity = "/home/u/.ssh/id",
                                   .port = 2222,
                                   .slots = 4,
                                   .created_at = {1700000000123},
                                   .link = LINK_ONLINE,
                                   .link_since = {1700000000456},
                                   .link_reason = NASTY,
                                   .agent_version = "0.1.0",
                                   .facts = NASTY,
                                   .fleet_id = {FLEET_ID_SSH},
                                   .status = SERVER_CREATING,
                                   .status_since = {1700000000789},
                                   .status_reason = NASTY,
                                   .progress = NASTY,
                                   .intent = 7,
                                   .creates = 2,
                                   .machine = "3164444",
                                   .size = "s-1vcpu-1gb",
                                   .region = "fra1",
                                   .price_hour_microusd = 8930,
                                   .billed_at = {1700000000001},
                                   .lease_until = {1700000000002},
                                   .idle_ms = 60000,
                                   .active_at = {1700000000003},
                                   .destroy_at = {1700000000004},
                                   .leaving = true,
                                   .booked_by = {9},
                                   .booked_at = {1700000000005},
                                   .maintenance = true,
                                   .sick = NASTY,
                                   .sick_cause = SICK_LOSSES,
                                   .sick_since = {1700000000006},
                                   .losses = 2,
                                   .losses_since = {1700000000007},
                                   .lost_at = {1700000000008},
                                   .metered_at = {1700000000007},
                                   .charged_at = {1700000000008},
                                   .cost_nanousd = 12345678901};
    return c;
}

static const char *const kept[] = {"31", NASTY};

static inline struct change a_fleet(uint64_t id, const char *name)
{
    struct change c = {.kind = CHANGE_FLEET_PUT};

    c.fleet = (struct fleet_row){.id = {id},
                                 .name = name,
                                 .kind = FLEET_DIGITALOCEAN,
                                 .options = "{\"region\": \"fra1\"}",
                                 .booked_only = true,
                                 .idle_ms = 600000,
                                 .machines_max = 20,
                                 .day_microusd_max = 5000000,
                                 .kept = kept,
                                 .n_kept = 2,
                                 .error = NASTY,
                                 .created_at = {1700000000123},
                                 .hour_microusd = 77000};
    return c;
}

static inline struct change a_launch(uint64_t id)
{
    struct change c = {.kind = CHANGE_LAUNCH_ADD};

    c.launch = (struct launch_row){.id = {id},
                                   .user = {1},
                                   .project = {3},
                                   .project_name = "docs",
                                   .name = NASTY,
                                   .ref = "develop",
                                   .commit = "4e1c",
                                   .order = ORDER_FINISH_SOONEST,
                                   .retries = 2,
                                   .time_limit_ms = 3600000,
                                   .silence_limit_ms = 5,
                                   .lease_ms = 120000,
                                   .slots = 3,
                                   .n_tests = 2,
                                   .env = env,
                                   .n_env = 3,
                                   .secrets = sealed,
                                   .n_secrets = 2,
                                   .servers = only_servers,
                                   .n_servers = 3,
                                   .created_at = {1700000001000},
                                   .state = LAUNCH_RUNNING};
    return c;
}

static inline struct change a_test(uint64_t id, uint64_t launch, uint32_t position, const char *path)
{
    static const char *argv[4] = {"bundle", "exec", "\1x", NULL};
    static const char *reports[2] = {"out/*.xml", "b/r.xml"};
    struct change c = {.kind = CHANGE_TEST_ADD};

    c.test = (struct test_row){.id = {id},
                               .launch = {launch},
                               .position = position,
                               .path = path,
                               .adapter = ADAPTER_RSPEC,
                               .argv = argv,
                               .n_argv = 3,
                               .reports = reports,
                               .n_reports =
                                   (uint32_t)(id % 3), /* tests of one launch may differ in nothing else */
                               .predicted_ms = 1234};
    return c;
}

static inline struct change a_run(uint64_t id, uint64_t test, uint64_t launch, const char *path)
{
    struct change c = {.kind = CHANGE_RUN_ADD};

    c.run = (struct run_row){.id = {id},
                             .test = {test},
                             .launch = {launch},
                             .server = {1},
                             .server_name = "local-1",
                             .path = path,
                             .attempt = 1,
                             .slot = UINT32_MAX,
                             .state = RUN_ASSIGNED,
                             .reason = "",
                             .created_at = {1700000002000},
                             .slot_at = {1700000002001},
                             .cost_nanousd = 7654321};
    return c;
}

/* Servers 1 and 2, launch 1 with tests 1..n, each with a run of the same number. */
static inline void put_launch_of(struct world *w, uint32_t n)
{
    struct change *c = xcalloc((size_t)2 * n + 3, sizeof(*c));
    char(*paths)[32] = xcalloc(n, sizeof(*paths));
    uint32_t i;

    c[0] = a_server(1, "local-1");
    c[1] = a_server(2, "local-2");
    c[2] = a_launch(1);
    c[2].launch.n_tests = n;
    for (i = 0; i < n; i++) {
        (void)snprintf(paths[i], sizeof(paths[i]), "spec/t%u_spec.rb", i);
        c[3 + i] = a_test(i + 1, 1, i, paths[i]);
        c[3 + n + i] = a_run(i + 1, i + 1, 1, paths[i]);
    }
    put(w, c, 2 * n + 3);
    free(c);
    free(paths);
}

#endif
