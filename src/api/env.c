/* env.c - the variables that every run of a user is given. Values of secrets come in and never go out again. */
#include <stdio.h>
#include <string.h>

#include "api/account_common.h"

#define BODY_ENV_BYTES MIB(4) /* LAUNCH_ENV_BYTES_MAX of text, written with escapes */

struct env_line {
    const char *name;
    const char *value;
    bool secret;
};

struct env_body {
    struct field_rows lines;
};

static const struct field line_fields[] = {
    {.name = "name",
     .type = FIELD_TEXT,
     .offset = offsetof(struct env_line, name),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = NAME_BYTES_MAX,
     .help = "letters, digits and _, not beginning with a digit or WRATA_"},
    {.name = "value",
     .type = FIELD_TEXT,
     .offset = offsetof(struct env_line, value),
     .flags = FIELD_LINES | FIELD_SECRET, /* it may be one: it stands in no sentence */
     .max = ENV_LINE_BYTES_MAX,
     .help = "what it is set to; of a secret that is there already: left out, it stays"},
    {.name = "secret",
     .type = FIELD_BOOL,
     .offset = offsetof(struct env_line, secret),
     .help = "encrypted, never shown again, masked in logs",
     .preset = "false"},
    {.type = FIELD_END},
};

static const struct field env_fields[] = {
    {.name = "lines",
     .type = FIELD_ROWS,
     .offset = offsetof(struct env_body, lines),
     .flags = FIELD_REQUIRED,
     .rows = line_fields,
     .row_bytes = sizeof(struct env_line),
     .items_max = USER_ENV_MAX,
     .help = "all of them: what is not here goes"},
    {.type = FIELD_END},
};

static void env_list(struct req *rq)
{
    uint32_t n;
    const struct user_env_row *at = accounts_env(rq->api->accounts, rq->who.user, &n);
    struct json_out *j = answer_begin(rq);

    jo_arr(j);
    for (uint32_t i = 0; i < n; i++) {
        jo_obj(j);
        jo_ktext(j, "name", at[i].name);
        jo_ktext(j, "value", at[i].is_secret ? NULL : at[i].value);
        jo_kbool(j, "secret", at[i].is_secret);
        jo_obj_end(j);
    }
    jo_arr_end(j);
    answer_send(rq);
}

static enum err seal_line(struct req *rq, uint32_t i, const struct env_line *in, struct user_env_row *ret)
{
    struct api *a = rq->api;
    const char *context =
        arena_printf(&rq->arena, "user_env %llu %s", (unsigned long long)rq->who.user.v, in->name);
    struct buf out;
    enum err err;

    if (strlen(in->value) < SECRET_BYTES_MIN)
        return why_set(
            &rq->why, ERR_INVALID, "lines",
            "lines[%u]: the secret %.64s has %zu bytes; there must be at least %u, or half of every log "
            "would be masked",
            i, in->name, strlen(in->value), SECRET_BYTES_MIN);
    if (a->opts.seal == NULL)
        return why_set(&rq->why, ERR_CONFLICT, "lines", "lines[%u]: this server has no key for secrets", i);
    buf_init(&out, ENV_LINE_BYTES_MAX * 2);
    err = a->opts.seal(a->opts.ctx, context, in->value, &out, &rq->why);
    ret->value = arena_strndup(&rq->arena, buf_str(&out), out.len);
    buf_done(&out);
    return err;
}

static void env_set(struct req *rq)
{
    const struct env_body *in = rq->body;
    const struct env_line *lines = in->lines.at;
    struct user_env_row *rows = arena_alloc(&rq->arena, (in->lines.n + 1) * sizeof(*rows));
    struct accounts_out out;
    uint32_t secrets = 0;
    enum err err = ERR_OK;

    for (uint32_t i = 0; i < in->lines.n && err == ERR_OK; i++) {
        rows[i] = (struct user_env_row){lines[i].name, lines[i].value, lines[i].secret};
        secrets += lines[i].secret;
        if (lines[i].secret && lines[i].value != NULL)
            err = seal_line(rq, i, &lines[i], &rows[i]);
    }
    audit_say(rq, NULL, "%u lines, %u of them secret", in->lines.n, secrets);
    accounts_out_init(&out);
    if (err == ERR_OK)
        err = accounts_set_env(rq->api->accounts, rq->who.user, rows, in->lines.n, &out, &rq->why);
    finish_command(rq, err, &out, env_list);
}

const struct route env_routes[] = {
    {ROUTE(GET, ACCOUNT_LOOK, "/api/v1/env", env_list, "The own variables; of secrets only the name.",
           "[env_line]")},
    {ROUTE(POST, ACCOUNT, "/api/v1/env", env_set, "Replace the own variables.", "[env_line]"),
     .audit = "env.set", BODY(env_fields, struct env_body), .body_max = BODY_ENV_BYTES},
    ROUTES_END,
};
