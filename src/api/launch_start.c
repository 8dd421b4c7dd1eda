/* launch_start.c - a launch is started.
 *
 * Project found (or made from its URL) and servers found -> mirror fresh enough -> files chosen by projects_plan ->
 * durations predicted -> EV_LAUNCH_CREATE -> read back. Nothing is kept when a step refuses. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/launch_start.h"
#include "base/log.h"

#define LEASE_S_MIN 10 /* twice what the agent takes off for itself */
/* A branch means what was pushed last: a mirror older than this is fetched before a launch. So short that nobody pushes and
 * starts within it; many launches of one press or script still share a fetch. */
#define FRESH_MS 2000
#define NAME_TRIES 20

static const char *const queue_ends[] = {"end", "front", NULL};
static const char *const orders[] = {"as-given", "finish-soonest", NULL};
const char *const launch_mails[] = {"choice", "never", "failed", "always",
                                    NULL}; /* in the order of enum mail_when */

const struct field launch_fields[] = {
    {.name = "project",
     .type = FIELD_INT_OR_TEXT,
     .offset = offsetof(struct launch_body, project),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = URL_BYTES_MAX,
     .help = "id, name or URL; an unknown URL becomes a project by itself"},
    {.name = "ref",
     .type = FIELD_TEXT,
     .offset = offsetof(struct launch_body, ref),
     .max = 512,
     .help = "branch, tag or commit",
     .preset = "the default branch"},
    {.name = "files",
     .type = FIELD_TEXTS,
     .offset = offsetof(struct launch_body, files),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = PATH_BYTES_MAX,
     .items_max = LAUNCH_TESTS_MAX,
     .help = "paths or globs at that commit"},
    {.name = "name",
     .type = FIELD_TEXT,
     .offset = offsetof(struct launch_body, name),
     .max = NAME_BYTES_MAX,
     .help = "a name for people"},
    {.name = "order",
     .type = FIELD_ENUM,
     .offset = offsetof(struct launch_body, order),
     .names = orders,
     .help = "what runs first",
     .preset = "as-given"},
    {.name = "retries",
     .type = FIELD_INT,
     .offset = offsetof(struct launch_body, retries),
     .max = 10,
     .help = "how often a test is tried again when a machine or the way to it failed",
     .preset = "the server's, usually 2"},
    {.name = "time_limit_s",
     .type = FIELD_INT,
     .offset = offsetof(struct launch_body, time_limit_s),
     .max = 30 * 86400,
     .help = "a run that takes longer is ended; 0: no limit",
     .preset = "the server's, usually 3600"},
    {.name = "silence_limit_s",
     .type = FIELD_INT,
     .offset = offsetof(struct launch_body, silence_limit_s),
     .max = 30 * 86400,
     .help = "a run that prints nothing for longer is ended; 0: no limit",
     .preset = "the server's, usually 0"},
    {.name = "lease_s",
     .type = FIELD_INT,
     .offset = offsetof(struct launch_body, lease_s),
     .min = LEASE_S_MIN,
     .max = 3600,
     .help = "a server that is silent for so long has lost its runs; they go to another one",
     .preset = "the server's, usually 120"},
    {.name = "slots",
     .type = FIELD_INT,
     .offset = offsetof(struct launch_body, slots),
     .min = 1,
     .max = SERVER_SLOTS_MAX,
     .help = "at most so many runs of the project at once on one server",
     .preset = "as many as the server has slots"},
    {.name = "servers",
     .type = FIELD_TEXTS,
     .offset = offsetof(struct launch_body, servers),
     .min = 1,
     .max = NAME_BYTES_MAX,
     .items_max = LAUNCH_SERVERS_MAX,
     .help = "names of the servers it may use",
     .preset = "any"},
    {.name = "env",
     .type = FIELD_TEXTS,
     .offset = offsetof(struct launch_body, env),
     .flags = FIELD_LINES,
     .min = 2,
     .max = ENV_LINE_BYTES_MAX,
     .items_max = LAUNCH_ENV_MAX,
     .help = "lines NAME=value"},
    {.name = "at",
     .type = FIELD_ENUM,
     .offset = offsetof(struct launch_body, at),
     .names = queue_ends,
     .help = "where its tests stand in the queue",
     .preset = "end"},
    {.name = "location",
     .type = FIELD_TEXT,
     .offset = offsetof(struct launch_body, location),
     .min = 1,
     .max = URL_BYTES_MAX,
     .help = "the server under test: a location's name, or any http(s) URL",
     .preset = "the preset of the locations"},
    {.name = "languages",
     .type = FIELD_TEXTS,
     .offset = offsetof(struct launch_body, languages),
     .min = 1,
     .max = CHOICE_NAME_BYTES_MAX,
     .items_max = CHOICES_MAX,
     .help = "each file runs in each of them",
     .preset = "the preset of the languages"},
    {.name = "browsers",
     .type = FIELD_TEXTS,
     .offset = offsetof(struct launch_body, browsers),
     .min = 1,
     .max = CHOICE_NAME_BYTES_MAX,
     .items_max = CHOICES_MAX,
     .help = "each file runs in each language in each of them",
     .preset = "the preset of the browsers"},
    {.name = "artifacts",
     .type = FIELD_TEXTS,
     .offset = offsetof(struct launch_body, artifacts),
     .min = 1,
     .max = ARTIFACT_GLOB_BYTES_MAX,
     .items_max = LAUNCH_ARTIFACTS_MAX,
     .help = "globs of files to keep after each run, beside those of wrata.yml"},
    LAUNCH_MAIL_FIELD(struct launch_body),
    {.type = FIELD_END},
};
/* -1: not given */
const struct launch_body launch_preset = {.ref = "",
                                          .name = "",
                                          .order = ORDER_AS_GIVEN,
                                          .retries = -1,
                                          .time_limit_s = -1,
                                          .silence_limit_s = -1,
                                          .lease_s = -1,
                                          .slots = -1};

