/* command.c - any other cloud, by four executables of the user: create, destroy, list, connect; renew is a fifth, and optional.
 *
 * Each is an argument vector, started for one question: JSON on its standard input, JSON on its standard output, sentences for
 * people on standard error, exit status 0 when it did what was asked. docs/fleets.md is the contract, with an example.
 *
 * What is not certain is said: a create that ends badly without a word of JSON may have made a machine, so it is UNKNOWN. Nothing is
 * destroyed that the list does not show as ours at that moment. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "fleet/command_form.h"
#include "fleet/fleet_private.h"
#include "fleet/user_data.h"

#define AT_ONCE 8u /* programs of a kind */
#define ANSWER_MAX KIB(64)
#define LIST_MAX MIB(8)
#define STDERR_MAX KIB(16)
#define BUSY_RETRY_MS 10000

/* ---- the driver ---- */

enum what { WHAT_CREATE, WHAT_DESTROY, WHAT_RENEW, WHAT_CONNECT, WHAT_LIST, WHAT_COUNT };

/* One question. */
struct ask {
    struct ask *prev;
    struct ask *next;
    struct command_fleet *c;
    enum what what;
    struct child *child; /* NULL: it waits */
    struct machine_spec *spec;
    char *machine;
    char *user;
    char *address;
    char *name;
    struct wall lease_until;
    uint64_t list;   /* destroy: the list that must have shown it; 0: it was shown */
    uint64_t number; /* list */
    bool is_cancelled;
};

struct command_fleet {
    struct fleet *f;
    const struct command_options *o;
    struct children *children;
    struct ask *first[WHAT_COUNT];
    struct ask *last[WHAT_COUNT];
    uint32_t n_running[WHAT_COUNT];
    struct fleet_timer timer;
    uint64_t lists;      /* begun so far */
    uint32_t n_catalogs; /* that were asked for */
};

static struct ask *ask_new(struct command_fleet *c, enum what what)
{
    struct ask *a = xcalloc(1, sizeof(*a));

    a->c = c;
    a->what = what;
    a->prev = c->last[what];
    if (a->prev != NULL)
        a->prev->next = a;
    else
        c->first[what] = a;
    c->last[what] = a;
    fleet_timer_set(c->f->all, &c->timer, c->f->all->io.now(c->f->all->io.ctx));
    return a;
}

static void ask_free(struct ask *a)
{
    struct command_fleet *c = a->c;

    if (a->prev != NULL)
        a->prev->next = a->next;
    else
        c->first[a->what] = a->next;
    if (a->next != NULL)
        a->next->prev = a->prev;
    else
        c->last[a->what] = a->prev;
    child_abandon(&a->child);
    machine_spec_free(a->spec);
    free(a->machine);
    free(a->user);
    free(a->address);
    free(a->name);
    free(a);
}

/* ---- its input ---- */

static void put_u64(struct json_out *j, const char *key, uint64_t v)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%" PRIu64, v); /* as a text: many tools keep numbers as fractions */
    jo_ktext(j, key, text);
}

static enum err write_create(const struct ask *a, struct json_out *j, struct why *reterr)
{
    const struct command_options *o = a->c->o;
    const struct machine_spec *s = a->spec;
    const char *user = s->user[0] != '\0' ? s->user : o->user;
    struct buf user_data;
    enum err err;

    buf_init(&user_data, USER_DATA_BYTES_MAX);
    err = user_data_write(s, user, NULL, 0, &user_data, reterr);
    if (err == ERR_OK) {
        put_u64(j, "server", s->server);
        put_u64(j, "intent", s->intent);
        jo_ktext(j, "name", s->name);
        jo_ktext(j, "size", s->size[0] != '\0' ? s->size : o->size);
        jo_ktime(j, "lease_until", s->lease_until);
        jo_ktext(j, "user", user);
        jo_ktext(j, "authorized_key", s->authorized_key);
        jo_kobj(j, "host_key");
        jo_ktext(j, "private", s->host_key_private);
        jo_ktext(j, "public", s->host_key_public);
        jo_obj_end(j);
        jo_key(j, "user_data");
        jo_textn(j, user_data.data, user_data.len);
        mem_wipe(user_data.data, user_data.len);
    }
    buf_done(&user_data);
    return err;
}

