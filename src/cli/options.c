/* options.c - reading a command line by the rows of the tables in commands.c.
 *
 * getopt_long does the splitting; the words of the errors are ours: they name the option, show the value and say
 * what would be right. */
#include "cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/nearest.h"

#define FIRST_VAL 256 /* getopt's value of row i; above any letter */

static const struct {
    const char *name;
    int64_t ms;
} units[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000},
};

#define DURATION_MS_MAX (INT64_C(30) * 24 * 60 * 60 * 1000)

enum err duration_parse(const char *text, int64_t *ret_ms, struct why *reterr)
{
    const char *p = text;
    int64_t sum = 0;

    if (strcmp(text, "0") == 0) {
        *ret_ms = 0;
        return ERR_OK;
    }
    while (*p != '\0') {
        size_t unit = 0;
        size_t letters;
        int64_t v = 0;
        int digits = 0;

        for (; isdigit((unsigned char)*p) && digits < 12; p++, digits++)
            v = v * 10 + (*p - '0');
        letters = strspn(p, "abcdefghijklmnopqrstuvwxyz");
        while (unit < ARRAY_LEN(units) &&
               (strlen(units[unit].name) != letters || strncmp(p, units[unit].name, letters) != 0))
            unit++;
        if (digits == 0 || unit == ARRAY_LEN(units)) {
            p = text; /* also "10": is that seconds or minutes? */
            break;
        }
        sum = v > DURATION_MS_MAX / units[unit].ms ? DURATION_MS_MAX + 1 : sum + v * units[unit].ms;
        if (sum > DURATION_MS_MAX)
            return why_set(reterr, ERR_INVALID, NULL, "'%s' is longer than 30 days", text);
        p += letters;
    }
    if (p == text || *p != '\0')
        return why_set(reterr, ERR_INVALID, NULL,
                       "'%s' is not a duration; write a number and a unit (ms, s, m, h, d): 90s, 10m, 1h30m",
                       text);
    *ret_ms = sum;
    return ERR_OK;
}

/* ---- values ---- */

static void *field_of(struct cli_opts *o, const struct option_row *row)
{
    return (char *)o + row->offset;
}

static bool choice_has(const char *choices, const char *value)
{
    size_t n = strlen(value);

    for (const char *p = choices; p != NULL && *p != '\0';) {
        size_t len = strcspn(p, "|");

        if (len == n && strncmp(p, value, n) == 0)
            return true;
        p += len + (p[len] == '|');
    }
    return false;
}

static enum err number_parse(const struct option_row *row, const char *text, int64_t *ret, struct why *reterr)
{
    char *end;
    long long v;

    errno = 0;
    v = strtoll(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || v < row->min || v > row->max)
        return why_set(reterr, ERR_INVALID, NULL, "'%s' is not a number from %lld to %lld", text,
                       (long long)row->min, (long long)row->max);
    *ret = v;
    return ERR_OK;
}

static enum err value_set(struct cli_opts *o, const struct option_row *row, const char *text,
                          struct why *reterr)
{
    struct text_list *list;
    struct why why = {0};
    enum err err = ERR_OK;

    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)field_of(o, row) = true;
        break;
    case OPTION_CHOICE:
        if (!choice_has(row->arg, text))
            err = why_set(&why, ERR_INVALID, NULL, "'%s' is none of %s", text, row->arg);
        *(const char **)field_of(o, row) = text;
        break;
    case OPTION_TEXT:
    case OPTION_SETTING:
        *(const char **)field_of(o, row) = text;
        break;
    case OPTION_SWITCH:
        *(const char **)field_of(o, row) = "true";
        break;
    case OPTION_LIST:
        list = field_of(o, row);
        list->items = xrealloc(list->items, (list->n + 1) * sizeof(*list->items));
        list->items[list->n++] = text;
        break;
    case OPTION_NUMBER:
        err = number_parse(row, text, field_of(o, row), &why);
        break;
    case OPTION_DURATION:
        err = duration_parse(text, field_of(o, row), &why);
        break;
    }
    if (err != ERR_OK)
        (void)why_set(reterr, err, row->name, "--%s: %s", row->name, why.text);
    return err;
}

