/* fleet_fake.c - machines in memory, for development and tests: as quick or as slow, and as faulty, as the options say.
 *
 * A machine is a folder on this computer, DATA/fake/ID: `connect` gives a shell whose home it is, so that a real agent runs in it.
 * They are gone when the server ends: nobody pays for them.
 *
 * A fault is a name, with how often it strikes behind it: "create-lost" always, "create-lost=2" twice. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fleet/fleet_private.h"

#define MACHINES_MOST 4096
#define DAY_MS (24 * 3600 * 1000)

/* clang-format off */
#define FAULT_MAP(X)                                                                                        \
    X(CREATE_UNKNOWN, "create-unknown", "a machine is made, and the answer says that nobody knows")        \
    X(CREATE_LOST,    "create-lost",    "none is made, and the answer says that nobody knows")             \
    X(CREATE_TWICE,   "create-twice",   "two are made by one call")                                        \
    X(CREATE_BUSY,    "create-busy",    "none is made: later")                                             \
    X(CREATE_LIMIT,   "create-limit",   "none is made: the account is full")                               \
    X(CREATE_INVALID, "create-invalid", "none is made: there is no such size")                             \
    X(CREATE_AUTH,    "create-auth",    "none is made: the token is not accepted")                         \
    X(NEVER_ACTIVE,   "never-active",   "a machine is made and stays new")                                 \
    X(VANISHES,       "vanishes",       "a machine is gone as soon as it would be active")                 \
    X(LIST_FAILS,     "list-fails",     "there is no list")                                                \
    X(LIST_LAGS,      "list-lags",      "a list does not show machines that are younger than 30 s")        \
    X(DESTROY_BUSY,   "destroy-busy",   "a machine stays: later")                                          \
    X(DESTROY_STAYS,  "destroy-stays",  "a machine stays, and the answer says that it is gone")            \
    X(RENEW_BUSY,     "renew-busy",     "a lease stays as it is: later")

enum fake_fault {
#define X(name, word, text) FAULT_##name,
    FAULT_MAP(X)
#undef X
    FAULT_COUNT
};
/* clang-format on */

static const struct {
    const char *word;
    const char *text;
} faults[FAULT_COUNT] = {
#define X(name, word, text) {word, text},
    FAULT_MAP(X)
#undef X
};

struct fake_options {
    int64_t create_ms;
    int64_t boot_ms;
    int64_t answer_ms;
    int64_t machines_max;
    int64_t price_hour_microusd;
    struct field_texts faults;
};

#define AT(member) offsetof(struct fake_options, member)

static const struct field fields[] = {
    {.name = "create_ms",
     .type = FIELD_INT,
     .offset = AT(create_ms),
     .max = DAY_MS,
     .preset = "0",
     .help = "how long a create call takes"},
    {.name = "boot_ms",
     .type = FIELD_INT,
     .offset = AT(boot_ms),
     .max = DAY_MS,
     .preset = "0",
     .help = "how long a new machine takes to become active"},
    {.name = "answer_ms",
     .type = FIELD_INT,
     .offset = AT(answer_ms),
     .max = DAY_MS,
     .preset = "0",
     .help = "how long any other call takes"},
    {.name = "machines_max",
     .type = FIELD_INT,
     .offset = AT(machines_max),
     .max = MACHINES_MOST,
     .preset = "100",
     .help = "how many machines the account may have"},
    {.name = "price_hour_microusd",
     .type = FIELD_INT,
     .offset = AT(price_hour_microusd),
     .max = INT64_C(10000000000),
     .preset = "7440",
     .help = "what an hour of a machine costs, in millionths of a dollar"},
    {.name = "faults",
     .type = FIELD_TEXTS,
     .offset = AT(faults),
     .min = 1,
     .max = 40,
     .items_max = 32,
     .help = "what goes wrong: NAME, always, or NAME=TIMES"},
    {.name = NULL, .type = FIELD_END},
};

static const struct fake_options presets = {.machines_max = 100, .price_hour_microusd = 7440};

struct fake_machine {
    struct fake_machine *next;
    char id[40];
    uint64_t server;
    uint64_t intent;
    char *name;
    char *size;
    struct wall created_at;
    struct mono active_at; /* MONO_NEVER: never */
    struct mono gone_at;
    struct wall lease_until;
};