struct predicted {
    UT_hash_handle hh;
    const char *path;
    int64_t ms;
};

/* A start on its way. Lives in the request's arena. */
struct start {
    const struct launch_body *in;
    struct project_row *project; /* NULL: not known yet */
    struct project_row made;     /* a project to be made */
    unsigned tries;
    uint64_t new_id;
    const uint64_t *servers;
    const char *chosen; /* scratch: what was found */
    const char *location;
    struct field_texts languages; /* as they shall be; never empty, "" when there is none */
    struct field_texts browsers;
    uint64_t *used; /* ids of choices */
    uint32_t n_used;
    struct new_test *tests;
    uint32_t n_tests;
    const char *commit;
    const char *note;                /* NULL: nothing to say of the code */
    bool is_dry;                     /* only say what would be run */
    struct api_launch_defaults said; /* by the launch itself; -1: nothing */
    struct api_launch_defaults limits;
    const struct launch_again *again; /* the same tests as another launch had; NULL: those of the body */
    struct field_texts file_env;      /* of wrata.yml */
    const char *const *setup;         /* what it asks of a machine */
    uint32_t n_setup;
    struct predicted *predictions;
    struct predicted *memory;
    uint32_t n_predictions;
    uint32_t cap_predictions;
};

static bool is_url(const char *s)
{
    return strstr(s, "://") != NULL || s[0] == '/' || (strchr(s, '@') != NULL && strchr(s, ':') != NULL);
}

static void take_project(void *ctx, const struct project_row *row)
{
    struct req *rq = ctx;

    ((struct start *)rq->state)->project = project_copy(&rq->arena, row);
}

struct server_find {
    const struct field_texts *names;
    uint64_t *ids;
};

static void match_server(void *ctx, const struct server_row *row)
{
    struct server_find *find = ctx;

    for (uint32_t i = 0; i < find->names->n; i++) {
        if (strcmp(find->names->at[i], row->name) == 0)
            find->ids[i] = row->id.v;
    }
}

static enum err find_project(struct reader *r, struct req *rq)
{
    struct start *s = rq->state;
    const struct field_int_or_text *p = &s->in->project;
    enum err err;

