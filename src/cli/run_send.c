/* run_send.c - what a launch needs on the server: a project, the snapshot's commits, machines. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/discover.h"
#include "cli/run_private.h"
#include "model/rows.h"
#include "wire/json_out.h"

#define LOCAL_NAME "local"
#define BUNDLE_DEADLINE_MS (INT64_C(60) * 60 * 1000)

/* ---- machines ---- */

static void slots_name(int64_t slots, char *out, size_t size)
{
    (void)snprintf(out, size, "local-%lld-slots", (long long)slots);
}

/* A server that --slots made once: not part of a launch that does not ask for it, or this computer's processors
 * would be counted twice. */
static bool is_slots_server(const json_t *server)
{
    char name[64];

    slots_name(js_int(server, "slots"), name, sizeof(name));
    return strcmp(js_text(server, "fleet"), "local") == 0 && strcmp(js_text(server, "name"), name) == 0;
}

static enum err add_local(struct cli *cli, const char *name, int64_t slots, struct why *reterr)
{
    struct json_out j;
    struct buf body;
    enum err err;

    buf_init(&body, KIB(4));
    jo_begin(&j, &body);
    jo_obj(&j);
    jo_ktext(&j, "name", name);
    jo_ktext(&j, "fleet", "local");
    jo_kint(&j, "slots", slots);
    jo_obj_end(&j);
    err = ask(cli, "POST", API "/servers", buf_str(&body), NULL, reterr);
    buf_done(&body);
    /* another `wrata run` was quicker by a moment */
    return err == ERR_CONFLICT ? ERR_OK : err;
}

static int64_t cpus(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);

    return n < 1 ? 1 : n > (long)SERVER_SLOTS_MAX ? (long)SERVER_SLOTS_MAX : n;
}

/* Our own server, --slots N: a machine that is this computer and has N slots. */
static enum err choose_own_slots(struct cli *cli, const json_t *all, json_t *names, struct why *reterr)
{
    char name[64];
    size_t i;
    const json_t *server;

    json_array_foreach(all, i, server)
    {
        if (strcmp(js_text(server, "fleet"), "local") == 0 && js_int(server, "slots") == cli->o.slots) {
            json_array_append_new(names, json_string(js_text(server, "name")));
            return ERR_OK;
        }
    }
    if (json_array_size(all) == 0)
        (void)snprintf(name, sizeof(name), "%s", LOCAL_NAME);
    else
        slots_name(cli->o.slots, name, sizeof(name));
    json_array_append_new(names, json_string(name));
    return add_local(cli, name, cli->o.slots, reterr);
}

/* Our own server, no --slots: all machines but those that --slots made; this computer when there is none. */
static enum err choose_own(struct cli *cli, const json_t *all, json_t *names, struct why *reterr)
{
    size_t n = 0;
    size_t i;
    const json_t *server;

    json_array_foreach(all, i, server)
    {
        if (!is_slots_server(server)) {
            json_array_append_new(names, json_string(js_text(server, "name")));
            n++;
        }
    }
    if (n == json_array_size(all) && n > 0)
        json_array_clear(names); /* any: also one that is added while it runs */
    if (n > 0)
        return ERR_OK;
    if (json_array_size(all) > 0)
        json_array_append_new(names, json_string(LOCAL_NAME));
    return add_local(cli, LOCAL_NAME, cpus(), reterr);
}

static int quality(const json_t *server)
{
    return (strcmp(js_text(server, "link"), "online") == 0 ? 1000 : 0) -
           (int)json_array_size(js_obj(server, "running"));
}

/* A server of the team, --slots N: as many machines as make N slots, those online and free first. */
static enum err choose_team(struct cli *cli, json_t *all, json_t *names, struct why *reterr)
{
    int64_t slots = 0;

