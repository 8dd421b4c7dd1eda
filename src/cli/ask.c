/* ask.c - asking the server, and reading what it answers. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "cli/cli_private.h"
#include "model/account.h"

const char *js_text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));

    return s != NULL ? s : "";
}

int64_t js_int(const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    return json_is_real(v) ? (int64_t)json_real_value(v) : (int64_t)json_integer_value(v);
}

const json_t *js_obj(const json_t *o, const char *key)
{
    return json_object_get(o, key);
}

int64_t js_time_ms(const json_t *o, const char *key)
{
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    const char *text = js_text(o, key);
    int parts[7] = {0};
    size_t part = 0;
    struct tm tm = {0};

    if (strlen(text) != strlen(shape))
        return 0;
    for (size_t i = 0; shape[i] != '\0'; i++) {
        bool is_digit = text[i] >= '0' && text[i] <= '9';

        if (is_digit != (shape[i] == 'd') || (!is_digit && text[i] != shape[i]))
            return 0;
        if (!is_digit)
            part++;
        else
            parts[part] = parts[part] * 10 + (text[i] - '0');
    }
    tm.tm_year = parts[0] - 1900;
    tm.tm_mon = parts[1] - 1;
    tm.tm_mday = parts[2];
    tm.tm_hour = parts[3];
    tm.tm_min = parts[4];
    tm.tm_sec = parts[5];
    return (int64_t)timegm(&tm) * 1000 + parts[6];
}

enum err ask(struct cli *cli, const char *method, const char *path, const char *body, json_t **ret,
             struct why *reterr)
{
    struct client_request rq = {
        .method = method, .path = path, .body = body, .body_len = body != NULL ? strlen(body) : 0};
    struct client_reply reply;
    json_error_t bad;
    json_t *doc = NULL;
    enum err err = client_call(cli->client, &rq, &reply, reterr);

    if (err == ERR_OK && ret != NULL) {
        doc = json_loadb(buf_str(&reply.body), reply.body.len, JSON_ALLOW_NUL, &bad);
        if (doc == NULL)
            err = why_set(reterr, ERR_PROTO, NULL, "%s%s answered no JSON: %s", client_url(cli->client), path,
                          bad.text);
        else
            *ret = doc;
    }
    client_reply_done(&reply);
    return err;
}

bool ask_collect(void *ctx, const json_t *item)
{
    json_array_append_new(ctx, json_deep_copy(item));
    return true;
}

enum err ask_all(struct cli *cli, const char *path, bool (*on_item)(void *ctx, const json_t *item), void *ctx,
                 struct why *reterr)
{
    char *cursor = NULL;
    bool goes_on = true;
    enum err err = ERR_OK;

    while (goes_on && err == ERR_OK) {
        struct buf url;
        json_t *page = NULL;
        const char *next;
        size_t i;
        const json_t *item;

        buf_init(&url, KIB(64));
        buf_puts(&url, path);
        if (cursor != NULL) {
            buf_printf(&url, "%ccursor=", strchr(path, '?') != NULL ? '&' : '?');
            client_escape(&url, cursor);
        }
        err = ask(cli, "GET", buf_str(&url), NULL, &page, reterr);
        buf_done(&url);
        free(cursor);
        cursor = NULL;
        if (err != ERR_OK)
            break;
        json_array_foreach(js_obj(page, "items"), i, item)
        {
            goes_on = goes_on && on_item(ctx, item);
        }
        next = js_text(page, "next");
        goes_on = goes_on && next[0] != '\0';
        if (goes_on)
            cursor = xstrdup(next);
        json_decref(page);
    }
    free(cursor);
    return err;
}

int ask_raw(struct cli *cli, const char *path)
{
    struct client_request rq = {.path = path};
    struct client_reply reply;
    struct why why = {0};
    enum err err = client_call(cli->client, &rq, &reply, &why);

    if (err == ERR_OK) {
        (void)fwrite(buf_str(&reply.body), 1, reply.body.len, stdout);
        if (reply.body.len == 0 || buf_str(&reply.body)[reply.body.len - 1] != '\n')
            (void)fputc('\n', stdout);
    }
    client_reply_done(&reply);
    return err == ERR_OK ? EXIT_PASSED : cli_fail_why(&why);
}

struct lookup {
    const char *name;
    int64_t id;
    json_t *names;
};

static bool lookup_item(void *ctx, const json_t *item)
{
    struct lookup *l = ctx;
    const char *name = js_text(item, "name");

    json_array_append_new(l->names, json_string(name));
    if (strcmp(name, l->name) == 0)
        l->id = js_int(item, "id");
    return l->id == 0;
}

static const char *lookup_name(const void *ctx, size_t i)
{
    const struct lookup *l = ctx;

    return json_string_value(json_array_get(l->names, i));
}

enum err ask_id_by_name(struct cli *cli, const char *path, const char *what, const char *name, int64_t *ret,
                        struct why *reterr)
{
    struct lookup l = {.name = name, .names = json_array()};
    enum err err = ask_all(cli, path, lookup_item, &l, reterr);
    const char *near = nearest_name(name, lookup_name, &l);

    if (err == ERR_OK && l.id == 0 && near != NULL)
        err =
            why_set(reterr, ERR_NOTFOUND, NULL, "there is no %s '%s'; did you mean '%s'?", what, name, near);
    else if (err == ERR_OK && l.id == 0)
        err = why_set(reterr, ERR_NOTFOUND, NULL, "there is no %s '%s'; `wrata %ss` lists them", what, name,
                      what);
    *ret = l.id;
    json_decref(l.names);
    return err;
}

enum err ask_path(struct cli *cli, const char *list, const char *what, const char *tail, char *out,
                  size_t size, struct why *reterr)
{
    const char *name = cli->args[1];
    int64_t id = 0;
    enum err err = name[0] == '#' ? parse_id(what, name, &id, reterr)
                                  : ask_id_by_name(cli, list, what, name, &id, reterr);

    (void)snprintf(out, size, "%s/%lld%s", list, (long long)id, tail);
    return err;
}

struct user_lookup {
    const char *login;
    int64_t id;
    json_t *logins;
};

/* Logins are the same whatever their case. A deleted account's may have another owner now. */
static bool user_item(void *ctx, const json_t *item)
{
    struct user_lookup *l = ctx;

    if (strcmp(js_text(item, "state"), "deleted") == 0)
        return true;
    json_array_append_new(l->logins, json_string(js_text(item, "login")));
    if (strcasecmp(js_text(item, "login"), l->login) == 0)
        l->id = js_int(item, "id");
    return l->id == 0;
}