static enum err write_input(const struct ask *a, struct buf *out, struct why *reterr)
{
    struct json_out j;
    enum err err = ERR_OK;

    jo_begin(&j, out);
    jo_obj(&j);
    jo_ktext(&j, "instance", a->c->f->all->instance);
    if (a->machine != NULL)
        jo_ktext(&j, "id", a->machine);
    if (a->what == WHAT_CREATE)
        err = write_create(a, &j, reterr);
    if (a->what == WHAT_RENEW)
        jo_ktime(&j, "lease_until", a->lease_until);
    if (a->what == WHAT_CONNECT) {
        jo_ktext(&j, "address", a->address);
        jo_ktext(&j, "name", a->name);
        jo_ktext(&j, "user", a->user[0] != '\0' ? a->user : a->c->o->user);
    }
    jo_obj_end(&j);
    buf_putc(out, '\n');
    return err;
}

/* ---- its output ---- */

/* The last line that it wrote for people; "" none. */
static char *last_line(struct slice err, char *out, size_t size)
{
    size_t end = err.len;
    size_t begin;

    while (end > 0 && (err.ptr[end - 1] == '\n' || err.ptr[end - 1] == '\r'))
        end--;
    begin = end;
    while (begin > 0 && err.ptr[begin - 1] != '\n')
        begin--;
    return fleet_clean_text((struct slice){err.len > 0 ? err.ptr + begin : "", end - begin}, out, size);
}

struct failure {
    struct fleet_failure f;
    char text[400];
};

static const char *const words[WHAT_COUNT] = {"create", "destroy", "renew", "connect", "list"};

static void failure_set(struct failure *ret, const struct ask *a, enum fleet_fault fault,
                        int64_t retry_after_ms, const char *text)
{
    (void)snprintf(ret->text, sizeof(ret->text), "%s of fleet %.63s: %.300s", words[a->what], a->c->f->name,
                   text);
    ret->f = (struct fleet_failure){.fault = fault, .retry_after_ms = retry_after_ms, .reason = ret->text};
}

/* Why a command came to nothing, from its own words if there are any. */
static void failure_of(const struct ask *a, const struct child_exit *e, struct failure *ret)
{
    enum fleet_fault fault = a->what == WHAT_CREATE ? FLEET_FAULT_UNKNOWN : FLEET_FAULT_BUSY;
    struct said_error said = {.fault = "", .message = ""};
    char line[256];
    char how[96];
    char text[400];
    struct arena arena;
    struct why ignored;

    (void)last_line(e->err, line, sizeof(line));
    (void)snprintf(text, sizeof(text), "%s%s%s", line, line[0] != '\0' ? "; " : "",
                   child_exit_text(e, how, sizeof(how)));
    arena_init(&arena);
    if (e->exited && !e->out_cut && e->out.len > 0 &&
        field_read_json(said_error_fields, e->out.ptr, e->out.len, &arena, &said, &ignored) == ERR_OK) {
        for (int i = 0; i < FLEET_FAULT_COUNT; i++) {
            if (strcmp(said.fault, fleet_fault_name((enum fleet_fault)i)) == 0)
                fault = (enum fleet_fault)i;
        }
        if (said.message[0] != '\0')
            (void)snprintf(text, sizeof(text), "%.350s", said.message);
    }
    failure_set(ret, a, fault, said.retry_after_s * 1000, text);
    arena_done(&arena);
}

/* ---- ends ---- */

static void fail(struct ask *a, const struct failure *why)
{
    struct fleet *f = a->c->f;
    const struct fleet_told *told = &f->all->told;
    struct machine_spec *spec = a->spec;
    char *machine = a->machine;
    enum what what = a->what;
    uint64_t number = a->number;

    a->spec = NULL;
    a->machine = NULL;
    ask_free(a);
    if (what == WHAT_CREATE)
        told->create_failed(f->all->ctx, f, spec->server, spec->intent, &why->f);
    else if (what == WHAT_DESTROY)
        told->destroy_failed(f->all->ctx, f, machine, &why->f);
    else if (what == WHAT_RENEW)
        told->renew_failed(f->all->ctx, f, machine, &why->f);
    else if (what == WHAT_CONNECT)
        told->way_failed(f->all->ctx, f, machine, &why->f);
    else
        told->list_failed(f->all->ctx, f, number, &why->f);
    machine_spec_free(spec);
    free(machine);
}