    while (slots < cli->o.slots && json_array_size(all) > 0) {
        size_t best = 0;

        for (size_t i = 1; i < json_array_size(all); i++) {
            if (quality(json_array_get(all, i)) > quality(json_array_get(all, best)))
                best = i;
        }
        slots += js_int(json_array_get(all, best), "slots");
        json_array_append_new(names, json_string(js_text(json_array_get(all, best), "name")));
        (void)json_array_remove(all, best);
    }
    if (slots < cli->o.slots)
        return why_set(reterr, ERR_INVALID, "slots",
                       "--slots: %lld are not there, only %lld; `wrata servers add` adds more",
                       (long long)cli->o.slots, (long long)slots);
    return ERR_OK;
}

static enum err choose_named(const struct cli *cli, const json_t *all, json_t *names, struct why *reterr)
{
    for (const char *p = cli->o.servers; *p != '\0';) {
        size_t n = strcspn(p, ",");
        bool is_known = false;
        size_t i;
        const json_t *server;
        char name[NAME_BYTES_MAX + 1];

        (void)snprintf(name, sizeof(name), "%.*s", (int)n, p);
        json_array_foreach(all, i, server)
        {
            is_known = is_known || strcmp(js_text(server, "name"), name) == 0;
        }
        if (n > 0 && !is_known)
            return why_set(reterr, ERR_INVALID, "servers",
                           "--servers: there is no server '%s'; `wrata servers` lists them", name);
        if (n > 0)
            json_array_append_new(names, json_string(name));
        p += n + (p[n] == ',');
    }
    if (json_array_size(names) == 0)
        return why_set(reterr, ERR_INVALID, "servers", "--servers: '%s' names no server", cli->o.servers);
    return ERR_OK;
}

enum err run_choose_servers(struct cli *cli, json_t **ret, struct why *reterr)
{
    json_t *all = json_array();
    json_t *names = json_array();
    bool is_own = cli->o.url == NULL;
    enum err err = ask_all(cli, API "/servers", ask_collect, all, reterr);

    if (err == ERR_OK && cli->o.servers != NULL)
        err = choose_named(cli, all, names, reterr);
    else if (err == ERR_OK && is_own && cli->o.slots > 0)
        err = choose_own_slots(cli, all, names, reterr);
    else if (err == ERR_OK && is_own)
        err = choose_own(cli, all, names, reterr);
    else if (err == ERR_OK && json_array_size(all) == 0)
        err = why_set(reterr, ERR_CONFLICT, NULL,
                      "the server at %s has no machines yet; add one with `wrata servers add`", cli->o.url);
    else if (err == ERR_OK && cli->o.slots > 0)
        err = choose_team(cli, all, names, reterr);
    if (err == ERR_OK && json_array_size(names) > 0)
        *ret = json_incref(names);
    json_decref(names);
    json_decref(all);
    return err;
}

/* ---- the project and its commits ---- */

struct find_project {
    const char *name;
    int64_t id;
};

static bool is_project(void *ctx, const json_t *item)
{
    struct find_project *f = ctx;

    if (strcmp(js_text(item, "name"), f->name) == 0)
        f->id = js_int(item, "id");
    return f->id == 0;
}

/* ---- the project that this folder is a clone of ---- */

struct remotes {
    struct cli *cli;
    int64_t id;           /* of the project; 0: none knows them */
    char first[PATH_MAX]; /* the first one, without name and password; "" none */
};

static bool first_project(void *ctx, const json_t *item)
{
    int64_t *id = ctx;

    *id = js_int(item, "id"); /* newest first: the oldest of them stays */
    return true;
}

static bool ask_remote(void *ctx, const char *key)
{
    struct remotes *r = ctx;
    struct why ignored;
    struct buf path;
    enum err err;

    if (r->first[0] == '\0')
        (void)snprintf(r->first, sizeof(r->first), "%s", key);
    buf_init(&path, KIB(32));
    buf_puts(&path, API "/projects?remote=");
    /* a key reads as an url again: its scheme says nothing */
    client_escape(&path, key[0] == '/' ? "" : "https://");
    client_escape(&path, key);
    err = ask_all(r->cli, buf_str(&path), first_project, &r->id, &ignored);
    buf_done(&path);
    return err == ERR_OK && r->id == 0; /* go on; what is wrong with the server shows in what comes next */
}