static const char *user_login(const void *ctx, size_t i)
{
    const struct user_lookup *l = ctx;

    return json_string_value(json_array_get(l->logins, i));
}

enum err ask_user_id(struct cli *cli, const char *login, int64_t *ret, struct why *reterr)
{
    struct user_lookup l = {.login = login, .logins = json_array()};
    enum err err = ask_all(cli, API "/users?limit=500", user_item, &l, reterr);
    const char *near = nearest_name(login, user_login, &l);

    if (err == ERR_OK && l.id == 0 && near != NULL)
        err = why_set(reterr, ERR_NOTFOUND, NULL, "there is no user '%s'; did you mean '%s'?", login, near);
    else if (err == ERR_OK && l.id == 0)
        err =
            why_set(reterr, ERR_NOTFOUND, NULL, "there is no user '%s'; `wrata user list` shows them", login);
    *ret = l.id;
    json_decref(l.logins);
    return err;
}

enum err parse_id(const char *what, const char *text, int64_t *ret, struct why *reterr)
{
    const char *digits = text + (*text == '#');
    char *end;
    long long v;

    errno = 0;
    v = strtoll(digits, &end, 10);
    if (*digits < '0' || *digits > '9' || *end != '\0' || errno != 0 || v <= 0)
        return why_set(reterr, ERR_INVALID, what, "%s: '%s' is not a number like 12", what, text);
    *ret = v;
    return ERR_OK;
}

/* The operator is in no list; of a deleted account only the number is left to ask for. */
enum err ask_any_user_id(struct cli *cli, const char *text, int64_t *ret, struct why *reterr)
{
    if (strcmp(text, OPERATOR_LOGIN) == 0) {
        *ret = (int64_t)OPERATOR_ID;
        return ERR_OK;
    }
    return text[0] == '#' ? parse_id("user", text, ret, reterr) : ask_user_id(cli, text, ret, reterr);
}