enum what { WHAT_CREATE, WHAT_DESTROY, WHAT_RENEW, WHAT_LIST, WHAT_CATALOG, WHAT_CONNECT };

struct call {
    struct call *next;
    struct fake_fleet *k;
    struct fleet_timer timer;
    enum what what;
    struct machine_spec *spec;
    char *machine;
    struct wall lease_until;
    uint64_t ask;
};

struct fake_fleet {
    struct fleet *f;
    const struct fake_options *o;
    struct fake_machine *machines;
    uint32_t n;
    uint64_t last_id;
    struct call *calls;
    int64_t left[FAULT_COUNT]; /* how often it still strikes */
};

/* ---- options ---- */

static bool read_fault(const char *text, enum fake_fault *ret, int64_t *times)
{
    size_t n = strcspn(text, "=");
    char *end;

    *times = INT64_MAX;
    if (text[n] == '=') {
        *times = strtoll(text + n + 1, &end, 10);
        if (text[n + 1] < '0' || text[n + 1] > '9' || *end != '\0' || *times > 1000000)
            return false;
    }
    for (int i = 0; i < FAULT_COUNT; i++) {
        if (strlen(faults[i].word) == n && memcmp(faults[i].word, text, n) == 0) {
            *ret = (enum fake_fault)i;
            return true;
        }
    }
    return false;
}

static enum err fake_check(const void *options, struct why *reterr)
{
    const struct fake_options *o = options;
    enum fake_fault fault;
    int64_t times;
    struct buf known;

    for (uint32_t i = 0; i < o->faults.n; i++) {
        if (read_fault(o->faults.at[i], &fault, &times))
            continue;
        buf_init(&known, KIB(2));
        for (int k = 0; k < FAULT_COUNT; k++)
            buf_printf(&known, "%s%s", k > 0 ? ", " : "", faults[k].word);
        (void)why_set(reterr, ERR_INVALID, "faults", "faults[%u]: '%.40s' is none of %.170s...", i,
                      o->faults.at[i], buf_str(&known));
        buf_done(&known);
        return ERR_INVALID;
    }
    return ERR_OK;
}

static bool strikes(struct fake_fleet *k, enum fake_fault fault)
{
    if (k->left[fault] == 0)
        return false;
    if (k->left[fault] != INT64_MAX)
        k->left[fault]--;
    return true;
}

/* ---- machines ---- */

static struct mono now_of(const struct fake_fleet *k)
{
    return k->f->all->io.now(k->f->all->io.ctx);
}

static struct fake_machine *find(struct fake_fleet *k, const char *id)
{
    for (struct fake_machine *m = k->machines; m != NULL; m = m->next) {
        if (strcmp(m->id, id) == 0)
            return m;
    }
    return NULL;
}

static struct fake_machine *make(struct fake_fleet *k, const struct machine_spec *spec)
{
    struct fake_machine *m = xcalloc(1, sizeof(*m));
    struct mono up = mono_add_ms(now_of(k), k->o->boot_ms);

    m->created_at = k->f->all->io.wall(k->f->all->io.ctx);
    (void)snprintf(m->id, sizeof(m->id), "fake-%" PRId64 "-%" PRIu64, m->created_at.ms, ++k->last_id);
    m->server = spec->server;
    m->intent = spec->intent;
    m->name = xstrdup(spec->name);
    m->size = xstrdup(spec->size[0] != '\0' ? spec->size : "medium");
    m->active_at = strikes(k, FAULT_NEVER_ACTIVE) ? MONO_NEVER : up;
    m->gone_at = strikes(k, FAULT_VANISHES) ? up : MONO_NEVER;
    m->lease_until = spec->lease_until;
    m->next = k->machines;
    k->machines = m;
    k->n++;
    return m;
}

static void folder_of(const struct fake_fleet *k, const char *id, char *out, size_t size)
{
    (void)snprintf(out, size, "%s/fake/%s", k->f->all->data_dir, id);
}

/* Does the link at /proc/PID/what point into the folder? */
static bool points_into(long pid, const char *what, const char *folder)
{
    char link[64];
    char target[4096];
    ssize_t n;

    (void)snprintf(link, sizeof(link), "/proc/%ld/%s", pid, what);
    n = readlink(link, target, sizeof(target) - 1);
    return n > 0 && (size_t)n > strlen(folder) && memcmp(target, folder, strlen(folder)) == 0;
}