/* "github.com/owner/docs" -> "docs" */
static const char *last_part(const char *key)
{
    const char *slash = strrchr(key, '/');

    return slash != NULL ? slash + 1 : key;
}

static enum err say_add(const struct snapshot *s, const struct remotes *r, struct why *reterr)
{
    if (r->first[0] == '\0')
        return why_set(reterr, ERR_DENIED, NULL,
                       "the server has no project for this folder, and only an admin may make it, once: "
                       "wrata projects add %s %s",
                       snapshot_project(s), snapshot_url(s));
    return why_set(reterr, ERR_DENIED, NULL,
                   "the server has no project of %.200s, and only an admin may make it, once: "
                   "wrata projects add %.60s %s%.200s",
                   r->first, last_part(r->first), r->first[0] == '/' ? "" : "https://", r->first);
}

static enum err get_project(struct cli *cli, const struct snapshot *s, int64_t *ret, struct why *reterr)
{
    struct remotes r = {.cli = cli};
    struct find_project f = {snapshot_project(s), 0};
    json_t *made = NULL;
    struct json_out j;
    struct buf body;
    enum err err;

    snapshot_remotes(s, ask_remote, &r);
    if (r.id != 0) {
        *ret = r.id;
        return ERR_OK;
    }
    err = ask_all(cli, API "/projects", is_project, &f, reterr);
    if (err == ERR_OK && f.id == 0) {
        buf_init(&body, KIB(64));
        jo_begin(&j, &body);
        jo_obj(&j);
        jo_ktext(&j, "name", f.name);
        jo_ktext(&j, "url", snapshot_url(s));
        jo_obj_end(&j);
        err = ask(cli, "POST", API "/projects", buf_str(&body), &made, reterr);
        buf_done(&body);
        f.id = js_int(made, "id");
        json_decref(made);
        if (err == ERR_DENIED)
            err = say_add(s, &r, reterr);
        if (err == ERR_CONFLICT) /* made by another one meanwhile */
            err = ask_all(cli, API "/projects", is_project, &f, reterr);
    }
    *ret = f.id;
    return err;
}

struct has_ctx {
    struct cli *cli;
    int64_t project;
};

/* Its tree is there: so is the commit. An error means "no"; should there be a real one, the upload shows it. */
static bool has_commit(void *ctx, const char *commit)
{
    struct has_ctx *h = ctx;
    struct why ignored;
    char path[160];

    (void)snprintf(path, sizeof(path), API "/projects/%lld/tree?ref=%s", (long long)h->project, commit);
    return ask(h->cli, "GET", path, NULL, NULL, &ignored) == ERR_OK;
}

enum err run_send(struct cli *cli, struct snapshot *s, int64_t *ret_project, struct why *reterr)
{
    struct has_ctx h = {cli, 0};
    const char *bundle = NULL;
    char path[128];
    enum err err = get_project(cli, s, &h.project, reterr);

    if (err == ERR_OK)
        err = snapshot_bundle(s, has_commit, &h, &bundle, reterr);
    if (err == ERR_OK && bundle != NULL) {
        struct client_request rq = {.method = "POST",
                                    .path = path,
                                    .body_file = bundle,
                                    .body_type = "application/octet-stream",
                                    .deadline_ms = BUNDLE_DEADLINE_MS};
        struct client_reply reply;

        (void)snprintf(path, sizeof(path), API "/projects/%lld/bundle", (long long)h.project);
        err = client_call(cli->client, &rq, &reply, reterr);
        client_reply_done(&reply);
    }
    if (err == ERR_OK)
        snapshot_sent(s);
    *ret_project = h.project;
    return err;
}