    if (p->text == NULL)
        err = read_project(r, (struct project_id){(uint64_t)p->number}, take_project, rq, &rq->why);
    else
        err = read_project_named(r, p->text, take_project, rq, &rq->why);
    if (err != ERR_NOTFOUND)
        return err;
    if (p->text == NULL)
        return why_set(&rq->why, ERR_INVALID, "project", "project: there is no project with the id %lld",
                       (long long)p->number);
    if (!is_url(p->text))
        return why_set(&rq->why, ERR_INVALID, "project",
                       "project: there is no project '%.64s', and it is not the URL of a repository",
                       p->text);
    return ERR_OK;
}

static void take_choice(void *ctx, const struct choice_row *row)
{
    struct req *rq = ctx;
    struct start *s = rq->state;

    if (row->archived_at.ms != 0)
        return;
    s->chosen = arena_strdup(&rq->arena, row->name);
    s->used[s->n_used++] = row->id;
}

/* A name that may be chosen, or the preset of its kind for NULL ("" when there is none). */
static enum err find_choice(struct reader *r, struct req *rq, enum choice_kind kind, const char *field,
                            const char *name)
{
    struct start *s = rq->state;
    struct why why;
    enum err err;

    s->chosen = name == NULL ? "" : NULL;
    if (name != NULL)
        err = read_choice_named(r, kind, name, take_choice, rq, &why);
    else
        err = read_choice_preset(r, kind, take_choice, rq, &why);
    if (err != ERR_OK && err != ERR_NOTFOUND)
        rq->why = why;
    if (err == ERR_NOTFOUND || err == ERR_OK)
        err = ERR_OK;
    if (err == ERR_OK && s->chosen == NULL)
        return why_set(&rq->why, ERR_INVALID, field, "%s: there is no %s '%.64s' to choose%s", field,
                       choice_kind_name(kind), name,
                       kind == CHOICE_LOCATION ? ", and it is not an http(s) URL" : "");
    return err;
}

static enum err find_choices(struct reader *r, struct req *rq, enum choice_kind kind, const char *field,
                             const struct field_texts *names, struct field_texts *ret)
{
    struct start *s = rq->state;
    uint32_t n = names->n == 0 ? 1 : names->n;
    const char **at = arena_alloc(&rq->arena, n * sizeof(*at));
    enum err err = ERR_OK;

    for (uint32_t i = 0; i < n && err == ERR_OK; i++) {
        err = find_choice(r, rq, kind, field, names->n == 0 ? NULL : names->at[i]);
        at[i] = s->chosen;
    }
    *ret = (struct field_texts){at, n};
    return err;
}

static enum err find_parameters(struct reader *r, struct req *rq)
{
    struct start *s = rq->state;
    const struct launch_body *in = s->in;
    enum err err;

    s->used = arena_alloc(&rq->arena, ((size_t)in->languages.n + in->browsers.n + 3) * sizeof(*s->used));
    if (in->location != NULL && strstr(in->location, "://") != NULL) {
        err = http_url_check("location", in->location, &rq->why);
        s->location = in->location;
    } else {
        err = find_choice(r, rq, CHOICE_LOCATION, "location", in->location);
        s->location = s->chosen;
    }
    if (err == ERR_OK)
        err = find_choices(r, rq, CHOICE_LANGUAGE, "languages", &in->languages, &s->languages);
    if (err == ERR_OK)
        err = find_choices(r, rq, CHOICE_BROWSER, "browsers", &in->browsers, &s->browsers);
    return err;
}

/* What was chosen for the other launch stays chosen, also when it is not offered any more. */
static void take_again(struct start *s)
{
    static const char *const none[] = {""};

    s->location = s->again->location;
    s->languages = s->browsers = (struct field_texts){none, 1};
    s->servers = s->again->servers;
}