static void make_no_sense(struct ask *a, const struct why *why)
{
    struct failure failure;
    char text[300];

    (void)snprintf(text, sizeof(text), "what it printed makes no sense: %.240s", why->text);
    failure_set(&failure, a, a->what == WHAT_CREATE ? FLEET_FAULT_UNKNOWN : FLEET_FAULT_BUSY, BUSY_RETRY_MS,
                text);
    fail(a, &failure);
}

static void created(struct ask *a, const struct child_exit *e)
{
    struct fleet *f = a->c->f;
    struct said_machine said = nothing_said;
    uint64_t server = a->spec->server;
    uint64_t intent = a->spec->intent;
    struct machine m;
    struct arena arena;
    struct why why;
    enum err err;

    arena_init(&arena);
    err = field_read_json(said_machine_fields, e->out.ptr, e->out.len, &arena, &said, &why);
    if (err == ERR_OK)
        err = said_machine_read(&said, &m, &why);
    if (err != ERR_OK) {
        make_no_sense(a, &why);
    } else {
        m.server = server;
        m.intent = intent;
        m.lease_until = a->spec->lease_until;
        LOG_INFO("fleet.created", "fleet=%s machine=%s server=%llu intent=%llu", f->name, m.id,
                 (unsigned long long)server, (unsigned long long)intent);
        ask_free(a);
        f->all->told.created(f->all->ctx, f, server, intent, &m);
    }
    arena_done(&arena);
}

static void way(struct ask *a, const struct child_exit *e)
{
    struct fleet *f = a->c->f;
    struct said_way said = {.address = "", .user = a->user[0] != '\0' ? a->user : a->c->o->user};
    struct fleet_way w;
    struct arena arena;
    struct why why;
    char *machine;

    arena_init(&arena);
    if (field_read_json(said_way_fields, e->out.ptr, e->out.len, &arena, &said, &why) != ERR_OK) {
        make_no_sense(a, &why);
    } else if ((said.argv.n == 0) == (said.address[0] == '\0')) {
        (void)why_set(&why, ERR_INVALID, NULL, "either argv or address must be there");
        make_no_sense(a, &why);
    } else {
        w = (struct fleet_way){.address = said.address,
                               .port = (uint32_t)said.port,
                               .user = arena_strdup(&arena, said.user),
                               .argv = said.argv.n > 0 ? said.argv.at : NULL,
                               .n_argv = said.argv.n};
        machine = a->machine;
        a->machine = NULL;
        ask_free(a);
        f->all->told.way(f->all->ctx, f, machine, &w);
        free(machine);
    }
    arena_done(&arena);
}

static void done_to_machine(struct ask *a)
{
    struct fleet *f = a->c->f;
    struct wall until = a->lease_until;
    char *machine = a->machine;
    enum what what = a->what;

    a->machine = NULL;
    ask_free(a);
    if (what == WHAT_DESTROY)
        f->all->told.destroyed(f->all->ctx, f, machine);
    else
        f->all->told.renewed(f->all->ctx, f, machine, until);
    free(machine);
}

/* ---- lists ---- */

/* Those that may be destroyed now are started; what is not there is gone, what is not ours stays. */
static void look_for_doomed(struct command_fleet *c, uint64_t list, const struct said_list *said)
{
    struct ask *next;

    for (struct ask *a = c->first[WHAT_DESTROY]; a != NULL; a = next) {
        const struct said_machine *found = said_list_find(said, a->machine);

        next = a->next;
        if (a->child != NULL || a->list == 0 || a->list > list)
            continue;
        if (found == NULL) {
            done_to_machine(a);
            next = c->first[WHAT_DESTROY];
        } else if (found->instance == NULL || strcmp(found->instance, c->f->all->instance) != 0) {
            struct failure why;
            char text[300];

            (void)snprintf(text, sizeof(text),
                           "machine %.80s does not carry the mark of this instance; it is left alone",
                           a->machine);
            failure_set(&why, a, FLEET_FAULT_INVALID, 0, text);
            fail(a, &why);
            next = c->first[WHAT_DESTROY];
        } else {
            a->list = 0;
        }
    }
}

