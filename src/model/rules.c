#include "model/rules.h"

#include <stdbool.h>
#include <string.h>

#define SHOWN_BYTES 80 /* so much of a wrong value is shown */

/* Length of the UTF-8 sequence at s; 0: not valid (also overlong forms, surrogates, above U+10FFFF). */
static size_t utf8_len(const unsigned char *s)
{
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xc2 && s[0] <= 0xdf)
        return (s[1] & 0xc0) == 0x80 ? 2 : 0;
    if ((s[0] & 0xf0) == 0xe0) {
        if ((s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80)
            return 0;
        if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f))
            return 0;
        return 3;
    }
    if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        if ((s[1] & 0xc0) != 0x80 || (s[2] & 0xc0) != 0x80 || (s[3] & 0xc0) != 0x80)
            return 0;
        if ((s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
            return 0;
        return 4;
    }
    return 0;
}

/* The value as it may be shown: cut, and whatever is not plain ASCII as '?'. */
static const char *shown(const char *value, char out[SHOWN_BYTES])
{
    size_t i;

    for (i = 0; value[i] != '\0' && i < SHOWN_BYTES - 1; i++)
        out[i] = value[i] < 0x20 || value[i] > 0x7e ? '?' : value[i];
    out[i] = '\0';
    return out;
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Any bytes a script may get as an argument, but for a length. */
static enum err length_check(const char *field, const char *value, size_t max_bytes, struct why *reterr)
{
    char s[SHOWN_BYTES];

    if (strlen(value) > max_bytes)
        return why_set(reterr, ERR_INVALID, field, "%s is %zu bytes long, at most %zu are allowed: \"%s...\"",
                       field, strlen(value), max_bytes, shown(value, s));
    return ERR_OK;
}

static bool is_control(const unsigned char *p)
{
    return *p < 0x20 || *p == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0);
}

/* Valid UTF-8 of at most max_bytes; without control characters unless they make sense in it. */
static enum err utf8_check(const char *field, const char *value, uint32_t max_bytes, bool may_have_controls,
                           struct why *reterr)
{
    const unsigned char *p;
    char s[SHOWN_BYTES];
    size_t n;
    enum err err = length_check(field, value, max_bytes, reterr);

    if (err != ERR_OK)
        return err;
    for (p = (const unsigned char *)value; *p != 0; p += n) {
        n = utf8_len(p);
        if (n == 0)
            return why_set(reterr, ERR_INVALID, field, "%s is not valid UTF-8: \"%s\"", field,
                           shown(value, s));
        if (!may_have_controls && is_control(p))
            return why_set(reterr, ERR_INVALID, field, "%s holds a control character: \"%s\"", field,
                           shown(value, s));
    }
    return ERR_OK;
}

enum err text_check(const char *field, const char *value, uint32_t max_bytes, struct why *reterr)
{
    return utf8_check(field, value, max_bytes, false, reterr);
}

enum err name_check(const char *field, const char *value, struct why *reterr)
{
    char s[SHOWN_BYTES];
    size_t n = strlen(value);
    size_t i;
    bool ok = n >= 1 && n <= 63 && is_alnum(value[0]);

    for (i = 1; ok && i < n; i++)
        ok = is_alnum(value[i]) || strchr("._-", value[i]) != NULL;
    if (!ok)
        return why_set(reterr, ERR_INVALID, field,
                       "%s \"%s\" is not a name: 1 to 63 letters, digits, '.', '_' or '-', "
                       "beginning with a letter or digit",
                       field, shown(value, s));
    return ERR_OK;
}

enum err path_check(const char *field, const char *value, struct why *reterr)
{
    const char *part = value;
    const char *end;
    char s[SHOWN_BYTES];
    enum err err = text_check(field, value, PATH_BYTES_MAX, reterr);

    if (err != ERR_OK)
        return err;
    if (value[0] == '\0')
        return why_set(reterr, ERR_INVALID, field, "%s is empty: name a file of the project", field);
    if (value[0] == '/')
        return why_set(reterr, ERR_INVALID, field, "%s \"%s\" is absolute: name a file inside the project",
                       field, shown(value, s));
    for (; part != NULL; part = end == NULL ? NULL : end + 1) {
        end = strchr(part, '/');
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
            return why_set(reterr, ERR_INVALID, field, "%s \"%s\" leaves the project by \"..\"", field,
                           shown(value, s));
    }
    return ERR_OK;
}