static void resolve_job(struct reader *r, struct req *rq)
{
    struct start *s = rq->state;
    struct server_find find = {.names = &s->in->servers};

    rq->err = find_project(r, rq);
    if (rq->err == ERR_OK && s->again != NULL) {
        take_again(s);
        return;
    }
    if (rq->err == ERR_OK)
        rq->err = find_parameters(r, rq);
    if (rq->err != ERR_OK || find.names->n == 0)
        return;
    find.ids = arena_alloc(&rq->arena, find.names->n * sizeof(*find.ids));
    rq->err = read_servers(r, match_server, &find, &rq->why);
    for (uint32_t i = 0; i < find.names->n && rq->err == ERR_OK; i++) {
        if (find.ids[i] == 0)
            rq->err = why_set(&rq->why, ERR_INVALID, "servers", "servers: there is no server '%.64s'",
                              find.names->at[i]);
    }
    s->servers = find.ids;
}

/* ---- 2. a project for an unknown URL ---- */

static void make_fresh(struct req *rq);
static void make_project(struct req *rq);

static void on_project_made(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;
    struct start *s = rq->state;

    if (req_lives(rq)) {
        if (err == ERR_OK) {
            s->made.id.v = s->new_id;
            s->project = project_copy(&rq->arena, &s->made);
            make_fresh(rq);
        } else if (err == ERR_CONFLICT && ++s->tries < NAME_TRIES) {
            make_project(rq);
        } else {
            req_error(rq, why);
        }
    }
    req_release(rq);
}

