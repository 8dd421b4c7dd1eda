/* ids.c - the next id of each kind, so that no id is ever given twice, whatever was deleted meanwhile.
 *
 * The engine chooses the ids of servers, launches, tests and runs, accounts/ those of accounts and of the audit log,
 * the store those of projects and paths. All are seen here as they are written, and the rows of `ids` move once per
 * batch. */
#include "store/store_private.h"

static const struct {
    const char *kind;
    const char *max; /* what the tables themselves say: a second opinion at boot */
} kinds[] = {
    [ID_SERVER] = {"server", "SELECT COALESCE(MAX(id), 0) FROM servers"},
    [ID_LAUNCH] = {"launch", "SELECT COALESCE(MAX(id), 0) FROM launches"},
    [ID_TEST] = {"test", "SELECT COALESCE(MAX(id), 0) FROM tests"},
    [ID_RUN] = {"run", "SELECT COALESCE(MAX(id), 0) FROM runs"},
    [ID_PROJECT] = {"project", "SELECT COALESCE(MAX(id), 0) FROM projects"},
    [ID_PATH] = {"path", "SELECT COALESCE(MAX(id), 0) FROM paths"},
    [ID_USER] = {"user", "SELECT COALESCE(MAX(id), 0) FROM users"},
    [ID_SESSION] = {"session", "SELECT COALESCE(MAX(id), 0) FROM sessions"},
    [ID_TOKEN] = {"token", "SELECT COALESCE(MAX(id), 0) FROM api_tokens"},
    [ID_LINK] = {"link", "SELECT COALESCE(MAX(id), 0) FROM one_time_links"},
    [ID_AUDIT] = {"audit", "SELECT COALESCE(MAX(id), 0) FROM audit"},
    [ID_MAIL] = {"mail", "SELECT COALESCE(MAX(id), 0) FROM mails"},
    [ID_CHOICE] = {"choice", "SELECT COALESCE(MAX(id), 0) FROM choices"},
    [ID_LIST] = {"list", "SELECT COALESCE(MAX(id), 0) FROM lists"},
    [ID_SCHEDULE] = {"schedule", "SELECT COALESCE(MAX(id), 0) FROM schedules"},
    [ID_UNDO] = {"undo", "SELECT COALESCE(MAX(id), 0) FROM queue_undos"},
    [ID_ARTIFACT] = {"artifact", "SELECT COALESCE(MAX(id), 0) FROM artifacts"},
    [ID_FLEET] = {"fleet", "SELECT COALESCE(MAX(id), 0) FROM fleets"},
    [ID_ORIGIN] = {"origin", "SELECT COALESCE(MAX(id), 0) FROM origins"},
    [ID_INTENT] = {"intent", "SELECT COALESCE(MAX(intent), 0) FROM servers"},
    [ID_CASE] = {"case", "SELECT COALESCE(MAX(id), 0) FROM cases"},
    [ID_TEXT] = {"text", "SELECT COALESCE(MAX(id), 0) FROM texts"},
    [ID_FAILURE] = {"failure", "SELECT COALESCE(MAX(id), 0) FROM failures"},
    [ID_JOB] = {"job", "SELECT COALESCE(MAX(id), 0) FROM jobs"},
    [ID_HOOK] = {"hook", "SELECT COALESCE(MAX(id), 0) FROM hooks"},
    [ID_DELIVERY] = {"delivery", "SELECT COALESCE(MAX(id), 0) FROM deliveries"},
};
_Static_assert(ARRAY_LEN(kinds) == ID_KIND_COUNT, "a row per kind");

static uint64_t next_id(struct db *db, enum id_kind kind)
{
    struct db_stmt *s;
    uint64_t next = 1;
    uint64_t max = 0;

    s = db_sql(db, "SELECT next_id FROM ids WHERE kind = ?");
    db_text(s, kinds[kind].kind);
    while (db_row(s))
        next = db_get_uint(s);
    s = db_sql(db, kinds[kind].max);
    while (db_row(s))
        max = db_get_uint(s);
    return max >= next ? max + 1 : next;
}

void ids_load(struct writer *w)
{
    int k;

    for (k = 0; k < ID_KIND_COUNT; k++)
        w->next_id[k] = w->stored_next_id[k] = next_id(w->db, (enum id_kind)k);
}

void ids_used(struct writer *w, enum id_kind kind, uint64_t id)
{
    if (id >= w->next_id[kind])
        w->next_id[kind] = id + 1;
}

uint64_t ids_take(struct writer *w, enum id_kind kind)
{
    return w->next_id[kind]++;
}

void ids_flush(struct writer *w)
{
    int k;

    for (k = 0; k < ID_KIND_COUNT; k++) {
        struct db_stmt *s;

        if (w->next_id[k] == w->stored_next_id[k])
            continue;
        s = db_sql(w->db, "INSERT INTO ids (kind, next_id) VALUES (?, ?) "
                          "ON CONFLICT (kind) DO UPDATE SET next_id = excluded.next_id");
        db_text(s, kinds[k].kind);
        db_uint(s, w->next_id[k]);
        (void)db_run(s);
        w->stored_next_id[k] = w->next_id[k];
    }
}

void ids_boot(struct db *db, struct change *ret)
{
    *ret = (struct change){.kind = CHANGE_IDS};
    ret->ids.server = next_id(db, ID_SERVER);
    ret->ids.launch = next_id(db, ID_LAUNCH);
    ret->ids.test = next_id(db, ID_TEST);
    ret->ids.run = next_id(db, ID_RUN);
    ret->ids.undo = next_id(db, ID_UNDO);
    ret->ids.fleet = next_id(db, ID_FLEET);
    ret->ids.intent = next_id(db, ID_INTENT);
}

void ids_boot_accounts(struct db *db, struct account_change *ret)
{
    *ret = (struct account_change){.kind = ACCOUNT_IDS};
    ret->ids.user = next_id(db, ID_USER);
    ret->ids.session = next_id(db, ID_SESSION);
    ret->ids.token = next_id(db, ID_TOKEN);
    ret->ids.link = next_id(db, ID_LINK);
    ret->ids.audit = next_id(db, ID_AUDIT);
}