/* What goes into the argument vector of ssh may not look like an option. */
static enum err word_check(const char *field, const char *value, uint32_t max_bytes, struct why *reterr)
{
    char s[SHOWN_BYTES];
    enum err err = text_check(field, value, max_bytes, reterr);

    if (err != ERR_OK)
        return err;
    if (value[0] == '-' || strchr(value, ' ') != NULL)
        return why_set(reterr, ERR_INVALID, field, "%s \"%s\" may not begin with '-' nor hold a space", field,
                       shown(value, s));
    return ERR_OK;
}

static enum err server_ssh_check(const struct server_row *s, struct why *reterr)
{
    enum err err;

    if (s->address[0] == '\0')
        return why_set(reterr, ERR_INVALID, "address",
                       "address is empty: an ssh server needs a host name, an address or an alias of "
                       "~/.ssh/config");
    err = word_check("address", s->address, 255, reterr);
    if (err == ERR_OK)
        err = word_check("user", s->user, NAME_BYTES_MAX, reterr);
    if (err == ERR_OK)
        err = text_check("identity", s->identity, PATH_BYTES_MAX, reterr);
    if (err == ERR_OK && s->identity[0] == '-')
        err = why_set(reterr, ERR_INVALID, "identity", "identity may not begin with '-': name a key file");
    if (err == ERR_OK && s->port > 65535)
        err = why_set(reterr, ERR_INVALID, "port", "port %u is not one of 1..65535", s->port);
    return err;
}

enum err server_row_check(const struct server_row *s, struct why *reterr)
{
    enum err err = name_check("name", s->name, reterr);

    if (err != ERR_OK)
        return err;
    if ((unsigned)s->fleet >= FLEET_COUNT)
        return why_set(reterr, ERR_INVALID, "fleet", "fleet kind %u is not known", (unsigned)s->fleet);
    if (s->slots < 1 || s->slots > SERVER_SLOTS_MAX)
        return why_set(reterr, ERR_INVALID, "slots", "slots %u is not one of 1..%u", s->slots,
                       SERVER_SLOTS_MAX);
    if (s->fleet == FLEET_SSH)
        return server_ssh_check(s, reterr);
    if (s->address != NULL && s->address[0] != '\0')
        return why_set(reterr, ERR_INVALID, "address", "a %s server has no address%s",
                       s->fleet == FLEET_LOCAL ? "local" : "new",
                       s->fleet == FLEET_LOCAL ? "" : ": it gets one when its machine is made");
    if (fleet_kind_makes_machines(s->fleet))
        return idle_ms_check(s->idle_ms, true, reterr);
    return ERR_OK;
}

enum err address_check(const char *address, struct why *reterr)
{
    return word_check("address", address, 255, reterr);
}

enum err idle_ms_check(int64_t ms, bool of_server, struct why *reterr)
{
    if (ms == 0 || (of_server && ms == IDLE_AS_FLEET) || (ms >= IDLE_MS_MIN && ms <= IDLE_MS_MAX))
        return ERR_OK;
    return why_set(reterr, ERR_INVALID, "idle_ms", "idle_ms %lld is not 0 (never)%s nor one of %d..%lld",
                   (long long)ms, of_server ? ", -1 (as its fleet says)" : "", IDLE_MS_MIN,
                   (long long)IDLE_MS_MAX);
}

enum err fleet_row_check(const struct fleet_row *f, struct why *reterr)
{
    enum err err = name_check("name", f->name, reterr);