/* "https://host/group/docs.git" -> "docs"; the second of that name is "docs-2". */
static const char *name_from_url(struct arena *arena, const char *url, unsigned tries)
{
    size_t n = strlen(url);
    size_t from;
    char *name;

    while (n > 0 && url[n - 1] == '/')
        n--;
    if (n > 4 && strncmp(url + n - 4, ".git", 4) == 0)
        n -= 4;
    if (n > 1 && url[n - 1] == '/')
        n--;
    from = n;
    while (from > 0 && strchr("/:\\", url[from - 1]) == NULL && n - from < 50)
        from--;
    name = arena_strndup(arena, url + from, n - from);
    for (char *c = name; *c != '\0'; c++) {
        bool fine = (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                    ((*c == '.' || *c == '_') && c != name);

        if (!fine)
            *c = '-';
    }
    if (name[0] == '-' || name[0] == '\0')
        name = arena_printf(arena, "project%s", name);
    return tries == 0 ? name : arena_printf(arena, "%s-%u", name, tries + 1);
}

static void make_project(struct req *rq)
{
    struct start *s = rq->state;

    s->made = (struct project_row){.name = name_from_url(&rq->arena, s->in->project.text, s->tries),
                                   .url = s->in->project.text,
                                   .created_at = wall_now(),
                                   .refresh_s = PROJECT_REFRESH_S,
                                   .error = ""};
    req_hold(rq);
    store_project_put(rq->api->opts.store, &s->made, &s->new_id, on_project_made, rq);
}

/* ---- 3. the mirror, 4. the files ---- */

static void predict(struct req *rq);

static const char **copy_words(struct arena *arena, const char *const *words, uint32_t n)
{
    const char **copy = arena_alloc(arena, (n + 1) * sizeof(*copy));

    for (uint32_t i = 0; i < n; i++)
        copy[i] = arena_strdup(arena, words[i]);
    return copy;
}

static const char *const *make_setup(struct req *rq, const struct plan *plan, uint32_t *retn)
{
    const struct api_keep *server = &rq->api->opts.keep;
    const struct start *s = rq->state;
    struct plan_keep keep = {.globs = s->in->artifacts.at,
                             .n_globs = s->in->artifacts.n,
                             .file_bytes = server->file_bytes,
                             .run_bytes = server->run_bytes,
                             .files = server->files};

    return plan_setup(plan, &keep, &rq->arena, retn);
}

static void on_plan(void *ctx, enum err err, const struct why *why, const struct plan *plan)
{
    struct req *rq = ctx;
    struct start *s = rq->state;

    if (!req_lives(rq)) {
        req_release(rq);
        return;
    }
    if (err != ERR_OK) {
        struct why told = *why;

        if (told.code == ERR_NOTFOUND) /* the launch is not at this address: what its body names is wrong */
            told.code = ERR_INVALID;
        req_field_error(rq, &told);
        req_release(rq);
        return;
    }
    if (s->is_dry) {
        launch_plan_answer(rq, plan, &s->said);
        req_release(rq);
        return;
    }
    s->commit = arena_strdup(&rq->arena, plan->commit);
    s->limits = s->again != NULL ? s->again->limits : launch_limits(rq->api, &s->said, plan->yml);
    s->file_env.at = copy_words(&rq->arena, plan->yml->env.at, plan->yml->env.n);
    s->file_env.n = plan->yml->env.n;
    s->setup = make_setup(rq, plan, &s->n_setup);
    s->n_tests = plan->n_files;
    s->tests = arena_alloc(&rq->arena, (plan->n_files + 1) * sizeof(*s->tests));
    for (uint32_t i = 0; i < plan->n_files; i++) {
        const struct plan_file *f = &plan->files[i];

        s->tests[i] = (struct new_test){.path = arena_strdup(&rq->arena, f->path),
                                        .adapter = f->adapter,
                                        .argv = copy_words(&rq->arena, f->argv, f->n_argv),
                                        .n_argv = f->n_argv,
                                        .limits = test_limits_of(&s->said, f->command),
                                        .reports = copy_words(&rq->arena, f->reports, f->n_reports),
                                        .n_reports = f->n_reports};
    }
    predict(rq);
    req_release(rq);
}

static void choose_files(struct req *rq)
{
    struct start *s = rq->state;

    req_hold(rq);
    projects_plan(rq->api->opts.projects, s->project->id, s->project->url, s->in->ref, s->in->files.at,
                  s->in->files.n, on_plan, rq);
}

/* A url for people: without the user and password that may stand in it. */
static const char *url_shown(struct arena *arena, const char *url)
{
    const char *host = strstr(url, "://");
    const char *at;

    if (host == NULL)
        return url;
    host += 3;
    at = memchr(host, '@', strcspn(host, "/"));
    return at == NULL ? url : arena_printf(arena, "%.*s%s", (int)(host - url), url, at + 1);
}

static void on_unmade(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;
    const struct start *s = rq->state;

    (void)why; /* somebody else uses it already, or removed it */
    if (err == ERR_OK)
        project_forget(rq->api, (struct project_id){s->new_id});
    req_release(rq);
}

/* The project was made for this launch alone, and there is nothing to fetch at its URL: nothing half-done stays. */
static void unmake_project(struct req *rq)
{
    const struct start *s = rq->state;

    req_hold(rq);
    store_project_delete(rq->api->opts.store, (struct project_id){s->new_id}, on_unmade, rq);
}

static void on_fresh(void *ctx, enum err err, const struct why *why)
{
    struct req *rq = ctx;
    struct start *s = rq->state;

    if (err != ERR_OK && s->new_id != 0 && !rq->api->is_closed)
        unmake_project(rq);
    if (req_lives(rq)) {
        /* A mirror that cannot be refreshed is used as it is, and the launch says so; one that was never made cannot. */
        if (err != ERR_OK && s->project->refreshed_at.ms != 0)
            s->note = project_old_note(&rq->arena, s->project, s->in->ref, why->text);
        if (err != ERR_OK && s->note == NULL)
            req_fail(rq, ERR_INVALID, "project", "%s: %s", url_shown(&rq->arena, s->project->url), why->text);
        else
            choose_files(rq);
    }
    req_release(rq);
}

static bool is_full_commit(const char *ref)
{
    size_t n = strlen(ref);

    return (n == 40 || n == 64) && strspn(ref, "0123456789abcdef") == n;
}

static void make_fresh(struct req *rq)
{
    struct start *s = rq->state;

    /* A commit that came in a bundle may belong to a folder that nobody but its owner can fetch from; when the mirror does
     * not have it, projects_plan() refreshes by itself. */
    if (is_full_commit(s->in->ref) ||
        (s->project->refreshed_at.ms != 0 && project_is_fresh(rq->api, s->project->id, FRESH_MS))) {
        choose_files(rq);
        return;
    }
    req_hold(rq);
    project_refresh(rq->api, s->project, on_fresh, rq);
}

/* ---- 5. durations, 6. the engine ---- */

static void take_prediction(void *ctx, const char *path, int64_t ms)
{
    struct req *rq = ctx;
    struct start *s = rq->state;
    struct predicted *p = arena_alloc(&rq->arena, sizeof(*p));

    p->path = arena_strdup(&rq->arena, path);
    p->ms = ms;
    HASH_ADD_KEYPTR(hh, s->predictions, p->path, strlen(p->path), p);
}

static void predict_job(struct reader *r, struct req *rq)
{
    struct start *s = rq->state;

    rq->err = read_predictions(r, s->project->id, take_prediction, rq, &rq->why);
    for (uint32_t i = 0; i < s->n_tests && rq->err == ERR_OK; i++) {
        struct predicted *p;

        HASH_FIND(hh, s->predictions, s->tests[i].path, strlen(s->tests[i].path), p);
        s->tests[i].predicted_ms = p == NULL ? 0 : p->ms;
    }
    HASH_CLEAR(hh, s->predictions);
}

static void on_used(void *ctx, enum err err, const struct why *why)
{
    (void)err; /* only when each was used last: no reason to refuse a launch that has started */
    (void)why;
    req_release(ctx);
}

static void remember_choices(struct req *rq)
{
    const struct start *s = rq->state;
    struct choices_used used = {.user = rq->who.user,
                                .ids = s->used,
                                .n_ids = s->n_used,
                                .own_location = strstr(s->location, "://") != NULL ? s->location : NULL,
                                .at = wall_now()};

    req_hold(rq);
    store_choices_used(rq->api->opts.store, &used, on_used, rq);
}

static void on_started(struct req *rq, uint64_t id)
{
    const struct start *s = rq->state;

    audit_say(rq, arena_printf(&rq->arena, "launch %llu", (unsigned long long)id),
              "%u tests of %.80s at %.40s", s->n_tests, s->project->name, s->commit);
    remember_choices(rq);
    if (rq->inside != NULL)
        inside_end(rq, ERR_OK, NULL, id);
    else
        launch_answer(rq, id);
}

static bool names_same(const char *line, const char *name)
{
    size_t n = strlen(name);

    return strncmp(line, name, n) == 0 && line[n] == '=';
}

static bool says_name(const char *const *lines, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++) {
        if (names_same(lines[i], name))
            return true;
    }
    return false;
}

