/* cmd_reap.c - `wrata reap`: destroy machines of the cloud that nobody owns any more, with nothing but the token.
 *
 * No server is asked and no database is opened: it must work on any computer when the one that made the machines is gone. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/verbs.h"
#include "config/credentials.h"
#include "fleet/reap.h"
#include "wire/json_out.h"

#define INSTANCE_BYTES_MAX 64

struct saying {
    struct cli *cli;
    struct json_out j;
    struct buf text; /* JSON */
    struct wall now;
};

/* ---- with what ---- */

/* The environment first: where somebody types a token in, that one is meant. */
static enum err find_token(struct cli *cli, struct credentials *c, struct slice *ret, struct why *reterr)
{
    static const char *const names[] = {"WRATA_CLOUD_TOKEN", "DO_ACCESS_TOKEN"};
    struct buf problems;
    struct buf warnings;
    enum err err;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = getenv(names[i]);

        if (value != NULL && value[0] != '\0') {
            *ret = slice_of(value);
            return ERR_OK;
        }
    }
    buf_init(&problems, CREDENTIALS_PROBLEMS_BYTES);
    buf_init(&warnings, CREDENTIALS_PROBLEMS_BYTES);
    err = credentials_load(cli->data, c, &problems, &warnings);
    if (err != ERR_OK)
        err = why_set(reterr, err, NULL, "%.*s", (int)strcspn(buf_str(&problems), "\n"), buf_str(&problems));
    else if (c->at[CREDENTIAL_cloud_token] == NULL)
        err = why_set(reterr, ERR_INVALID, NULL,
                      "there is no token: cloud_token is not in the credentials of %s, and neither "
                      "WRATA_CLOUD_TOKEN nor "
                      "DO_ACCESS_TOKEN is set",
                      cli->data);
    else
        *ret = (struct slice){secret_reveal(c->at[CREDENTIAL_cloud_token]),
                              secret_len(c->at[CREDENTIAL_cloud_token])};
    buf_done(&problems);
    buf_done(&warnings);
    return err;
}

/* Of the data folder, when neither --instance nor --all is given. */
static enum err find_instance(struct cli *cli, char *own, const char **ret, struct why *reterr)
{
    char path[4096];
    ssize_t n = -1;
    int fd;

    *ret = cli->o.instance;
    if (cli->o.all || cli->o.instance != NULL)
        return cli->o.all && cli->o.instance != NULL
                   ? why_set(reterr, ERR_INVALID, "instance",
                             "--instance and --all say two things; give one of them")
                   : ERR_OK;
    (void)snprintf(path, sizeof(path), "%s/instance", cli->data);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        n = read(fd, own, INSTANCE_BYTES_MAX);
        (void)close(fd);
    }
    if (n <= 0)
        return why_set(reterr, ERR_INVALID, NULL,
                       "whose machines? %s is no data folder of a server; --instance ID says which (it is in "
                       "the tags), --all "
                       "means those of every wrata in the account",
                       cli->data);
    own[n] = '\0';
    own[strcspn(own, "\r\n")] = '\0';
    *ret = own;
    return ERR_OK;
}

/* ---- saying it ---- */

static void time_text(struct wall t, char *out, size_t size)
{
    time_t s = (time_t)(t.ms / 1000);
    struct tm tm;

    if (t.ms == 0 || gmtime_r(&s, &tm) == NULL || strftime(out, size, "%Y-%m-%d %H:%M UTC", &tm) == 0)
        (void)snprintf(out, size, "never");
}

/* "3 h", "12 min" */
static void span_text(int64_t ms, char *out, size_t size)
{
    int64_t minutes = ms / 60000;

    if (minutes < 120)
        (void)snprintf(out, size, "%lld min", (long long)minutes);
    else if (minutes < 2 * 24 * 60)
        (void)snprintf(out, size, "%lld h", (long long)(minutes / 60));
    else
        (void)snprintf(out, size, "%lld days", (long long)(minutes / 60 / 24));
}