    if (err == ERR_OK && (unsigned)f->kind >= FLEET_COUNT)
        err = why_set(reterr, ERR_INVALID, "kind", "kind %u is not known", (unsigned)f->kind);
    if (err == ERR_OK)
        err = utf8_check("options", f->options, FLEET_OPTIONS_BYTES_MAX, true, reterr);
    if (err == ERR_OK)
        err = idle_ms_check(f->idle_ms, false, reterr);
    if (err == ERR_OK && f->machines_max > SERVERS_MAX)
        err = why_set(reterr, ERR_INVALID, "machines_max", "machines_max %u is not one of 0 (no matter)..%u",
                      f->machines_max, SERVERS_MAX);
    if (err == ERR_OK && (f->day_microusd_max < 0 || f->day_microusd_max > DAY_MICROUSD_MAX))
        err = why_set(reterr, ERR_INVALID, "day_usd_max",
                      "day_usd_max %lld.%06lld is not one of 0 (no matter)..%lld",
                      (long long)(f->day_microusd_max / 1000000), (long long)(f->day_microusd_max % 1000000),
                      (long long)(DAY_MICROUSD_MAX / 1000000));
    if (err == ERR_OK && (f->hour_microusd < 0 || f->hour_microusd > PRICE_HOUR_MICROUSD_MAX))
        err = why_set(reterr, ERR_INVALID, "usd_per_hour",
                      "usd_per_hour %lld.%06lld is not one of 0 (nothing)..%lld",
                      (long long)(f->hour_microusd / 1000000), (long long)(f->hour_microusd % 1000000),
                      (long long)(PRICE_HOUR_MICROUSD_MAX / 1000000));
    return err;
}

static enum err env_line_check(const char *line, struct why *reterr)
{
    const char *eq = strchr(line, '=');
    char s[SHOWN_BYTES];
    const char *p;
    enum err err = length_check("env", line, ENV_LINE_BYTES_MAX, reterr);

    if (err != ERR_OK)
        return err;
    if (eq == NULL || eq == line)
        return why_set(reterr, ERR_INVALID, "env", "env line \"%s\" is not NAME=value", shown(line, s));
    for (p = line; p < eq; p++) {
        if ((!is_alnum(*p) && *p != '_') || (p == line && *p >= '0' && *p <= '9'))
            return why_set(reterr, ERR_INVALID, "env",
                           "env line \"%s\": a name is letters, digits and '_', not beginning with a digit",
                           shown(line, s));
    }
    if (strncmp(line, "WRATA_", 6) == 0)
        return why_set(reterr, ERR_INVALID, "env", "env line \"%s\": names beginning with WRATA_ are wrata's",
                       shown(line, s));
    return ERR_OK;
}

/* What stands behind the '=' is sealed, and none of a message's business even so. */
static enum err secret_line_check(const char *line, struct why *reterr)
{
    const char *eq = strchr(line, '=');
    char name[NAME_BYTES_MAX + 1];
    const char *p;

    if (eq == NULL || eq == line || eq[1] == '\0' || eq - line >= (ptrdiff_t)sizeof(name))
        return why_set(reterr, ERR_INVALID, "secrets", "a secret is not NAME=sealed text");
    for (p = line; p < eq; p++) {
        name[p - line] = *p;
        if ((!is_alnum(*p) && *p != '_') || (p == line && *p >= '0' && *p <= '9'))
            return why_set(reterr, ERR_INVALID, "secrets",
                           "the name of a secret is not letters, digits and '_', beginning with a letter");
    }
    name[eq - line] = '\0';
    if (strncmp(line, "WRATA_", 6) == 0)
        return why_set(reterr, ERR_INVALID, "secrets", "secret %s: names beginning with WRATA_ are wrata's",
                       name);
    return ERR_OK;
}

static enum err secrets_check(const struct launch_row *l, struct why *reterr)
{
    size_t bytes = 0;
    enum err err = ERR_OK;

    if (l->n_secrets > LAUNCH_SECRETS_MAX)
        return why_set(reterr, ERR_LIMIT, "secrets", "%u secrets, at most %u are allowed", l->n_secrets,
                       LAUNCH_SECRETS_MAX);
    for (uint32_t i = 0; err == ERR_OK && i < l->n_secrets; i++) {
        err = secret_line_check(l->secrets[i], reterr);
        bytes += strlen(l->secrets[i]);
    }
    if (err == ERR_OK && bytes > LAUNCH_SECRETS_BYTES_MAX)
        return why_set(
            reterr, ERR_LIMIT, "secrets",
            "the secrets of this user have %zu bytes together when they are sealed, at most %u are "
            "allowed",
            bytes, LAUNCH_SECRETS_BYTES_MAX);
    return err;
}

