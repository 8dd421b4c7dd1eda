/* command_form.h - what a fleet of commands is configured with, and what its commands print. Pure. */
#ifndef WRATA_FLEET_COMMAND_FORM_H
#define WRATA_FLEET_COMMAND_FORM_H

#include "fleet/fleet.h"

#define COMMAND_WORDS_MAX 64

struct command_size {
    const char *name;
    const char *description; /* NULL none */
    int64_t price_hour_microusd;
    int64_t memory_mib;
    int64_t cpus;
    int64_t disk_gib;
};

struct command_options {
    struct field_texts create;
    struct field_texts destroy;
    struct field_texts list;
    struct field_texts connect;
    struct field_texts renew;
    int64_t deadline_s;
    const char *user;
    const char *size;
    struct field_rows sizes;
};
extern const struct field command_option_fields[];
extern const struct command_options command_presets;

/* A machine as it is printed by `create` and `list`. */
struct said_machine {
    const char *id;
    const char *instance;
    struct field_int_or_text server;
    struct field_int_or_text intent;
    const char *name;
    int state;
    const char *address;
    const char *size;
    const char *region;
    const char *created_at;
    const char *lease_until;
    int64_t price_hour_microusd;
};
extern const struct said_machine nothing_said; /* the presets of said_machine_fields */
extern const struct field said_machine_fields[];

struct said_error {
    const char *fault;
    const char *message;
    int64_t retry_after_s;
};
extern const struct field said_error_fields[];

struct said_list {
    struct field_rows machines; /* struct said_machine, whose texts are NULL where nothing was said */
};
extern const struct field said_list_fields[];

struct said_way {
    struct field_texts argv;
    const char *address;
    const char *user;
    int64_t port;
};
extern const struct field said_way_fields[];

/* ERR_INVALID names the field. Texts stay where they are. */
MUST_USE enum err said_machine_read(const struct said_machine *s, struct machine *ret, struct why *reterr);

/* All of a list that carry the mark of the instance, each once, in the arena. */
MUST_USE enum err said_list_read(const struct said_list *said, const char *instance, struct arena *arena,
                                 struct machine **ret, uint32_t *n, struct why *reterr);
/* That of the list with this id; NULL: none. */
const struct said_machine *said_list_find(const struct said_list *said, const char *id);

#endif