static bool has_name(const struct user_env_row *rows, uint32_t n, const char *line)
{
    for (uint32_t i = 0; i < n; i++) {
        if (names_same(line, rows[i].name))
            return true;
    }
    return false;
}

/* Of lines with the same name the launch's own goes first, then that of whoever starts it, then that of wrata.yml. The user's
 * secret ones go sealed as they lie with the user. */
static void add_env(struct req *rq, struct launch_row *row)
{
    const struct start *s = rq->state;
    uint32_t n_own = row->n_env;
    const char *const *own = row->env;
    uint32_t n = 0;
    const struct user_env_row *lines = accounts_env(rq->api->accounts, row->user, &n);
    const char **env = arena_alloc(&rq->arena, ((size_t)s->file_env.n + n + n_own + 1) * sizeof(*env));
    const char **secrets = arena_alloc(&rq->arena, ((size_t)n + 1) * sizeof(*secrets));

    row->n_env = 0;
    for (uint32_t i = 0; i < s->file_env.n; i++) {
        const char *line = s->file_env.at[i];
        const char *name = arena_strndup(&rq->arena, line, strcspn(line, "="));

        if (!says_name(own, n_own, name) && !has_name(lines, n, line))
            env[row->n_env++] = line;
    }
    for (uint32_t i = 0; i < n; i++) {
        const char *line;

        if (says_name(own, n_own, lines[i].name))
            continue;
        line = arena_printf(&rq->arena, "%s=%s", lines[i].name, lines[i].value);
        if (lines[i].is_secret)
            secrets[row->n_secrets++] = line;
        else
            env[row->n_env++] = line;
    }
    for (uint32_t k = 0; k < n_own; k++)
        env[row->n_env++] = own[k];
    row->env = env;
    row->secrets = secrets;
}