/* What the lines mean is checked by whoever makes them (wire/agent_setup.c) and again by the agent. */
static enum err setup_check(const struct launch_row *l, struct why *reterr)
{
    size_t bytes = 0;

    if (l->n_setup > LAUNCH_SETUP_MAX)
        return why_set(reterr, ERR_LIMIT, "setup", "%u lines of setup, at most %u are allowed", l->n_setup,
                       LAUNCH_SETUP_MAX);
    for (uint32_t i = 0; i < l->n_setup; i++) {
        if (strchr(l->setup[i], '=') == NULL || l->setup[i][0] == '=')
            return why_set(reterr, ERR_INVALID, "setup", "a line of setup is not KEY=value");
        bytes += strlen(l->setup[i]);
    }
    if (bytes > LAUNCH_SETUP_BYTES_MAX)
        return why_set(reterr, ERR_LIMIT, "setup",
                       "how a machine is made ready takes %zu bytes to say, at most %zu are allowed", bytes,
                       (size_t)LAUNCH_SETUP_BYTES_MAX);
    return ERR_OK;
}

static enum err limit_check(const char *field, int64_t ms, struct why *reterr)
{
    if (ms < 0 || ms > LIMIT_MS_MAX)
        return why_set(reterr, ERR_INVALID, field, "%s %lld is not one of 0 (none) .. %lld", field,
                       (long long)ms, (long long)LIMIT_MS_MAX);
    return ERR_OK;
}

static enum err launch_numbers_check(const struct launch_row *l, struct why *reterr)
{
    enum err err;

    if ((unsigned)l->order >= ORDER_COUNT)
        return why_set(reterr, ERR_INVALID, "order", "order %u is not known: as-given or finish-soonest",
                       (unsigned)l->order);
    if (l->retries > LAUNCH_RETRIES_MAX)
        return why_set(reterr, ERR_INVALID, "retries", "retries %u is not one of 0..%u", l->retries,
                       LAUNCH_RETRIES_MAX);
    if (l->lease_ms < LEASE_MS_MIN || l->lease_ms > LEASE_MS_MAX)
        return why_set(reterr, ERR_INVALID, "lease_ms", "lease_ms %u is not one of %u..%u", l->lease_ms,
                       LEASE_MS_MIN, LEASE_MS_MAX);
    if (l->slots > SERVER_SLOTS_MAX)
        return why_set(reterr, ERR_INVALID, "slots", "slots %u is not one of 0 (not said) .. %u", l->slots,
                       SERVER_SLOTS_MAX);
    if (l->slots > 0 && l->project.v == 0)
        return why_set(reterr, ERR_INVALID, "slots", "slots are those of a project, and there is none");
    if (l->n_env > LAUNCH_ENV_MAX)
        return why_set(reterr, ERR_LIMIT, "env", "%u env lines, at most %u are allowed", l->n_env,
                       LAUNCH_ENV_MAX);
    if (l->n_servers > LAUNCH_SERVERS_MAX)
        return why_set(reterr, ERR_LIMIT, "servers", "%u servers, at most %u are allowed", l->n_servers,
                       LAUNCH_SERVERS_MAX);
    err = limit_check("time_limit_ms", l->time_limit_ms, reterr);
    if (err == ERR_OK)
        err = limit_check("silence_limit_ms", l->silence_limit_ms, reterr);
    return err;
}

enum err launch_row_check(const struct launch_row *l, struct why *reterr)
{
    size_t env_bytes = 0;
    uint32_t i;
    enum err err = text_check("name", l->name, NAME_BYTES_MAX, reterr);

