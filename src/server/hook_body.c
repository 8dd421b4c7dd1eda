#include "server/hook_body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/git_url.h"
#include "notify/notice_text.h"
#include "wire/json_out.h"

#define DESCRIPTION_CHARS 140u /* of a commit status: GitHub takes no more */
#define CONTEXT_CHARS 100u
#define REASON_CHARS 500u
#define PATH_CHARS 500u

void hook_message_id(const char *instance, uint64_t delivery, char out[HOOK_ID_BYTES])
{
    (void)snprintf(out, HOOK_ID_BYTES, "msg_%.20s_%llu", instance, (unsigned long long)delivery);
}

/* ---- what the store knows -------------------------------------------------------------------------------- */

struct look {
    struct arena arena;
    struct launch_row launch;
    struct launch_sums sums;
    const char *login;
    const char *project_url;
    uint32_t n_causes;
    bool has_launch;
};

static void take_launch(void *ctx, const struct launch_row *row, const struct launch_sums *sums)
{
    struct look *l = ctx;

    l->launch = *row;
    l->launch.name = arena_strdup(&l->arena, row->name);
    l->launch.project_name = arena_strdup(&l->arena, row->project_name);
    l->launch.ref = arena_strdup(&l->arena, row->ref);
    l->launch.commit = arena_strdup(&l->arena, row->commit);
    l->launch.note = "";
    l->sums = *sums;
    l->has_launch = true;
}

static void take_project(void *ctx, const struct project_row *row)
{
    struct look *l = ctx;

    l->project_url = arena_strdup(&l->arena, row->url);
}

static void no_cause(void *ctx, const struct cause_row *row)
{
    (void)ctx;
    (void)row;
}

/* What it failed by, when it is over. */
static enum err look_at_causes(struct reader *r, uint64_t launch, struct look *l, struct why *why)
{
    struct cause_sums sums = {0};
    enum err err = read_causes(r, (struct launch_id){launch}, 1, no_cause, NULL, &sums, why);

    l->n_causes = sums.causes;
    return err;
}

/* A launch that was deleted meanwhile is no failure. */
static enum err look_at(struct reader *r, uint64_t launch, struct look *l, struct why *why)
{
    enum err err = read_launch(r, (struct launch_id){launch}, take_launch, l, why);

    if (err == ERR_OK && l->launch.project.v != 0)
        err = read_project(r, l->launch.project, take_project, l, why);
    return err == ERR_NOTFOUND ? ERR_OK : err;
}

static bool is_about_launch(enum hook_kind k)
{
    return k <= HOOK_KIND_RUNS_FAILED;
}

/* ---- JSON ------------------------------------------------------------------------------------------------ */

static void put_line(struct json_out *j, const char *key, const char *text, uint32_t chars)
{
    struct buf b;

    buf_init(&b, KIB(8));
    notice_text_line(&b, text, chars);
    jo_ktext(j, key, buf_str(&b));
    buf_done(&b);
}

static void put_url(struct json_out *j, const struct notice_site *site, const char *what, uint64_t id)
{
    char url[400];

    (void)snprintf(url, sizeof(url), "%.300s/%s/%llu", site->url, what, (unsigned long long)id);
    jo_ktext(j, "url", url);
}

static void put_tests(struct json_out *j, const struct look *l)
{
    jo_kobj(j, "tests");
    jo_kuint(j, "total", l->launch.n_tests);
    jo_kuint(j, "waiting", l->sums.waiting);
    jo_kuint(j, "running", l->sums.active);
    jo_kuint(j, "removed", l->sums.removed);
    for (int o = OUTCOME_NONE + 1; o < OUTCOME_COUNT; o++)
        jo_kuint(j, outcome_name((enum outcome)o), l->sums.by_outcome[o]);
    jo_obj_end(j);
    jo_kobj(j, "examples");
    jo_kuint(j, "discovered", l->sums.tally.discovered);
    jo_kuint(j, "passed", l->sums.tally.passed);
    jo_kuint(j, "failed", l->sums.tally.failed);
    jo_kuint(j, "pending", l->sums.tally.pending);
    jo_kuint(j, "errors", l->sums.tally.errors);
    jo_obj_end(j);
}

