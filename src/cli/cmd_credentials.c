/* cmd_credentials.c - `wrata credentials`: the sealed file, opened for a person.
 *
 * The plain text lives in locked memory, and, while an editor has it open, in a private folder (private_folder.h).
 * The sealed file is only ever replaced by a whole new one, after the text was found right: whatever happens to the
 * editor or to us, the old one is there until the new one is. */
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli_private.h"
#include "cli/private_folder.h"
#include "cli/prompt.h"
#include "config/credentials.h"
#include "config/vault.h"
#include "config/whole_file.h"

#define PLAIN_NAME "credentials.yml"
#define EDITOR_WORDS_MAX 16

extern char **environ;

/* ---- saying it ---- */

static void each_line(const char *p, void (*say)(const char *line))
{
    while (*p != '\0') {
        char line[1024];
        size_t n = strcspn(p, "\n");

        (void)snprintf(line, sizeof(line), "%.*s", (int)n, p);
        say(line);
        p += n + (p[n] == '\n');
    }
}

static void say_problem(const char *line)
{
    (void)cli_fail(EXIT_USAGE, "%s", line);
}

static void say_warning(const char *line)
{
    cli_note("warning: %s", line);
}

/* Is the text right? Says what is not, and what is odd. */
static enum err check(struct slice text, struct credentials *ret, struct why *reterr)
{
    struct buf problems;
    struct buf warnings;
    enum err err;

    buf_init(&problems, CREDENTIALS_PROBLEMS_BYTES);
    buf_init(&warnings, CREDENTIALS_PROBLEMS_BYTES);
    err = credentials_parse(PLAIN_NAME, text, ret, &problems, &warnings);
    each_line(buf_str(&warnings), say_warning);
    each_line(buf_str(&problems), say_problem);
    buf_done(&problems);
    buf_done(&warnings);
    if (err != ERR_OK)
        return why_set(reterr, err, NULL, "the credentials are not right; nothing was changed");
    return ERR_OK;
}

static struct slice slice_of_secret(const struct secret *s)
{
    return (struct slice){secret_reveal(s), secret_len(s)};
}

/* ---- edit ---- */

/* $VISUAL or $EDITOR, split at blanks, and the file: no shell reads it. */
static enum err run_editor(const char *path, struct why *reterr)
{
    const char *editor = getenv("VISUAL");
    char *words[EDITOR_WORDS_MAX + 2];
    posix_spawnattr_t attr;
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction old_int;
    struct sigaction old_quit;
    sigset_t defaults;
    char *copy;
    char *save = NULL;
    int status = 0;
    int n = 0;
    pid_t pid;
    int rc;

    if (editor == NULL || editor[0] == '\0')
        editor = getenv("EDITOR");
    if (editor == NULL || editor[strspn(editor, " \t")] == '\0')
        editor = "vi";
    copy = xstrdup(editor);
    for (char *w = strtok_r(copy, " \t", &save); w != NULL && n < EDITOR_WORDS_MAX;
         w = strtok_r(NULL, " \t", &save))
        words[n++] = w;
    words[n++] = (char *)path;
    words[n] = NULL;
    /* Ctrl-C is the editor's while it runs. */
    (void)sigaction(SIGINT, &ignore, &old_int);
    (void)sigaction(SIGQUIT, &ignore, &old_quit);
    (void)sigfillset(&defaults);
    (void)posix_spawnattr_init(&attr);
    (void)posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF);
    (void)posix_spawnattr_setsigdefault(&attr, &defaults);
    rc = posix_spawnp(&pid, words[0], NULL, &attr, words, environ);
    (void)posix_spawnattr_destroy(&attr);
    while (rc == 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    (void)sigaction(SIGINT, &old_int, NULL);
    (void)sigaction(SIGQUIT, &old_quit, NULL);
    if (rc != 0)
        (void)why_errno(reterr, ERR_INVALID, rc, "the editor '%s' cannot be started; set EDITOR", words[0]);
    else if (WIFSIGNALED(status))
        rc = (int)why_set(reterr, ERR_IO, NULL,
                          "the editor was ended by signal %d; the credentials are as they were",
                          WTERMSIG(status));
    else if (WEXITSTATUS(status) != 0)
        rc = (int)why_set(reterr, ERR_INVALID, NULL,
                          "the editor ended with exit code %d; the credentials are as they were",
                          WEXITSTATUS(status));
    free(copy);
    return rc == 0 ? ERR_OK : reterr->code;
}

