/* command_form.c - field tables of fleets of commands; see command_form.h. */
#include "fleet/command_form.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fleet/fleet_private.h"

/* ---- options ---- */

#define AT(member) offsetof(struct command_options, member)
#define IN_ROW(member) offsetof(struct command_size, member)

static const struct field size_fields[] = {
    {.name = "name",
     .type = FIELD_TEXT,
     .offset = IN_ROW(name),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = 100,
     .help = "what `create` is told"},
    {.name = "description",
     .type = FIELD_TEXT,
     .offset = IN_ROW(description),
     .max = 200,
     .help = "for people"},
    {.name = "price_hour_microusd",
     .type = FIELD_INT,
     .offset = IN_ROW(price_hour_microusd),
     .max = INT64_C(10000000000),
     .help = "what an hour costs, in millionths of a dollar"},
    {.name = "memory_mib", .type = FIELD_INT, .offset = IN_ROW(memory_mib), .max = UINT32_MAX, .help = "MiB"},
    {.name = "cpus", .type = FIELD_INT, .offset = IN_ROW(cpus), .max = 100000, .help = "processors"},
    {.name = "disk_gib", .type = FIELD_INT, .offset = IN_ROW(disk_gib), .max = UINT32_MAX, .help = "GiB"},
    {.name = NULL, .type = FIELD_END},
};

#define COMMAND(name_, flags_, help_)                                                                       \
    {                                                                                                       \
        .name = #name_, .type = FIELD_TEXTS, .offset = AT(name_), .flags = (flags_), .min = 1, .max = 4096, \
        .items_max = COMMAND_WORDS_MAX, .help = help_                                                       \
    }

const struct field command_option_fields[] = {
    COMMAND(create, FIELD_REQUIRED, "words of the command that makes a machine"),
    COMMAND(destroy, FIELD_REQUIRED, "words of the command that destroys one"),
    COMMAND(list, FIELD_REQUIRED, "words of the command that lists all with our mark"),
    COMMAND(connect, FIELD_REQUIRED, "words of the command that says how one is reached"),
    COMMAND(renew, 0,
            "words of the command that moves the end of a lease; default: leases are not kept anywhere"),
    {.name = "deadline_s",
     .type = FIELD_INT,
     .offset = AT(deadline_s),
     .min = 1,
     .max = 3600,
     .preset = "600",
     .help = "a command that takes longer is ended"},
    {.name = "user",
     .type = FIELD_TEXT,
     .offset = AT(user),
     .min = 1,
     .max = 32,
     .preset = "root",
     .help = "who logs in on a machine"},
    {.name = "size",
     .type = FIELD_TEXT,
     .offset = AT(size),
     .max = 100,
     .help = "the size of a machine for which none is asked; what it means is the business of `create`"},
    {.name = "sizes",
     .type = FIELD_ROWS,
     .offset = AT(sizes),
     .items_max = 200,
     .rows = size_fields,
     .row_bytes = sizeof(struct command_size),
     .help = "sizes to choose from, with their prices"},
    {.name = NULL, .type = FIELD_END},
};

const struct command_options command_presets = {.deadline_s = 600, .user = "root", .size = ""};

/* ---- what the commands say ---- */

static const char *const states[] = {"new", "active", "off", "gone", NULL};

#define IN_MACHINE(member) offsetof(struct said_machine, member)
#define TEXT(name_, max_)                                                                          \
    {                                                                                              \
        .name = #name_, .type = FIELD_TEXT, .offset = IN_MACHINE(name_), .max = (max_), .help = "" \
    }
#define NUMBER(name_)                                                                                        \
    {                                                                                                        \
        .name = #name_, .type = FIELD_INT_OR_TEXT, .offset = IN_MACHINE(name_), .max = INT64_MAX, .help = "" \
    }

const struct field said_machine_fields[] = {
    {.name = "id",
     .type = FIELD_TEXT,
     .offset = IN_MACHINE(id),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = MACHINE_ID_BYTES_MAX,
     .help = "the cloud's own name for the machine"},
    TEXT(instance, 64),
    NUMBER(server),
    NUMBER(intent),
    TEXT(name, 255),
    {.name = "state", .type = FIELD_ENUM, .offset = IN_MACHINE(state), .names = states, .help = ""},
    TEXT(address, 255),
    TEXT(size, 100),
    TEXT(region, 100),
    TEXT(created_at, 40),
    TEXT(lease_until, 40),
    {.name = "price_hour_microusd",
     .type = FIELD_INT,
     .offset = IN_MACHINE(price_hour_microusd),
     .min = -1,
     .max = INT64_C(10000000000),
     .help = ""},
    {.name = NULL, .type = FIELD_END},
};

const struct field said_error_fields[] = {
    {.name = "fault",
     .type = FIELD_TEXT,
     .offset = offsetof(struct said_error, fault),
     .max = 20,
     .help = ""},
    {.name = "message",
     .type = FIELD_TEXT,
     .offset = offsetof(struct said_error, message),
     .max = 1000,
     .help = ""},
    {.name = "retry_after_s",
     .type = FIELD_INT,
     .offset = offsetof(struct said_error, retry_after_s),
     .max = 86400,
     .help = ""},
    {.name = NULL, .type = FIELD_END},
};