static void doomed_fail(struct command_fleet *c, uint64_t list, const struct fleet_failure *why)
{
    struct ask *next;

    for (struct ask *a = c->first[WHAT_DESTROY]; a != NULL; a = next) {
        struct failure f = {.f = *why};

        next = a->next;
        if (a->child != NULL || a->list == 0 || a->list > list)
            continue;
        fail(a, &f);
        next = c->first[WHAT_DESTROY];
    }
}

static enum err read_list(const struct command_fleet *c, const struct child_exit *e, struct arena *arena,
                          struct said_list *said, struct machine **ret, uint32_t *n, struct why *reterr)
{
    enum err err = field_read_json(said_list_fields, e->out.ptr, e->out.len, arena, said, reterr);

    return err == ERR_OK ? said_list_read(said, c->f->all->instance, arena, ret, n, reterr) : err;
}

static void list_failed(struct ask *a, const struct failure *why)
{
    struct failure copy = *why;
    uint64_t number = a->number;

    copy.f.reason = copy.text;
    doomed_fail(a->c, a->c->lists, &copy.f);
    if (number != 0) {
        fail(a, &copy);
        return;
    }
    ask_free(a);
}

static void listed(struct ask *a, const struct child_exit *e)
{
    struct command_fleet *c = a->c;
    struct fleet *f = c->f;
    struct said_list said = {0};
    uint64_t number = a->number;
    uint64_t list = c->lists;
    struct machine *all = NULL;
    uint32_t n = 0;
    struct arena arena;
    struct failure failure;
    char text[300];
    struct why why;

    arena_init(&arena);
    if (e->out_cut || read_list(c, e, &arena, &said, &all, &n, &why) != ERR_OK) {
        if (e->out_cut)
            (void)why_set(&why, ERR_LIMIT, NULL, "it is longer than %zu bytes", (size_t)LIST_MAX);
        (void)snprintf(text, sizeof(text), "what it printed makes no sense: %.240s", why.text);
        failure_set(&failure, a, FLEET_FAULT_BUSY, BUSY_RETRY_MS, text);
        list_failed(a, &failure);
    } else {
        ask_free(a);
        look_for_doomed(c, list, &said);
        if (number != 0)
            f->all->told.listed(f->all->ctx, f, number, all, n);
    }
    arena_done(&arena);
}

/* ---- running ---- */

static void on_exit_of(void *ctx, const struct child_exit *e)
{
    struct ask *a = ctx;
    struct command_fleet *c = a->c;
    struct failure why;

    a->child = NULL;
    c->n_running[a->what]--;
    fleet_timer_set(c->f->all, &c->timer, c->f->all->io.now(c->f->all->io.ctx));
    if (!e->exited || e->exit_code != 0 || e->timed_out) {
        failure_of(a, e, &why);
        if (a->what == WHAT_LIST)
            list_failed(a, &why);
        else
            fail(a, &why);
        return;
    }
    switch (a->what) {
    case WHAT_CREATE:
        created(a, e);
        break;
    case WHAT_CONNECT:
        way(a, e);
        break;
    case WHAT_LIST:
        listed(a, e);
        break;
    default:
        done_to_machine(a);
        break;
    }
}

static const struct field_texts *words_of(const struct command_options *o, enum what what)
{
    const struct field_texts *const all[WHAT_COUNT] = {
        [WHAT_CREATE] = &o->create,   [WHAT_DESTROY] = &o->destroy, [WHAT_RENEW] = &o->renew,
        [WHAT_CONNECT] = &o->connect, [WHAT_LIST] = &o->list,
    };

    return all[what];
}