/* What runs out of its folder, or in it, ends with it, as on a machine that is switched off. */
static void switch_off(const struct fake_fleet *k, const char *id)
{
    char folder[4096];
    DIR *proc;

    if (k->f->all->data_dir == NULL)
        return;
    folder_of(k, id, folder, sizeof(folder) - 2);
    (void)strncat(folder, "/", 2);
    proc = opendir("/proc");
    if (proc == NULL)
        return;
    for (struct dirent *d = readdir(proc); d != NULL; d = readdir(proc)) {
        long pid = strtol(d->d_name, NULL, 10);

        if (pid > 1 && (points_into(pid, "exe", folder) || points_into(pid, "cwd", folder)))
            (void)kill((pid_t)pid, SIGKILL);
    }
    (void)closedir(proc);
}

static void unmake(struct fake_fleet *k, struct fake_machine *m)
{
    struct fake_machine **at = &k->machines;

    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    k->n--;
    switch_off(k, m->id);
    free(m->name);
    free(m->size);
    free(m);
}

static struct machine shown(const struct fake_fleet *k, const struct fake_machine *m)
{
    bool is_up = !mono_before(now_of(k), m->active_at);

    return (struct machine){.id = m->id,
                            .server = m->server,
                            .intent = m->intent,
                            .name = m->name,
                            .state = is_up ? MACHINE_ACTIVE : MACHINE_NEW,
                            .address = is_up ? m->id : "",
                            .size = m->size,
                            .region = "here",
                            .created_at = m->created_at,
                            .lease_until = m->lease_until,
                            .price_hour_microusd = k->o->price_hour_microusd};
}

/* ---- calls ---- */

static void call_free(struct call *c)
{
    struct call **at = &c->k->calls;

    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    fleet_timer_stop(c->k->f->all, &c->timer);
    machine_spec_free(c->spec);
    free(c->machine);
    free(c);
}

static bool create_faults(struct fake_fleet *k, struct fleet_failure *ret)
{
    static const struct {
        enum fake_fault strikes;
        struct fleet_failure failure;
    } all[] = {
        {FAULT_CREATE_LOST, {FLEET_FAULT_UNKNOWN, 0, "the answer was lost"}},
        {FAULT_CREATE_BUSY, {FLEET_FAULT_BUSY, 1000, "the fake cloud is busy"}},
        {FAULT_CREATE_LIMIT, {FLEET_FAULT_LIMIT, 1000, "the fake cloud is full"}},
        {FAULT_CREATE_INVALID, {FLEET_FAULT_INVALID, 0, "the fake cloud has no such size"}},
        {FAULT_CREATE_AUTH, {FLEET_FAULT_AUTH, 0, "the fake cloud does not accept the token"}},
    };

    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (strikes(k, all[i].strikes)) {
            *ret = all[i].failure;
            return true;
        }
    }
    if ((int64_t)k->n >= k->o->machines_max) {
        *ret =
            (struct fleet_failure){FLEET_FAULT_LIMIT, 1000, "the fake cloud has no room for another machine"};
        return true;
    }
    return false;
}

static void do_create(struct fake_fleet *k, const struct machine_spec *spec)
{
    const struct fleet_told *told = &k->f->all->told;
    struct fleet_failure failure;
    struct machine m;

    if (create_faults(k, &failure)) {
        told->create_failed(k->f->all->ctx, k->f, spec->server, spec->intent, &failure);
        return;
    }
    m = shown(k, make(k, spec));
    if (strikes(k, FAULT_CREATE_TWICE))
        (void)make(k, spec);
    if (strikes(k, FAULT_CREATE_UNKNOWN)) {
        failure = (struct fleet_failure){FLEET_FAULT_UNKNOWN, 0, "the fake cloud answered 500"};
        told->create_failed(k->f->all->ctx, k->f, spec->server, spec->intent, &failure);
    } else {
        told->created(k->f->all->ctx, k->f, spec->server, spec->intent, &m);
    }
}