static void put_launch(struct json_out *j, const struct notice_site *site, const struct delivery_row *d,
                       const struct look *l)
{
    const struct launch_row *row = &l->launch;

    jo_kobj(j, "launch");
    jo_kuint(j, "id", d->object);
    put_line(j, "name", l->has_launch ? row->name : d->name, PATH_CHARS);
    put_url(j, site, "launches", d->object);
    if (l->has_launch) {
        if (row->project.v != 0) {
            jo_kobj(j, "project");
            jo_kuint(j, "id", row->project.v);
            put_line(j, "name", row->project_name, PATH_CHARS);
            jo_obj_end(j);
        }
        put_line(j, "ref", row->ref, PATH_CHARS);
        jo_ktext(j, "commit", row->commit);
        jo_kuint(j, "user", row->user.v);
        jo_ktext(j, "state", launch_state_name(row->state));
        jo_ktext_or_null(j, "outcome", outcome_name(row->outcome));
        put_tests(j, l);
        jo_ktime(j, "created_at", row->created_at);
        jo_ktime(j, "started_at", row->started_at);
        jo_ktime(j, "ended_at", row->ended_at);
    }
    jo_obj_end(j);
}

struct run_look {
    struct json_out *j;
    const struct notice_site *site;
};

static void put_run(void *ctx, const struct run_row *row, const char *commit, uint64_t log_bytes)
{
    struct run_look *x = ctx;

    (void)commit;
    (void)log_bytes;
    jo_obj(x->j);
    jo_kuint(x->j, "id", row->id.v);
    put_line(x->j, "path", row->path, PATH_CHARS);
    put_url(x->j, x->site, "runs", row->id.v);
    jo_kuint(x->j, "attempt", row->attempt);
    jo_ktext(x->j, "outcome", outcome_name(row->outcome));
    put_line(x->j, "reason", row->reason, REASON_CHARS);
    put_line(x->j, "server", row->server_name, PATH_CHARS);
    jo_obj_end(x->j);
}

static enum err put_runs(struct reader *r, struct json_out *j, const struct notice_site *site,
                         const struct delivery_row *d, struct why *why)
{
    struct run_look x = {j, site};
    enum err err = ERR_OK;

    jo_karr(j, "runs");
    for (const char *p = d->runs; err == ERR_OK && *p != '\0'; p += *p == ',') {
        char *end;
        struct run_id id = {strtoull(p, &end, 10)};

        if (end == p)
            break;
        err = read_run(r, id, put_run, &x, why);
        if (err == ERR_NOTFOUND)
            err = ERR_OK; /* deleted meanwhile */
        p = end;
    }
    jo_arr_end(j);
    return err;
}

static void put_object(struct json_out *j, const struct notice_site *site, const struct delivery_row *d)
{
    bool is_schedule = d->kind >= HOOK_KIND_SCHEDULE_FAILED && d->kind <= HOOK_KIND_SCHEDULE_DISABLED;

    if (d->kind == HOOK_KIND_TEST)
        return;
    if (d->kind == HOOK_KIND_ERROR) {
        jo_ktext(j, "event", d->word);
        return;
    }
    jo_kobj(j, is_schedule ? "schedule" : "server");
    jo_kuint(j, "id", d->object);
    put_line(j, "name", d->name, PATH_CHARS);
    put_url(j, site, is_schedule ? "schedules" : "servers", d->object);
    jo_obj_end(j);
}

static enum err write_json(struct reader *r, const struct hook_due *due, const struct notice_site *site,
                           struct look *l, struct buf *out, struct why *why)
{
    const struct delivery_row *d = &due->delivery;
    enum err err = is_about_launch(d->kind) ? look_at(r, d->object, l, why) : ERR_OK;
    struct json_out j;

    if (err != ERR_OK)
        return err;
    jo_begin(&j, out);
    jo_obj(&j);
    jo_ktext(&j, "kind", hook_kind_name(d->kind));
    jo_kuint(&j, "delivery", d->id);
    jo_kuint(&j, "hook", d->hook);
    jo_ktime(&j, "at", d->at);
    jo_ktime(&j, "last_at", d->last_at);
    jo_kuint(&j, "count", d->n);
    jo_kobj(&j, "wrata");
    jo_ktext(&j, "url", site->url);
    jo_ktext(&j, "version", WRATA_VERSION);
    jo_obj_end(&j);
    if (is_about_launch(d->kind))
        put_launch(&j, site, d, l);
    else
        put_object(&j, site, d);
    if (d->text[0] != '\0')
        put_line(&j, "reason", d->text, REASON_CHARS);
    if (d->kind == HOOK_KIND_RUNS_FAILED)
        err = put_runs(r, &j, site, d, why);
    jo_obj_end(&j);
    return err;
}

/* ---- a commit status ------------------------------------------------------------------------------------- */