/* False: it ended at once. */
static bool start(struct ask *a)
{
    struct command_fleet *c = a->c;
    const struct field_texts *w = words_of(c->o, a->what);
    const char *argv[COMMAND_WORDS_MAX + 1];
    struct child_opts opts = {.argv = argv,
                              .in = CHILD_PIPE,
                              .out = CHILD_PIPE,
                              .err = CHILD_PIPE,
                              .new_session = true,
                              .deadline_ms = c->o->deadline_s * 1000,
                              .out_max = a->what == WHAT_LIST ? LIST_MAX : ANSWER_MAX,
                              .err_max = STDERR_MAX,
                              .on_exit = on_exit_of,
                              .ctx = a};
    struct failure failure;
    struct buf input;
    struct why why;
    char *bytes;
    size_t n;
    enum err err;

    for (uint32_t i = 0; i < w->n; i++)
        argv[i] = w->at[i];
    argv[w->n] = NULL;
    buf_init(&input, MIB(1));
    err = write_input(a, &input, &why);
    if (err == ERR_OK)
        err = child_start(c->children, &opts, &a->child, &why);
    if (err != ERR_OK) {
        buf_done(&input);
        /* It never ran: certain, also of a create. */
        failure_set(&failure, a, FLEET_FAULT_INVALID, 0, why.text);
        if (a->what == WHAT_LIST)
            list_failed(a, &failure);
        else
            fail(a, &failure);
        return false;
    }
    bytes = buf_take(&input, &n);
    child_write(a->child, bytes, n);
    child_close_in(a->child);
    c->n_running[a->what]++;
    return true;
}

static bool may_start(const struct command_fleet *c, const struct ask *a)
{
    if (a->child != NULL || a->list != 0)
        return false;
    if (a->what == WHAT_LIST)
        return c->n_running[WHAT_LIST] == 0;
    return c->n_running[a->what] < AT_ONCE;
}

static void tell_catalog(struct command_fleet *c)
{
    const struct command_options *o = c->o;
    struct arena arena;
    struct fleet_size *sizes;
    struct fleet_catalog catalog = {.at = c->f->all->io.wall(c->f->all->io.ctx), .error = ""};

    arena_init(&arena);
    sizes = arena_alloc(&arena, (o->sizes.n + 1) * sizeof(*sizes));
    for (uint32_t i = 0; i < o->sizes.n; i++) {
        const struct command_size *r = (const struct command_size *)o->sizes.at + i;

        sizes[i] = (struct fleet_size){.name = r->name,
                                       .description = r->description != NULL ? r->description : "",
                                       .price_hour_microusd = r->price_hour_microusd,
                                       .memory_mib = (uint32_t)r->memory_mib,
                                       .cpus = (uint32_t)r->cpus,
                                       .disk_gib = (uint32_t)r->disk_gib,
                                       .is_available = true};
    }
    catalog.sizes = sizes;
    catalog.n_sizes = o->sizes.n;
    c->f->all->told.catalog(c->f->all->ctx, c->f, &catalog);
    arena_done(&arena);
}

/* A renewal without a command to keep it. */
static bool renew_at_once(struct command_fleet *c)
{
    struct ask *a = c->first[WHAT_RENEW];

    if (a == NULL || c->o->renew.n > 0)
        return false;
    done_to_machine(a);
    return true;
}

/* A list for those who want to destroy, unless one is on its way that began after they asked. */
static void want_list(struct command_fleet *c)
{
    for (struct ask *a = c->first[WHAT_DESTROY]; a != NULL && c->first[WHAT_LIST] == NULL; a = a->next) {
        if (a->list != 0)
            (void)ask_new(c, WHAT_LIST);
    }
}

/* Creates that are not wanted any more, and did not begin. */
static bool cancel_one(struct command_fleet *c)
{
    struct failure why;

    for (struct ask *a = c->first[WHAT_CREATE]; a != NULL; a = a->next) {
        if (!a->is_cancelled || a->child != NULL)
            continue;
        failure_set(&why, a, FLEET_FAULT_BUSY, 0, "it was called off before it began");
        fail(a, &why);
        return true;
    }
    return false;
}