    if (err == ERR_OK)
        err = text_check("ref", l->ref, 1024, reterr);
    if (err == ERR_OK)
        err = text_check("commit", l->commit, 64, reterr);
    if (err == ERR_OK)
        err = text_check("project_name", l->project_name, URL_BYTES_MAX, reterr);
    if (err == ERR_OK)
        err = launch_numbers_check(l, reterr);
    for (i = 0; err == ERR_OK && i < l->n_env; i++) {
        err = env_line_check(l->env[i], reterr);
        env_bytes += strlen(l->env[i]);
    }
    if (err == ERR_OK && env_bytes > LAUNCH_ENV_BYTES_MAX)
        return why_set(reterr, ERR_LIMIT, "env",
                       "the env lines have %zu bytes together, at most %u are allowed", env_bytes,
                       LAUNCH_ENV_BYTES_MAX);
    if (err == ERR_OK)
        err = secrets_check(l, reterr);
    if (err == ERR_OK)
        err = setup_check(l, reterr);
    return err;
}

enum err report_glob_check(const char *glob, struct why *reterr)
{
    const char *p = glob;
    enum err err = text_check("reports", glob, REPORT_GLOB_BYTES_MAX, reterr);

    if (err != ERR_OK)
        return err;
    if (glob[0] == '\0')
        return why_set(reterr, ERR_INVALID, "reports",
                       "reports has an empty entry: give a path or a glob of report files");
    if (glob[0] == '/')
        return why_set(reterr, ERR_INVALID, "reports",
                       "reports: %.100s is an absolute path: name files of the work tree", glob);
    while (p != NULL) {
        size_t n = strcspn(p, "/");

        if (n == 2 && p[0] == '.' && p[1] == '.')
            return why_set(reterr, ERR_INVALID, "reports", "reports: %.100s leaves the work tree by \"..\"",
                           glob);
        p = p[n] == '/' ? p + n + 1 : NULL;
    }
    return ERR_OK;
}

enum err test_row_check(const struct test_row *t, struct why *reterr)
{
    uint32_t i;
    /* git and Linux allow every byte but NUL in a file's name; a line's end in it is odd, and shown escaped. */
    enum err err = utf8_check("path", t->path, PATH_BYTES_MAX, true, reterr);

    if (err != ERR_OK)
        return err;
    if (t->path[0] == '\0')
        return why_set(reterr, ERR_INVALID, "path", "path is empty: name a file");
    if ((unsigned)t->adapter >= ADAPTER_COUNT)
        return why_set(reterr, ERR_INVALID, "adapter",
                       "adapter %u is not known: exit, rspec, tap, junit or pytest", (unsigned)t->adapter);
    if (t->n_argv < 1 || t->n_argv > TEST_ARGV_MAX)
        return why_set(reterr, ERR_INVALID, "argv", "%u words of a command, 1..%u are allowed", t->n_argv,
                       TEST_ARGV_MAX);
    for (i = 0; err == ERR_OK && i < t->n_argv; i++)
        err = length_check("argv", t->argv[i], ARG_BYTES_MAX, reterr);
    if (err == ERR_OK && t->n_reports > TEST_REPORTS_MAX)
        return why_set(reterr, ERR_INVALID, "reports", "%u globs of report files, at most %u are allowed",
                       t->n_reports, TEST_REPORTS_MAX);
    if (err == ERR_OK && t->adapter == ADAPTER_JUNIT && t->n_reports == 0)
        return why_set(reterr, ERR_INVALID, "reports",
                       "reports is empty: junit needs to know which files the results are in");
    for (i = 0; err == ERR_OK && i < t->n_reports; i++)
        err = report_glob_check(t->reports[i], reterr);
    if (err == ERR_OK)
        err = limit_check("predicted_ms", t->predicted_ms, reterr);
    if (err == ERR_OK && t->limits.time_limit_ms != -1)
        err = limit_check("time_limit_ms", t->limits.time_limit_ms, reterr);
    if (err == ERR_OK && t->limits.silence_limit_ms != -1)
        err = limit_check("silence_limit_ms", t->limits.silence_limit_ms, reterr);
    if (err == ERR_OK && t->limits.retries_plus_one > LAUNCH_RETRIES_MAX + 1)
        err = why_set(reterr, ERR_INVALID, "retries", "%u retries of a test, at most %u are allowed",
                      t->limits.retries_plus_one - 1, LAUNCH_RETRIES_MAX);
    return err;
}