static bool is_hex(const char *s)
{
    size_t n = strspn(s, "0123456789abcdef");

    return s[n] == '\0' && (n == 40 || n == 64);
}

/* "owner/name", of the hook or of the project's url; false: neither says so. */
static bool repository_of(const struct hook_row *h, const struct look *l, const char *git_host, char *out,
                          size_t size)
{
    char key[300];
    size_t n = strlen(git_host);

    if (h->repository[0] != '\0') {
        (void)snprintf(out, size, "%s", h->repository);
        return true;
    }
    if (l->project_url == NULL || !git_url_key(l->project_url, git_host, key, sizeof(key)) ||
        strncmp(key, git_host, n) != 0 || key[n] != '/' || hook_repository_fault(key + n + 1) != NULL)
        return false;
    (void)snprintf(out, size, "%s", key + n + 1);
    return true;
}

static const char *state_of(const struct look *l)
{
    if (l->launch.state != LAUNCH_DONE)
        return "pending";
    switch (l->launch.outcome) {
    case OUTCOME_PASSED:
        return "success";
    case OUTCOME_STOPPED:
    case OUTCOME_INFRASTRUCTURE:
        return "error";
    default:
        return "failure";
    }
}

static void describe(const struct look *l, char *out, size_t size)
{
    uint32_t total = l->launch.n_tests - l->sums.removed;
    uint32_t passed = l->sums.by_outcome[OUTCOME_PASSED];
    uint32_t bad = 0;

    for (int o = OUTCOME_PASSED + 1; o < OUTCOME_COUNT; o++)
        bad += l->sums.by_outcome[o];
    if (l->launch.state != LAUNCH_DONE)
        (void)snprintf(out, size, "%u files are run", total);
    else if (bad == 0)
        (void)snprintf(out, size, "%u files passed", passed);
    else if (l->launch.outcome == OUTCOME_STOPPED)
        (void)snprintf(out, size, "stopped: %u of %u files passed", passed, total);
    else if (l->n_causes == 0)
        (void)snprintf(out, size, "%u of %u files failed", bad, total);
    else
        (void)snprintf(out, size, "%u of %u files failed, %u cause%s", bad, total, l->n_causes,
                       l->n_causes == 1 ? "" : "s");
}

static enum err write_status(struct reader *r, const struct hook_due *due, const struct notice_site *site,
                             const char *git_host, struct look *l, struct buf *out, struct why *why)
{
    enum err err = look_at(r, due->delivery.object, l, why);
    char repository[300];
    char text[DESCRIPTION_CHARS + 1];
    char url[400];
    struct json_out j;
    struct buf context;

    if (err != ERR_OK)
        return err;
    if (!l->has_launch || !is_hex(l->launch.commit)) {
        buf_puts(out, l->has_launch ? "the launch has no commit" : "the launch was deleted");
        return ERR_OK;
    }
    if (!repository_of(&due->hook, l, git_host, repository, sizeof(repository))) {
        buf_printf(out, "the project's url is none of %s: give the hook its repository, owner/name",
                   git_host);
        return ERR_OK;
    }
    if (l->launch.state == LAUNCH_DONE && (err = look_at_causes(r, due->delivery.object, l, why)) != ERR_OK)
        return err;
    buf_printf(out, "/repos/%s/statuses/%s\n", repository, l->launch.commit);
    describe(l, text, sizeof(text));
    (void)snprintf(url, sizeof(url), "%.300s/launches/%llu", site->url,
                   (unsigned long long)due->delivery.object);
    buf_init(&context, KIB(4));
    buf_puts(&context, "wrata");
    if (l->launch.name[0] != '\0') {
        buf_puts(&context, "/");
        notice_text_line(&context, l->launch.name, CONTEXT_CHARS);
    }
    jo_begin(&j, out);
    jo_obj(&j);
    jo_ktext(&j, "state", state_of(l));
    jo_ktext(&j, "target_url", url);
    jo_ktext(&j, "description", text);
    jo_ktext(&j, "context", buf_str(&context));
    jo_obj_end(&j);
    buf_done(&context);
    return ERR_OK;
}

enum err hook_body_write(struct reader *r, const struct hook_due *due, const struct notice_site *site,
                         const char *git_host, struct buf *out, struct why *reterr)
{
    struct look l = {.login = "", .project_url = NULL};
    enum err err;

    arena_init(&l.arena);
    err = due->hook.type == HOOK_GITHUB ? write_status(r, due, site, git_host, &l, out, reterr)
                                        : write_json(r, due, site, &l, out, reterr);
    arena_done(&l.arena);
    return err;
}