static enum err read_back(const char *path, struct secret **ret, struct why *reterr)
{
    struct buf text;
    enum err err;

    buf_init(&text, FLAT_BYTES_MAX + 1);
    err = whole_file_read(path, &text, NULL, reterr);
    if (err == ERR_OK)
        *ret = secret_new(text.data, text.len);
    buf_wipe(&text);
    return err;
}

static bool again(void)
{
    char answer[16] = "";

    if (isatty(STDIN_FILENO) != 1)
        return false;
    (void)fprintf(stderr, "Edit again? [Y/n] ");
    (void)fflush(stderr);
    return fgets(answer, sizeof(answer), stdin) != NULL && answer[0] != 'n' && answer[0] != 'N';
}

/* The file stays open for the editor until it is right or given up. */
static enum err edit_until_right(const char *path, struct secret **ret, struct why *reterr)
{
    for (;;) {
        struct credentials parsed = {0};
        enum err err = run_editor(path, reterr);

        if (err == ERR_OK)
            err = read_back(path, ret, reterr);
        if (err != ERR_OK)
            return err;
        err = check(slice_of_secret(*ret), &parsed, reterr);
        credentials_done(&parsed);
        if (err == ERR_OK)
            return ERR_OK;
        secret_free(*ret);
        *ret = NULL;
        if (!again())
            return err;
    }
}

static enum err first_text(const struct vault *v, struct secret **ret, struct why *reterr)
{
    struct buf out;

    if (v->has_file)
        return vault_read(v, ret, reterr);
    buf_init(&out, KIB(64));
    credentials_template(&out);
    *ret = secret_new(out.data, out.len);
    buf_done(&out);
    return ERR_OK;
}

static enum err edit(struct cli *cli, struct vault *v, struct why *reterr)
{
    struct private_folder folder;
    char path[PATH_MAX + 64];
    struct secret *before = NULL;
    struct secret *after = NULL;
    bool is_same = false;
    enum err err = private_folder_open(&folder, cli->data, reterr);

    if (err != ERR_OK)
        return err;
    (void)snprintf(path, sizeof(path), "%s/" PLAIN_NAME, folder.path);
    err = vault_open(v, cli->data, true, reterr);
    if (err == ERR_OK)
        err = first_text(v, &before, reterr);
    if (err == ERR_OK)
        err = private_folder_write(&folder, PLAIN_NAME, secret_reveal(before), secret_len(before), reterr);
    if (err == ERR_OK)
        err = edit_until_right(path, &after, reterr);
    is_same = err == ERR_OK && secret_eq(before, after);
    if (err == ERR_OK && !is_same)
        err = vault_write(v, secret_reveal(after), secret_len(after), reterr);
    secret_free(before);
    secret_free(after);
    private_folder_close(&folder);
    if (err == ERR_OK)
        cli_note(is_same ? "nothing was changed" : "the credentials are saved");
    return err;
}

/* ---- show ---- */

static void show_list(const struct credentials *c)
{
    for (int i = 0; i < N_CREDENTIALS; i++) {
        const struct secret *s = c->at[i];
        struct buf shown;

        if (s == NULL)
            continue;
        buf_init(&shown, KIB(512));
        if (credential_rows[i].is_secret)
            buf_printf(&shown, "(%zu characters)", secret_len(s));
        else
            for (const char *p = secret_reveal(s); *p != '\0'; p++)
                buf_printf(&shown, *p == '\n' ? ", " : "%c", *p);
        (void)printf("%-16s %s%s%s\n", credential_rows[i].name, buf_str(&shown),
                     c->line[i] == 0 ? "  # from " : "", c->line[i] == 0 ? credential_rows[i].env : "");
        buf_done(&shown);
    }
}

static enum err known_key(const char *key, int *ret, struct why *reterr)
{
    const char *near;