enum err options_defaults(struct cli_opts *o, const struct option_row *rows, size_t n, struct why *reterr)
{
    for (size_t i = 0; i < n; i++) {
        const char *value = rows[i].value;
        const char *env = rows[i].env != NULL ? getenv(rows[i].env) : NULL;
        enum err err;

        if (rows[i].kind == OPTION_SETTING || rows[i].kind == OPTION_SWITCH)
            continue; /* config_load() knows them */
        if (rows[i].kind == OPTION_NUMBER || rows[i].kind == OPTION_DURATION)
            *(int64_t *)field_of(o, &rows[i]) = -1;
        if (env != NULL && env[0] != '\0')
            value = env;
        if (value == NULL)
            continue;
        err = value_set(o, &rows[i], value, reterr);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

void options_done(struct cli_opts *o)
{
    struct text_list *const lists[] = {&o->env,           &o->languages, &o->browsers, &o->list_languages,
                                       &o->list_browsers, &o->artifacts, &o->options,  &o->kinds};

    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        free(lists[i]->items);
        *lists[i] = (struct text_list){0};
    }
}

/* ---- getopt ---- */

struct all_rows {
    const struct option_row *rows[OPTION_ROWS_MAX];
    size_t n;
    struct option longs[OPTION_ROWS_MAX + 1];
    char shorts[OPTION_ROWS_MAX * 2 + 3];
};

static void rows_add(struct all_rows *all, const struct option_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct option_row *row = &rows[i];
        bool is_alone = row->kind == OPTION_FLAG || row->kind == OPTION_SWITCH;
        int has_arg = is_alone ? no_argument : required_argument;
        size_t len = strlen(all->shorts);

        CHECK(all->n < OPTION_ROWS_MAX);
        all->longs[all->n] = (struct option){row->name, has_arg, NULL, FIRST_VAL + (int)all->n};
        all->rows[all->n++] = row;
        if (row->letter != '\0') {
            all->shorts[len++] = row->letter;
            if (has_arg == required_argument)
                all->shorts[len++] = ':';
            all->shorts[len] = '\0';
        }
    }
}

static const struct option_row *row_of(const struct all_rows *all, int val)
{
    if (val >= FIRST_VAL && (size_t)(val - FIRST_VAL) < all->n)
        return all->rows[val - FIRST_VAL];
    for (size_t i = 0; i < all->n; i++) {
        if (val != 0 && all->rows[i]->letter == val)
            return all->rows[i];
    }
    return NULL;
}

static const char *row_name(const void *ctx, size_t i)
{
    const struct all_rows *all = ctx;

    return i < all->n ? all->rows[i]->name : NULL;
}

static enum err refuse(const struct all_rows *all, const struct command *cmd, int c, const char *word,
                       struct why *reterr)
{
    const struct option_row *row = row_of(all, optopt);
    const char *of = cmd != NULL ? cmd->name : "help";
    char name[64];
    const char *near;

    if (c == ':' && row != NULL)
        return why_set(reterr, ERR_INVALID, row->name, "--%s needs a value: --%s %s", row->name, row->name,
                       row->arg);
    if (row != NULL)
        return why_set(reterr, ERR_INVALID, row->name, "--%s takes no value", row->name);
    if (optopt != 0)
        return why_set(reterr, ERR_INVALID, NULL, "there is no option -%c; `wrata help %s` lists them",
                       isprint(optopt) ? optopt : '?', of);
    (void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
    near = nearest_name(name, row_name, all);
    if (near != NULL)
        return why_set(reterr, ERR_INVALID, NULL, "there is no option --%s; did you mean --%s?", name, near);
    return why_set(reterr, ERR_INVALID, NULL, "there is no option --%s; `wrata help %s` lists them", name,
                   of);
}

enum err options_parse(struct cli_opts *o, const struct command *cmd, int argc, char **argv, int *ret_first,
                       struct why *reterr)
{
    struct all_rows all = {0};
    enum err err = ERR_OK;
    int c;

    /* "+": stop at the first word that is no option, the command; ":": tell a missing value apart */
    (void)snprintf(all.shorts, sizeof(all.shorts), "%s", cmd == NULL ? "+:" : ":");
    if (cmd != NULL)
        rows_add(&all, cmd->options, cmd->n_options);
    rows_add(&all, global_options, n_global_options);
    optind = 0; /* glibc: start over, whatever was parsed before */
    opterr = 0;
    optopt = 0;
    while (err == ERR_OK && (c = getopt_long(argc, argv, all.shorts, all.longs, NULL)) != -1) {
        const struct option_row *row = row_of(&all, c);

        if (row == NULL)
            err = refuse(&all, cmd, c, argv[optind > 0 ? optind - 1 : 0], reterr);
        else
            err = value_set(o, row, optarg, reterr);
        optopt = 0;
    }
    *ret_first = optind;
    return err;
}
