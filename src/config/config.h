/* config.h - the server's settings: DATA/config.yml, the environment over it, flags over both.
 *
 * settings.def is the only list of them. Loading never stops at the first problem: all are collected, each a line
 * that names where it is, the value, and what would be right. */
#ifndef WRATA_CONFIG_CONFIG_H
#define WRATA_CONFIG_CONFIG_H

#include <limits.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/mem.h"

#define CONFIG_FILE "config.yml"
#define CONFIG_PROBLEMS_BYTES MIB(4) /* two hundred keys, each with the path of the file */

#define SETTING_TYPE_TEXT const char *
#define SETTING_TYPE_PATH const char *
#define SETTING_TYPE_ADDRESS const char *
#define SETTING_TYPE_CHOICE int /* index of the choice */
#define SETTING_TYPE_BOOL bool
#define SETTING_TYPE_NUMBER int64_t

struct settings {
#define SETTING(name, kind, ...) SETTING_TYPE_##kind name;
#include "config/settings.def"
#undef SETTING
};

enum setting_id {
#define SETTING(name, ...) SETTING_##name,
#include "config/settings.def"
#undef SETTING
    N_SETTINGS
};

enum setting_kind {
    SETTING_TEXT,
    SETTING_PATH,
    SETTING_ADDRESS,
    SETTING_CHOICE,
    SETTING_BOOL,
    SETTING_NUMBER
};
enum setting_reload { RELOAD_NOW, RELOAD_RESTART };
enum setting_origin { ORIGIN_DEFAULT, ORIGIN_FILE, ORIGIN_ENV, ORIGIN_FLAG };

struct setting_row {
    const char *name;
    enum setting_kind kind;
    size_t offset;      /* in struct settings */
    const char *preset; /* as in the file */
    const char *unit;
    int64_t min, max;
    const char *arg; /* how help names the value; of a choice: what there is to choose */
    const char *env;
    const char *flag; /* without the dashes */
    enum setting_reload reload;
    const char *help;
};
extern const struct setting_row setting_rows[N_SETTINGS];

struct config {
    struct settings set;
    struct {
        enum setting_origin from;
        int line; /* in the file */
    } at[N_SETTINGS];
    char file[PATH_MAX]; /* the one that was read, or would be */
    bool has_file;
    struct arena memory; /* of the texts */
};

struct config_sources {
    const char *data;         /* the data folder; its config.yml is read when no file is named */
    const char *file;         /* this one, which must exist; NULL: none named */
    const char *const *flags; /* N_SETTINGS texts, NULL: not given; NULL: none at all */
    bool no_env;
};

/* Fill *ret. ERR_INVALID: `problems` says what is wrong, and *ret holds the rest. config_done() in any case. */
MUST_USE enum err config_load(const struct config_sources *sources, struct config *ret, struct buf *problems);
void config_done(struct config *c);

/* Pure: defaults and this text of a file. As config_load. */
MUST_USE enum err config_parse(const char *file, struct slice text, struct config *ret, struct buf *problems);

/* A value as the file would hold it, into out (size bytes); returns out. */
char *config_text(const struct config *c, enum setting_id id, char *out, size_t size);
bool config_is_equal(const struct config *a, const struct config *b, enum setting_id id);

/* Copy what may change while the server runs from `from` to `to`. (None of these is a text: no memory moves.) */
void config_take_reloadable(struct config *to, const struct config *from);

/* docs/configuration.md. */
void config_markdown(struct buf *out);

#endif