static void do_destroy(struct fake_fleet *k, const char *machine)
{
    static const struct fleet_failure busy = {FLEET_FAULT_BUSY, 1000, "the fake cloud is busy"};
    struct fake_machine *m = find(k, machine);

    if (strikes(k, FAULT_DESTROY_BUSY)) {
        k->f->all->told.destroy_failed(k->f->all->ctx, k->f, machine, &busy);
        return;
    }
    if (m != NULL && !strikes(k, FAULT_DESTROY_STAYS))
        unmake(k, m);
    k->f->all->told.destroyed(k->f->all->ctx, k->f, machine);
}

static void do_renew(struct fake_fleet *k, const char *machine, struct wall until)
{
    static const struct fleet_failure busy = {FLEET_FAULT_BUSY, 1000, "the fake cloud is busy"};
    static const struct fleet_failure gone = {FLEET_FAULT_GONE, 0, "the fake cloud has no such machine"};
    struct fake_machine *m = find(k, machine);
    const struct fleet_failure *why = m == NULL ? &gone : strikes(k, FAULT_RENEW_BUSY) ? &busy : NULL;

    if (why != NULL) {
        k->f->all->told.renew_failed(k->f->all->ctx, k->f, machine, why);
        return;
    }
    m->lease_until = until;
    k->f->all->told.renewed(k->f->all->ctx, k->f, machine, until);
}

static void do_list(struct fake_fleet *k, uint64_t ask)
{
    static const struct fleet_failure busy = {FLEET_FAULT_BUSY, 1000, "the fake cloud shows no list"};
    struct machine *all = xcalloc(k->n + 1, sizeof(*all));
    bool lags = strikes(k, FAULT_LIST_LAGS);
    struct mono now = now_of(k);
    struct wall wall = k->f->all->io.wall(k->f->all->io.ctx);
    struct fake_machine *next;
    uint32_t n = 0;

    for (struct fake_machine *m = k->machines; m != NULL; m = next) {
        next = m->next;
        if (!mono_before(now, m->gone_at))
            unmake(k, m);
        else if (!lags || wall.ms - m->created_at.ms >= 30000)
            all[n++] = shown(k, m);
    }
    if (strikes(k, FAULT_LIST_FAILS))
        k->f->all->told.list_failed(k->f->all->ctx, k->f, ask, &busy);
    else
        k->f->all->told.listed(k->f->all->ctx, k->f, ask, all, n);
    free(all);
}

static void do_catalog(struct fake_fleet *k)
{
    static const char *const regions[] = {"here"};
    const struct fleet_region region = {"here", "this computer", true};
    struct fleet_size sizes[] = {
        {"small", "one processor", k->o->price_hour_microusd, 1024, 1, 25, true, regions, 1},
        {"medium", "two processors", k->o->price_hour_microusd * 2, 2048, 2, 50, true, regions, 1},
        {"large", "four processors", k->o->price_hour_microusd * 4, 8192, 4, 160, true, regions, 1},
    };
    const struct fleet_catalog catalog = {.at = k->f->all->io.wall(k->f->all->io.ctx),
                                          .error = "",
                                          .sizes = sizes,
                                          .n_sizes = ARRAY_LEN(sizes),
                                          .regions = &region,
                                          .n_regions = 1,
                                          .machines_max = (uint32_t)k->o->machines_max};

    k->f->all->told.catalog(k->f->all->ctx, k->f, &catalog);
}

/* A shell whose home is the machine's folder. */
static void do_connect(struct fake_fleet *k, const char *machine)
{
    static const struct fleet_failure gone = {FLEET_FAULT_GONE, 0,
                                              "the fake cloud has no such machine that is on"};
    const struct fake_machine *m = find(k, machine);
    char folder[4096];
    char home[4200];
    const char *const argv[] = {"env", home, "sh", "-c"};
    const struct fleet_way way = {.address = "", .user = "", .argv = argv, .n_argv = ARRAY_LEN(argv)};

    if (m == NULL || mono_before(now_of(k), m->active_at) || k->f->all->data_dir == NULL) {
        k->f->all->told.way_failed(k->f->all->ctx, k->f, machine, &gone);
        return;
    }
    (void)snprintf(folder, sizeof(folder), "%s/fake", k->f->all->data_dir);
    (void)mkdir(folder, 0700);
    folder_of(k, machine, folder, sizeof(folder));
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        k->f->all->told.way_failed(k->f->all->ctx, k->f, machine, &gone);
        return;
    }
    (void)snprintf(home, sizeof(home), "HOME=%s", folder);
    k->f->all->told.way(k->f->all->ctx, k->f, machine, &way);
}