static void say_machine(const struct saying *s, const struct machine *m, enum reap_verdict v, const char *why)
{
    char what[400];
    char when[40];
    char span[24];
    int64_t over = s->now.ms - m->lease_until.ms;

    (void)snprintf(what, sizeof(what), "%s%s%s%s%s%s%s%s", m->id, m->name[0] != '\0' ? " " : "", m->name,
                   m->region[0] != '\0' ? " (" : "", m->region,
                   m->region[0] != '\0' && m->size[0] != '\0' ? ", " : "",
                   m->region[0] != '\0' ? m->size : "", m->region[0] != '\0' ? ")" : "");
    time_text(m->lease_until, when, sizeof(when));
    span_text(over < 0 ? -over : over, span, sizeof(span));
    if (v == REAP_FAILED)
        cli_note("%s is left alone: %s", what, why);
    else if (v == REAP_NO_LEASE)
        say_out("left alone  %s: it has no lease; to destroy it: wrata reap %s", what, m->id);
    else if (v == REAP_KEPT)
        say_out("kept        %s: its lease goes on until %s", what, when);
    else if (m->lease_until.ms == 0)
        say_out("%s %s: it has no lease, and was named", v == REAP_DUE ? "due        " : "destroyed  ", what);
    else if (over < 0)
        say_out("%s %s: it was named; its lease would go on until %s",
                v == REAP_DUE ? "due        " : "destroyed  ", what, when);
    else
        say_out("%s %s: its lease ended %s, %s ago", v == REAP_DUE ? "due        " : "destroyed  ", what,
                when, span);
}

static void on_machine(void *ctx, const struct machine *m, enum reap_verdict v, const char *why)
{
    struct saying *s = ctx;

    if (!s->cli->o.json) {
        say_machine(s, m, v, why);
        return;
    }
    jo_obj(&s->j);
    jo_ktext(&s->j, "id", m->id);
    jo_ktext(&s->j, "verdict", reap_verdict_name(v));
    jo_ktext_or_null(&s->j, "why", why);
    jo_ktext(&s->j, "name", m->name);
    jo_kuint(&s->j, "server", m->server);
    jo_kuint(&s->j, "intent", m->intent);
    jo_ktext(&s->j, "state", machine_state_name(m->state));
    jo_ktext(&s->j, "region", m->region);
    jo_ktext(&s->j, "size", m->size);
    jo_ktime(&s->j, "created_at", m->created_at);
    jo_ktime(&s->j, "lease_until", m->lease_until);
    if (m->price_hour_microusd < 0)
        jo_knull(&s->j, "price_hour_microusd");
    else
        jo_kint(&s->j, "price_hour_microusd", m->price_hour_microusd);
    jo_obj_end(&s->j);
}

static void say_sum(const struct reap_counts *n)
{
    say_out("%u destroyed, %u due, %u kept, %u without a lease, %u failed", n->by_verdict[REAP_DESTROYED],
            n->by_verdict[REAP_DUE], n->by_verdict[REAP_KEPT], n->by_verdict[REAP_NO_LEASE],
            n->by_verdict[REAP_FAILED]);
}

/* ---- the command ---- */

static int reap(struct cli *cli, struct slice token, const char *instance)
{
    struct saying s = {.cli = cli, .now = wall_now()};
    struct reap_counts counts;
    struct why why = {0};
    enum err err;

    buf_init(&s.text, MIB(64));
    jo_begin(&s.j, &s.text);
    jo_obj(&s.j);
    jo_karr(&s.j, "machines");
    err = reap_run(&(struct reap_opts){.url = cli->o.cloud_url,
                                       .ca = cli->o.ca,
                                       .token = token,
                                       .instance = instance,
                                       .ids = (const char *const *)cli->args,
                                       .n_ids = (uint32_t)cli->n_args,
                                       .force = cli->o.force,
                                       .dry_run = cli->o.dry_run,
                                       .on_machine = on_machine,
                                       .ctx = &s},
                   &counts, &why);
    jo_arr_end(&s.j);
    jo_obj_end(&s.j);
    if (err != ERR_OK) {
        (void)cli_fail_why(&why);
    } else if (cli->o.json) {
        (void)puts(buf_str(&s.text));
    } else {
        say_sum(&counts);
    }
    buf_done(&s.text);
    if (err != ERR_OK)
        return why.code == ERR_INVALID ? EXIT_USAGE : EXIT_INFRA;
    return counts.by_verdict[REAP_FAILED] > 0 ? EXIT_FAILED : EXIT_PASSED;
}

int cmd_reap(struct cli *cli)
{
    struct credentials credentials = {0};
    char own[INSTANCE_BYTES_MAX + 1];
    const char *instance;
    struct slice token = {0};
    struct why why = {0};
    enum err err = find_instance(cli, own, &instance, &why);
    int rc;

    log_set_level(LOG_LEVEL_WARN); /* what happens is said on standard output */
    if (err == ERR_OK)
        err = find_token(cli, &credentials, &token, &why);
    rc = err == ERR_OK ? reap(cli, token, instance) : cli_fail_why(&why);
    credentials_done(&credentials);
    return rc;
}