    *ret = credential_find(key);
    if (*ret >= 0)
        return ERR_OK;
    near = credential_nearest(key);
    if (near != NULL)
        return why_set(reterr, ERR_INVALID, NULL, "there is no credential '%s'; did you mean '%s'?", key,
                       near);
    return why_set(reterr, ERR_INVALID, NULL,
                   "there is no credential '%s'; `wrata credentials edit` lists them", key);
}

static enum err show(struct cli *cli, struct why *reterr)
{
    struct credentials c = {0};
    struct buf problems;
    struct buf warnings;
    int id = -1;
    enum err err = cli->n_args > 1 ? known_key(cli->args[1], &id, reterr) : ERR_OK;

    if (err != ERR_OK)
        return err;
    buf_init(&problems, CREDENTIALS_PROBLEMS_BYTES);
    buf_init(&warnings, CREDENTIALS_PROBLEMS_BYTES);
    err = credentials_load(cli->data, &c, &problems, &warnings);
    each_line(buf_str(&warnings), say_warning);
    if (err != ERR_OK)
        (void)why_set(reterr, err, NULL, "%.*s", (int)strcspn(buf_str(&problems), "\n"), buf_str(&problems));
    else if (id < 0)
        show_list(&c);
    else if (c.at[id] == NULL)
        err = why_set(reterr, ERR_NOTFOUND, NULL, "%s is not set", credential_rows[id].name);
    else
        (void)printf("%s\n", secret_reveal(c.at[id]));
    credentials_done(&c);
    buf_done(&problems);
    buf_done(&warnings);
    return err;
}

/* ---- set ---- */

static enum err read_value(const char *name, struct buf *out, struct why *reterr)
{
    return isatty(STDIN_FILENO) == 1 ? prompt_unseen(name, out, reterr) : stdin_rest(name, out, reterr);
}

struct values {
    struct buf text; /* as it came; cut up in place */
    const char *at[FLAT_VALUES_MAX];
    uint32_t n;
    bool is_list;
};

/* One value, its line end removed; or addresses, one by one. A key keeps its last line end: ssh wants it. */
static enum err cut_values(const struct credential_row *row, struct values *v, struct why *reterr)
{
    char *p = buf_reserve(&v->text, 1) != NULL ? v->text.data : NULL;
    char *save = NULL;

    if (p == NULL || memchr(p, '\0', v->text.len) != NULL)
        return why_set(reterr, ERR_INVALID, NULL, "%s: the value is too long, or holds a NUL character",
                       row->name);
    p[v->text.len] = '\0';
    v->is_list = row->kind == CREDENTIAL_EMAILS;
    if (!v->is_list) {
        size_t n = v->text.len;

        while (row->kind != CREDENTIAL_PEM && n > 0 && (p[n - 1] == '\n' || p[n - 1] == '\r'))
            p[--n] = '\0';
        v->at[v->n++] = p;
    }
    for (char *w = v->is_list ? strtok_r(p, ", \t\r\n", &save) : NULL; w != NULL && v->n < FLAT_VALUES_MAX;
         w = strtok_r(NULL, ", \t\r\n", &save))
        v->at[v->n++] = w;
    if (v->n == 0 || v->at[0][0] == '\0')
        return why_set(reterr, ERR_INVALID, NULL,
                       "%s: the value is empty; to remove it, use `wrata credentials edit`", row->name);
    return ERR_OK;
}

/* The name under which the text has it already, maybe an old one. */
static const char *name_in(struct slice text, int id)
{
    struct arena arena;
    struct flat flat;
    struct buf ignored;
    const char *name = credential_rows[id].name;

    arena_init(&arena);
    buf_init(&ignored, CREDENTIALS_PROBLEMS_BYTES);
    if (flat_read("", text, &arena, &flat, &ignored) == ERR_OK && flat_find(&flat, name) == NULL) {
        for (size_t k = 0; k < ARRAY_LEN(credential_rows[id].was); k++) {
            const char *was = credential_rows[id].was[k];

            if (was != NULL && flat_find(&flat, was) != NULL)
                name = was;
        }
    }
    flat_wipe(&flat);
    arena_done(&arena);
    buf_done(&ignored);
    return name;
}