static void on_due(void *ctx)
{
    struct call *c = ctx;
    struct fake_fleet *k = c->k;
    struct call taken = *c;

    c->spec = NULL;
    c->machine = NULL;
    call_free(c);
    switch (taken.what) {
    case WHAT_CREATE:
        do_create(k, taken.spec);
        break;
    case WHAT_DESTROY:
        do_destroy(k, taken.machine);
        break;
    case WHAT_RENEW:
        do_renew(k, taken.machine, taken.lease_until);
        break;
    case WHAT_LIST:
        do_list(k, taken.ask);
        break;
    case WHAT_CATALOG:
        do_catalog(k);
        break;
    case WHAT_CONNECT:
        do_connect(k, taken.machine);
        break;
    }
    machine_spec_free(taken.spec);
    free(taken.machine);
}

static struct call *call_new(struct fleet *f, enum what what, const char *machine)
{
    struct fake_fleet *k = f->driver;
    struct call *c = xcalloc(1, sizeof(*c));

    c->k = k;
    c->what = what;
    c->machine = machine != NULL ? xstrdup(machine) : NULL;
    c->timer.fn = on_due;
    c->timer.ctx = c;
    c->next = k->calls;
    k->calls = c;
    fleet_timer_set(f->all, &c->timer,
                    mono_add_ms(now_of(k), what == WHAT_CREATE ? k->o->create_ms : k->o->answer_ms));
    return c;
}

static void fake_create(struct fleet *f, const struct machine_spec *spec)
{
    call_new(f, WHAT_CREATE, NULL)->spec = machine_spec_copy(spec);
}

static void fake_destroy(struct fleet *f, const char *machine)
{
    (void)call_new(f, WHAT_DESTROY, machine);
}

static void fake_list(struct fleet *f, uint64_t ask)
{
    call_new(f, WHAT_LIST, NULL)->ask = ask;
}

static void fake_renew(struct fleet *f, const char *machine, struct wall lease_until)
{
    call_new(f, WHAT_RENEW, machine)->lease_until = lease_until;
}

static void fake_catalog(struct fleet *f, bool fresh)
{
    (void)fresh;
    (void)call_new(f, WHAT_CATALOG, NULL);
}

static void fake_connect(struct fleet *f, const struct machine *m, const char *user)
{
    (void)user;
    (void)call_new(f, WHAT_CONNECT, m->id);
}

static void fake_change(struct fleet *f, const void *options)
{
    struct fake_fleet *k = f->driver;
    enum fake_fault fault;
    int64_t times;

    k->o = options;
    memset(k->left, 0, sizeof(k->left));
    for (uint32_t i = 0; i < k->o->faults.n; i++) {
        if (read_fault(k->o->faults.at[i], &fault, &times))
            k->left[fault] = times;
    }
}

static enum err fake_open(struct fleet *f, const void *options, struct why *reterr)
{
    struct fake_fleet *k = xcalloc(1, sizeof(*k));

    (void)reterr;
    k->f = f;
    f->driver = k;
    fake_change(f, options);
    return ERR_OK;
}

static void fake_close(struct fleet *f)
{
    struct fake_fleet *k = f->driver;

    while (k->calls != NULL)
        call_free(k->calls);
    while (k->machines != NULL)
        unmake(k, k->machines);
    free(k);
}

const struct fleet_ops fake_ops = {
    .kind = "fake",
    .help = "machines that are folders of this computer, for development",
    .options = fields,
    .presets = &presets,
    .options_bytes = sizeof(struct fake_options),
    .check = fake_check,
    .makes_machines = true,
    .billing = {.unit_s = 1, .min_s = 60},
    .open = fake_open,
    .change = fake_change,
    .create = fake_create,
    .destroy = fake_destroy,
    .list = fake_list,
    .renew = fake_renew,
    .catalog = fake_catalog,
    .connect = fake_connect,
    .close = fake_close,
};