struct planned {
    UT_hash_handle hh;
    const struct new_test *test;
};

/* The tests of the other launch, each as its file is run by the plan of now. */
static void as_before(struct req *rq)
{
    struct start *s = rq->state;
    const struct launch_again *again = s->again;
    struct planned *by_path = NULL;
    struct planned *p;
    struct new_test *all = arena_alloc(&rq->arena, ((size_t)again->n_tests + 1) * sizeof(*all));

    for (uint32_t i = 0; i < s->n_tests; i++) {
        p = arena_alloc(&rq->arena, sizeof(*p));
        p->test = &s->tests[i];
        HASH_ADD_KEYPTR(hh, by_path, p->test->path, strlen(p->test->path), p);
    }
    for (uint32_t i = 0; i < again->n_tests && rq->err == ERR_OK; i++) {
        const struct launch_again_test *t = &again->tests[i];

        HASH_FIND(hh, by_path, t->path, strlen(t->path), p);
        if (p == NULL) {
            rq->err = why_set(&rq->why, ERR_CONFLICT, NULL,
                              "'%.120s' is not run any more by the project at %.40s", t->path, s->commit);
            break;
        }
        all[i] = *p->test;
        all[i].language = t->language;
        all[i].browser = t->browser;
        all[i].limits = t->limits;
    }
    HASH_CLEAR(hh, by_path);
    s->tests = all;
    s->n_tests = again->n_tests;
}

/* Each file in each language in each browser, files outermost. */
static void multiply(struct req *rq)
{
    struct start *s = rq->state;
    uint64_t n = (uint64_t)s->n_tests * s->languages.n * s->browsers.n;
    struct new_test *all;
    struct new_test *to;

    if (n > LAUNCH_TESTS_MAX) {
        rq->err = why_set(&rq->why, ERR_LIMIT, "files",
                          "%u files in %u languages and %u browsers are %llu tests, at most %u are allowed",
                          s->n_tests, s->languages.n, s->browsers.n, (unsigned long long)n, LAUNCH_TESTS_MAX);
        return;
    }
    to = all = arena_alloc(&rq->arena, (n + 1) * sizeof(*all));
    for (uint32_t i = 0; i < s->n_tests; i++) {
        for (uint32_t l = 0; l < s->languages.n; l++) {
            for (uint32_t b = 0; b < s->browsers.n; b++) {
                *to = s->tests[i];
                to->language = s->languages.at[l];
                to->browser = s->browsers.at[b];
                to++;
            }
        }
    }
    s->tests = all;
    s->n_tests = (uint32_t)n;
}

static const char *note_of(struct req *rq, const struct start *s)
{
    const char *again = s->again != NULL ? s->again->note : NULL;

    if (again == NULL || s->note == NULL)
        return again != NULL ? again : s->note;
    return arena_printf(&rq->arena, "%s; %s", s->note, again);
}