const struct field said_list_fields[] = {
    {.name = "machines",
     .type = FIELD_ROWS,
     .offset = offsetof(struct said_list, machines),
     .flags = FIELD_REQUIRED,
     .items_max = MACHINES_MAX,
     .rows = said_machine_fields,
     .row_bytes = sizeof(struct said_machine),
     .help = "all machines with our mark"},
    {.name = NULL, .type = FIELD_END},
};

const struct field said_way_fields[] = {
    {.name = "argv",
     .type = FIELD_TEXTS,
     .offset = offsetof(struct said_way, argv),
     .min = 1,
     .max = 4096,
     .items_max = COMMAND_WORDS_MAX,
     .help = ""},
    {.name = "address",
     .type = FIELD_TEXT,
     .offset = offsetof(struct said_way, address),
     .max = 255,
     .help = ""},
    {.name = "user", .type = FIELD_TEXT, .offset = offsetof(struct said_way, user), .max = 64, .help = ""},
    {.name = "port", .type = FIELD_INT, .offset = offsetof(struct said_way, port), .max = 65535, .help = ""},
    {.name = NULL, .type = FIELD_END},
};

/* ---- reading ---- */

static bool read_u64(const struct field_int_or_text *v, uint64_t *ret)
{
    char *end;

    if (v->text == NULL) {
        *ret = v->number >= 0 ? (uint64_t)v->number : 0;
        return v->number >= 0;
    }
    if (v->text[0] < '0' || v->text[0] > '9' || strlen(v->text) > 20)
        return false;
    *ret = strtoull(v->text, &end, 10);
    return *end == '\0';
}

static enum err read_time(const char *field, const char *text, struct wall *ret, struct why *reterr)
{
    struct tm tm = {0};
    const char *end;

    ret->ms = 0;
    if (text[0] == '\0')
        return ERR_OK;
    end = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (end != NULL && *end == '.')
        end += 1 + strspn(end + 1, "0123456789");
    if (end == NULL || strcmp(end, "Z") != 0 || tm.tm_year < 70 || tm.tm_year > 8000)
        return why_set(reterr, ERR_INVALID, field, "%s: '%.40s' is no time like 2026-11-30T12:00:00Z", field,
                       text);
    ret->ms = (int64_t)timegm(&tm) * 1000;
    return ERR_OK;
}

enum err said_machine_read(const struct said_machine *s, struct machine *ret, struct why *reterr)
{
    enum err err;

    if (!machine_id_is_fine(s->id))
        return why_set(reterr, ERR_INVALID, "id",
                       "id: '%.60s' cannot be a machine's: letters, digits and . _ : / @ + - are, at most %u",
                       s->id, MACHINE_ID_BYTES_MAX);
    *ret = (struct machine){.id = s->id,
                            .name = s->name,
                            .state = (enum machine_state)s->state,
                            .address = s->address,
                            .size = s->size,
                            .region = s->region,
                            .price_hour_microusd = s->price_hour_microusd};
    if (!read_u64(&s->server, &ret->server))
        return why_set(reterr, ERR_INVALID, "server", "server: it is no number");
    if (!read_u64(&s->intent, &ret->intent))
        return why_set(reterr, ERR_INVALID, "intent", "intent: it is no number");
    err = read_time("created_at", s->created_at, &ret->created_at, reterr);
    return err == ERR_OK ? read_time("lease_until", s->lease_until, &ret->lease_until, reterr) : err;
}

const struct said_machine nothing_said = {.instance = "",
                                          .name = "",
                                          .state = MACHINE_ACTIVE,
                                          .address = "",
                                          .size = "",
                                          .region = "",
                                          .created_at = "",
                                          .lease_until = "",
                                          .price_hour_microusd = -1};

static const char *or_empty(const char *s)
{
    return s != NULL ? s : "";
}

enum err said_list_read(const struct said_list *said, const char *instance, struct arena *arena,
                        struct machine **ret, uint32_t *n, struct why *reterr)
{
    *ret = arena_alloc(arena, (said->machines.n + 1) * sizeof(**ret));
    *n = 0;
    for (uint32_t i = 0; i < said->machines.n; i++) {
        struct said_machine m = *((const struct said_machine *)said->machines.at + i);
        bool is_new = true;
        enum err err;

        if (strcmp(or_empty(m.instance), instance) != 0)
            continue;
        m.name = or_empty(m.name);
        m.address = or_empty(m.address);
        m.size = or_empty(m.size);
        m.region = or_empty(m.region);
        m.created_at = or_empty(m.created_at);
        m.lease_until = or_empty(m.lease_until);
        err = said_machine_read(&m, &(*ret)[*n], reterr);
        if (err != ERR_OK)
            return err;
        for (uint32_t k = 0; k < *n; k++)
            is_new = is_new && strcmp((*ret)[k].id, m.id) != 0;
        *n += is_new;
    }
    return ERR_OK;
}

const struct said_machine *said_list_find(const struct said_list *said, const char *id)
{
    for (uint32_t i = 0; i < said->machines.n; i++) {
        const struct said_machine *m = (const struct said_machine *)said->machines.at + i;

        if (strcmp(m->id, id) == 0)
            return m;
    }
    return NULL;
}