static enum err set_in(struct vault *v, int id, const struct values *values, struct why *reterr)
{
    struct credentials parsed = {0};
    struct secret *text = NULL;
    struct buf out;
    struct buf problems;
    enum err err = first_text(v, &text, reterr);

    if (err != ERR_OK)
        return err;
    buf_init(&out, KIB(512));
    buf_init(&problems, CREDENTIALS_PROBLEMS_BYTES);
    err = flat_set(PLAIN_NAME, slice_of_secret(text), name_in(slice_of_secret(text), id), values->at,
                   values->n, values->is_list, &out, &problems);
    if (err != ERR_OK) {
        each_line(buf_str(&problems), say_problem);
        err = why_set(reterr, err, NULL, "the credentials cannot be changed like this; nothing was changed");
    }
    if (err == ERR_OK)
        err = check(buf_slice(&out), &parsed, reterr);
    if (err == ERR_OK)
        err = vault_write(v, out.data, out.len, reterr);
    credentials_done(&parsed);
    secret_free(text);
    buf_wipe(&out);
    buf_done(&problems);
    return err;
}

static enum err set(struct cli *cli, struct vault *v, struct why *reterr)
{
    struct values values = {.n = 0};
    int id;
    enum err err;

    if (cli->n_args > 2)
        return why_set(
            reterr, ERR_INVALID, NULL,
            "a secret on a command line can be read by everybody on this computer: give the value on "
            "standard input");
    if (cli->n_args < 2)
        return why_set(reterr, ERR_INVALID, NULL, "which one? wrata credentials set KEY");
    err = known_key(cli->args[1], &id, reterr);
    if (err != ERR_OK)
        return err;
    buf_init(&values.text, FLAT_BYTES_MAX);
    err = vault_open(v, cli->data, true, reterr);
    if (err == ERR_OK)
        err = read_value(credential_rows[id].name, &values.text, reterr);
    if (err == ERR_OK)
        err = cut_values(&credential_rows[id], &values, reterr);
    if (err == ERR_OK)
        err = set_in(v, id, &values, reterr);
    buf_wipe(&values.text);
    if (err == ERR_OK)
        cli_note("%s is set", credential_rows[id].name);
    return err;
}

/* ---- rotate ---- */

static enum err rotate(struct cli *cli, struct vault *v, struct why *reterr)
{
    enum err err = vault_open(v, cli->data, true, reterr);

    if (err == ERR_OK)
        err = vault_rotate(v, reterr);
    if (err == ERR_OK)
        cli_note(v->key_is_env ? "the credentials are sealed with the new key: from now on " VAULT_KEY_ENV
                                 " has to hold it"
                               : "the credentials are sealed with a new key, in %s/" VAULT_KEY_FILE,
                 cli->data);
    return err;
}

static enum err only_verb(const struct cli *cli, int args_max, struct why *reterr)
{
    if (cli->n_args <= args_max)
        return ERR_OK;
    return why_set(reterr, ERR_INVALID, NULL, "`wrata credentials %s` does not know what to do with '%s'",
                   cli->args[0], cli->args[args_max]);
}

int cmd_credentials(struct cli *cli)
{
    const char *verb = cli->n_args > 0 ? cli->args[0] : "show";
    struct vault v = {.lock_fd = -1};
    struct why why = {0};
    enum err err = ERR_OK;

    if (strcmp(verb, "set") != 0)
        err = only_verb(cli, strcmp(verb, "show") == 0 ? 2 : 1, &why);
    if (err == ERR_OK && strcmp(verb, "show") != 0)
        err = folders_make(cli->data, &why);
    if (err != ERR_OK)
        return cli_fail_why(&why);
    if (strcmp(verb, "show") == 0)
        err = show(cli, &why);
    else if (strcmp(verb, "edit") == 0)
        err = edit(cli, &v, &why);
    else if (strcmp(verb, "set") == 0)
        err = set(cli, &v, &why);
    else if (strcmp(verb, "rotate") == 0)
        err = rotate(cli, &v, &why);
    else
        err = why_set(&why, ERR_INVALID, NULL,
                      "`wrata credentials` does not know '%s'; it knows show, edit, set and rotate", verb);
    vault_close(&v);
    return err == ERR_OK ? EXIT_PASSED : cli_fail_why(&why);
}
