#include "cli/token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "config/secret.h"
#include "config/whole_file.h"
#include "net/client.h"

#define LOCK_MS 5000
#define LOCK_LOOK_MS 10

static void forget(char **text)
{
    if (*text != NULL)
        explicit_bzero(*text, strlen(*text));
    free(*text);
    *text = NULL;
}

void saved_token_done(struct saved_token *t)
{
    forget(&t->token);
    forget(&t->login);
    t->id = 0;
}

static enum err folder_path(char *out, size_t size, struct why *reterr)
{
    const char *xdg = getenv("XDG_CONFIG_HOME");
    const char *home = getenv("HOME");
    int n;

    if (xdg != NULL && xdg[0] == '/')
        n = snprintf(out, size, "%s/wrata", xdg);
    else if (home != NULL && home[0] == '/')
        n = snprintf(out, size, "%s/.config/wrata", home);
    else
        return why_set(reterr, ERR_NOTFOUND, NULL,
                       "there is no place for a token: neither XDG_CONFIG_HOME nor HOME is set");
    if (n >= (int)size - 32)
        return why_set(reterr, ERR_INVALID, NULL, "the path of the folder for tokens is too long");
    return ERR_OK;
}

/* ---- the whole file ---- */

/* *ret is a new object, empty when there is no file. */
static enum err load(const char *path, json_t **ret, struct why *reterr)
{
    struct buf text;
    struct stat st;
    json_error_t bad;
    enum err err;

    *ret = NULL;
    buf_init(&text, TOKEN_FILE_BYTES_MAX);
    err = whole_file_read(path, &text, &st, reterr);
    if (err == ERR_NOTFOUND) {
        *ret = json_object();
        err = ERR_OK;
    } else if (err == ERR_OK && (st.st_mode & 077) != 0) {
        err =
            why_set(reterr, ERR_DENIED, NULL,
                    "%s holds tokens and can be read by others, so it is not used: chmod 600 %s", path, path);
    } else if (err == ERR_OK) {
        *ret = json_loadb(buf_str(&text), text.len, JSON_REJECT_DUPLICATES, &bad);
        if (!json_is_object(*ret)) {
            json_decref(*ret);
            *ret = NULL;
            err = why_set(reterr, ERR_INVALID, NULL,
                          "%s is damaged (line %d is no JSON object); remove it and sign in again", path,
                          bad.line > 0 ? bad.line : 1);
        }
    }
    buf_wipe(&text);
    return err;
}

static enum err store(const char *path, const json_t *all, struct why *reterr)
{
    char *text = json_dumps(all, JSON_INDENT(2) | JSON_SORT_KEYS);
    size_t n = text != NULL ? strlen(text) : 0;
    enum err err;

    if (text == NULL || n >= TOKEN_FILE_BYTES_MAX)
        err = why_set(reterr, ERR_LIMIT, NULL, "%s would have more than %u bytes; `wrata logout` makes room",
                      path, (unsigned)TOKEN_FILE_BYTES_MAX);
    else
        err = whole_file_write(path, text, n, reterr);
    forget(&text);
    return err;
}

/* Two logins at a time keep both tokens. Returns the descriptor that holds the lock, or -1. */
static int lock(const char *folder, struct why *reterr)
{
    const struct mono end = mono_add_ms(mono_now(), LOCK_MS);
    const struct timespec nap = {0, LOCK_LOOK_MS * 1000000L};
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        (void)why_errno(reterr, ERR_IO, errno, "%s cannot be opened", folder);
        return -1;
    }
    while (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if ((errno != EWOULDBLOCK && errno != EINTR) || !mono_before(mono_now(), end)) {
            (void)why_errno(reterr, ERR_BUSY, errno, "%s is being changed by somebody else", folder);
            (void)close(fd);
            return -1;
        }
        (void)nanosleep(&nap, NULL);
    }
    return fd;
}

/* ---- one server ---- */

static enum err url_key(const char *url, struct buf *key, struct why *reterr)
{
    buf_init(key, KIB(64));
    return client_url_normal(url, key, reterr);
}

enum err token_file_get(const char *url, struct saved_token *ret, struct why *reterr)
{
    char folder[PATH_MAX];
    char path[PATH_MAX + 16];
    json_t *all = NULL;
    const json_t *entry;
    const char *token;
    const char *login;
    struct buf key;
    enum err err = url_key(url, &key, reterr);

    *ret = (struct saved_token){0};
    if (err == ERR_OK)
        err = folder_path(folder, sizeof(folder), reterr);
    if (err == ERR_OK) {
        (void)snprintf(path, sizeof(path), "%s/tokens.json", folder);
        err = load(path, &all, reterr);
    }
    if (err == ERR_OK) {
        entry = json_object_get(all, buf_str(&key));
        token = json_string_value(json_object_get(entry, "token"));
        login = json_string_value(json_object_get(entry, "login"));
        if (token == NULL || token[0] == '\0') {
            err = why_set(reterr, ERR_NOTFOUND, NULL, "no token is kept for %s", buf_str(&key));
        } else {
            ret->token = xstrdup(token);
            ret->login = xstrdup(login != NULL ? login : "");
            ret->id = (int64_t)json_integer_value(json_object_get(entry, "id"));
        }
    }
    json_decref(all);
    buf_done(&key);
    return err;
}

/* Put `entry` (owned; NULL: remove) at the place of `url`. */
static enum err change(const char *url, json_t *entry, struct why *reterr)
{
    char folder[PATH_MAX];
    char path[PATH_MAX + 16];
    json_t *all = NULL;
    struct buf key;
    int fd = -1;
    enum err err = url_key(url, &key, reterr);

    if (err == ERR_OK)
        err = folder_path(folder, sizeof(folder), reterr);
    if (err == ERR_OK) {
        (void)snprintf(path, sizeof(path), "%s/tokens.json", folder);
        if (entry == NULL && access(path, F_OK) != 0)
            err = why_set(reterr, ERR_NOTFOUND, NULL, "no token is kept for %s", buf_str(&key));
    }
    if (err == ERR_OK)
        err = folders_make(folder, reterr);
    if (err == ERR_OK && (fd = lock(folder, reterr)) < 0)
        err = ERR_BUSY;
    if (err == ERR_OK)
        err = load(path, &all, reterr);
    if (err == ERR_OK && entry != NULL)
        (void)json_object_set(all, buf_str(&key), entry);
    else if (err == ERR_OK && json_object_del(all, buf_str(&key)) != 0)
        err = why_set(reterr, ERR_NOTFOUND, NULL, "no token is kept for %s", buf_str(&key));
    if (err == ERR_OK)
        err = store(path, all, reterr);
    if (fd >= 0)
        (void)close(fd);
    json_decref(all);
    json_decref(entry);
    buf_done(&key);
    return err;
}

enum err token_file_put(const char *url, const struct saved_token *t, struct why *reterr)
{
    json_t *entry = json_object();

    (void)json_object_set_new(entry, "token", json_string(t->token));
    (void)json_object_set_new(entry, "login", json_string(t->login));
    (void)json_object_set_new(entry, "id", json_integer(t->id));
    return change(url, entry, reterr);
}

enum err token_file_forget(const char *url, struct why *reterr)
{
    return change(url, NULL, reterr);
}