static void turn(void *ctx)
{
    struct command_fleet *c = ctx;

    if (c->n_catalogs > 0) {
        c->n_catalogs = 0;
        tell_catalog(c);
    }
    while (renew_at_once(c) || cancel_one(c)) {
    }
    want_list(c);
    for (int what = 0; what < WHAT_COUNT; what++) {
        struct ask *a = c->first[what];

        while (a != NULL) {
            struct ask *next = a->next;

            if (may_start(c, a)) {
                if (a->what == WHAT_LIST)
                    c->lists++;
                if (!start(a))
                    next = c->first[what];
            }
            a = next;
        }
    }
}

/* ---- what the fleet is asked ---- */

static void command_create(struct fleet *f, const struct machine_spec *spec)
{
    ask_new(f->driver, WHAT_CREATE)->spec = machine_spec_copy(spec);
}

static void command_cancel(struct fleet *f, uint64_t server, uint64_t intent)
{
    struct command_fleet *c = f->driver;

    for (struct ask *a = c->first[WHAT_CREATE]; a != NULL; a = a->next)
        a->is_cancelled = a->is_cancelled || (a->spec->server == server && a->spec->intent == intent);
    fleet_timer_set(f->all, &c->timer, f->all->io.now(f->all->io.ctx));
}

static void command_destroy(struct fleet *f, const char *machine)
{
    struct command_fleet *c = f->driver;
    struct ask *a = ask_new(c, WHAT_DESTROY);

    a->machine = xstrdup(machine);
    a->list = c->lists + 1; /* the next that begins */
}

static void command_list(struct fleet *f, uint64_t number)
{
    struct command_fleet *c = f->driver;

    /* One that waits is overtaken by the later ask. */
    if (c->last[WHAT_LIST] != NULL && c->last[WHAT_LIST]->child == NULL)
        c->last[WHAT_LIST]->number = number;
    else
        ask_new(c, WHAT_LIST)->number = number;
}

static void command_renew(struct fleet *f, const char *machine, struct wall lease_until)
{
    struct ask *a = ask_new(f->driver, WHAT_RENEW);

    a->machine = xstrdup(machine);
    a->lease_until = lease_until;
}

static void command_catalog(struct fleet *f, bool fresh)
{
    struct command_fleet *c = f->driver;

    (void)fresh;
    c->n_catalogs++;
    fleet_timer_set(f->all, &c->timer, f->all->io.now(f->all->io.ctx));
}

static void command_connect(struct fleet *f, const struct machine *m, const char *user)
{
    struct ask *a = ask_new(f->driver, WHAT_CONNECT);

    a->machine = xstrdup(m->id);
    a->address = xstrdup(m->address);
    a->name = xstrdup(m->name != NULL ? m->name : "");
    a->user = xstrdup(user);
}

static void command_change(struct fleet *f, const void *options)
{
    ((struct command_fleet *)f->driver)->o = options;
}

static enum err command_open(struct fleet *f, const void *options, struct why *reterr)
{
    struct command_fleet *c;

    if (f->all->io.loop == NULL)
        return why_set(reterr, ERR_INVALID, "kind", "kind: no programs can be started here");
    c = xcalloc(1, sizeof(*c));
    c->f = f;
    c->o = options;
    c->children = children_new(f->all->io.loop);
    c->timer.fn = turn;
    c->timer.ctx = c;
    f->driver = c;
    return ERR_OK;
}

static void command_close(struct fleet *f)
{
    struct command_fleet *c = f->driver;

    fleet_timer_stop(f->all, &c->timer);
    for (int what = 0; what < WHAT_COUNT; what++) {
        while (c->first[what] != NULL)
            ask_free(c->first[what]);
    }
    fleet_timer_stop(f->all, &c->timer);
    children_free(c->children);
    free(c);
}

const struct fleet_ops command_ops = {
    .kind = "command",
    .help = "machines of any other cloud, by commands of yours",
    .options = command_option_fields,
    .presets = &command_presets,
    .options_bytes = sizeof(struct command_options),
    .makes_machines = true,
    .billing = {.unit_s = 1, .min_s = 0},
    .open = command_open,
    .change = command_change,
    .create = command_create,
    .cancel = command_cancel,
    .destroy = command_destroy,
    .list = command_list,
    .renew = command_renew,
    .catalog = command_catalog,
    .connect = command_connect,
    .close = command_close,
};