static void on_predicted(struct req *rq)
{
    const struct start *s = rq->state;
    const struct launch_body *in = s->in;
    struct event ev = {.kind = EV_LAUNCH_CREATE};
    struct launch_row *row = &ev.launch_create.launch;
    const struct api_launch_defaults *limits = &s->limits;

    if (rq->err == ERR_OK && s->again != NULL)
        as_before(rq);
    else if (rq->err == ERR_OK)
        multiply(rq);
    if (rq->err != ERR_OK) {
        req_error(rq, &rq->why);
        return;
    }
    if (!auth_still(rq)) /* the fetch may have taken minutes */
        return;
    *row = (struct launch_row){.user = rq->who.user,
                               .project = s->project->id,
                               .project_name = s->project->name,
                               .name = in->name,
                               .ref = in->ref,
                               .commit = s->commit,
                               .order = (enum launch_order)in->order,
                               .retries = (uint32_t)limits->retries,
                               .time_limit_ms = limits->time_limit_s * 1000,
                               .silence_limit_ms = limits->silence_limit_s * 1000,
                               .lease_ms = (uint32_t)limits->lease_s * 1000,
                               .slots = (uint32_t)limits->slots,
                               .env = in->env.at,
                               .n_env = in->env.n,
                               .servers = s->servers,
                               .n_servers = s->again != NULL ? s->again->n_servers : in->servers.n,
                               .setup = s->setup,
                               .n_setup = s->n_setup,
                               .artifacts = in->artifacts.at,
                               .n_artifacts = in->artifacts.n,
                               .created_at = wall_now(),
                               .schedule = rq->cause,
                               .mail = (enum mail_when)in->mail};
    add_env(rq, row);
    row->location = s->location;
    row->note = note_of(rq, s);
    ev.launch_create.at_front = in->at == 1;
    ev.launch_create.tests = s->tests;
    ev.launch_create.n_tests = s->n_tests;
    req_post(rq, &ev, on_started);
}

static void predict(struct req *rq)
{
    req_read(rq, predict_job, on_predicted);
}

/* ---- 1. ---- */

static void on_resolved(struct req *rq)
{
    struct start *s = rq->state;

    if (rq->err != ERR_OK)
        req_error(rq, &rq->why);
    else if (s->project != NULL)
        make_fresh(rq);
    else if (s->is_dry)
        req_fail(
            rq, ERR_INVALID, "project",
            "project: there is none with this URL yet; add it first, then it can be asked what would run");
    else if (rq->who.role == ROLE_ADMIN)
        make_project(rq);
    else
        req_fail(
            rq, ERR_DENIED, "project",
            "project: there is none with this URL, and only an admin may add one; ask for it to be added");
}

static bool env_is_fine(struct req *rq, const struct field_texts *env)
{
    for (uint32_t i = 0; i < env->n; i++) {
        const char *s = env->at[i];
        const char *eq = strchr(s, '=');
        size_t n = eq == NULL ? 0 : (size_t)(eq - s);

        if (n == 0 || (s[0] >= '0' && s[0] <= '9') ||
            strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") != n) {
            req_fail(rq, ERR_INVALID, "env", "env[%u]: '%.48s' is not NAME=value", i, s);
            return false;
        }
    }
    return true;
}

static bool globs_are_fine(struct req *rq, const struct field_texts *globs)
{
    for (uint32_t i = 0; i < globs->n; i++) {
        const char *fault = yml_glob_fault(globs->at[i]);

        if (fault == NULL)
            continue;
        req_fail(rq, ERR_INVALID, "artifacts", "artifacts[%u]: '%.80s' %s", i, globs->at[i], fault);
        return false;
    }
    return true;
}

void launch_begin(struct req *rq, const struct launch_body *in, bool is_dry, const struct launch_again *again)
{
    struct start *s;

    if (!env_is_fine(rq, &in->env) || !globs_are_fine(rq, &in->artifacts))
        return;
    s = arena_alloc(&rq->arena, sizeof(*s));
    s->in = in;
    s->is_dry = is_dry;
    s->again = again;
    s->said = (struct api_launch_defaults){.retries = in->retries,
                                           .time_limit_s = in->time_limit_s,
                                           .silence_limit_s = in->silence_limit_s,
                                           .lease_s = in->lease_s,
                                           .slots = in->slots};
    rq->state = s;
    req_read(rq, resolve_job, on_resolved);
}

void launches_start(struct req *rq)
{
    launch_begin(rq, rq->body, false, NULL);
}

void launches_plan(struct req *rq)
{
    launch_begin(rq, rq->body, true, NULL);
}

enum err launch_read(struct req *rq, const char *json, size_t len)
{
    struct launch_body *body = arena_alloc(&rq->arena, sizeof(*body));

    *body = launch_preset;
    rq->body = body;
    return field_read_json(launch_fields, json, len, &rq->arena, body, &rq->why);
}

void launch_start(struct req *rq)
{
    launches_start(rq);
}
