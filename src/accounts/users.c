/* users.c - a user begins, changes and is deleted here; nobody else writes a row of one. */
#include "accounts/accounts_private.h"
#include "model/rules.h"

/* ---- finding ---- */

struct user *user_by_id(const struct accounts *a, uint64_t id)
{
    struct user *u;

    HASH_FIND(hh, a->users, &id, sizeof(id), u);
    return u;
}

struct user *user_by_login(const struct accounts *a, const char *login)
{
    const char *key = text_lower(login);
    struct user *u;

    HASH_FIND(hh_login, a->by_login, key, strlen(key), u);
    text_free(key);
    return u;
}

struct user *user_by_email(const struct accounts *a, const char *email)
{
    const char *key = text_lower(email);
    struct user *u;

    HASH_FIND(hh_email, a->by_email, key, strlen(key), u);
    text_free(key);
    return u;
}

enum err user_find(const struct accounts *a, struct user_id id, struct user **ret, struct why *reterr)
{
    *ret = user_by_id(a, id.v);
    if (*ret == NULL || (*ret)->row.deleted_at.ms != 0)
        return why_set(reterr, ERR_NOTFOUND, NULL, "there is no user %llu (any more)",
                       (unsigned long long)id.v);
    return ERR_OK;
}

enum err person_find(const struct accounts *a, struct user_id id, struct user **ret, struct why *reterr)
{
    enum err err = user_find(a, id, ret, reterr);

    if (err == ERR_OK && id.v == OPERATOR_ID)
        return why_set(reterr, ERR_DENIED, NULL,
                       "user %u is whoever is at the command line on the host: it cannot sign in and is not "
                       "changed",
                       OPERATOR_ID);
    return err;
}

bool user_is_in(const struct user *u)
{
    return u->row.deleted_at.ms == 0 && u->row.locked_at.ms == 0;
}

/* ---- indexes and counters ---- */

static void unindex(struct accounts *a, struct user *u)
{
    if (u->login_key != NULL)
        HASH_DELETE(hh_login, a->by_login, u);
    if (u->email_key != NULL)
        HASH_DELETE(hh_email, a->by_email, u);
    text_free(u->login_key);
    text_free(u->email_key);
    u->login_key = NULL;
    u->email_key = NULL;
}

/* The commands let no login or confirmed address be there twice; of rows that a hand put there, the first is found. */
static void reindex(struct accounts *a, struct user *u)
{
    const struct user_row *row = &u->row;

    unindex(a, u);
    if (row->deleted_at.ms != 0)
        return;
    if (user_by_login(a, row->login) == NULL) {
        u->login_key = text_lower(row->login);
        HASH_ADD_KEYPTR(hh_login, a->by_login, u->login_key, strlen(u->login_key), u);
    }
    if (row->email[0] != '\0' && row->email_confirmed_at.ms != 0 && user_by_email(a, row->email) == NULL) {
        u->email_key = text_lower(row->email);
        HASH_ADD_KEYPTR(hh_email, a->by_email, u->email_key, strlen(u->email_key), u);
    }
}

static bool is_pending(const struct accounts *a, const struct user_row *row)
{
    return row->deleted_at.ms == 0 && row->locked_at.ms == 0 && accounts_role(a, row) == ROLE_UNVERIFIED;
}

static bool is_able_admin(const struct accounts *a, const struct user_row *row)
{
    return row->id.v != OPERATOR_ID && row->deleted_at.ms == 0 && row->locked_at.ms == 0 &&
           row->password[0] != '\0' && accounts_role(a, row) == ROLE_ADMIN;
}

static void count(uint32_t *n, bool *was, bool is)
{
    if (*was == is)
        return;
    CHECK(is || *n > 0);
    *n = is ? *n + 1 : *n - 1;
    *was = is;
}

void user_weigh(struct accounts *a, struct user *u)
{
    count(&a->n_pending, &u->is_pending, is_pending(a, &u->row));
    count(&a->n_able_admins, &u->is_able_admin, is_able_admin(a, &u->row));
}

/* ---- rows ---- */

static void texts_free(struct user_row *row)
{
    text_free(row->login);
    text_free(row->email);
    text_free(row->first_name);
    text_free(row->last_name);
    text_free(row->position);
    text_free(row->zone);
    text_free(row->password);
}

void user_apply(struct accounts *a, struct user *u, const struct user_row *row)
{
    struct user_row old = u->row;
    bool was_living = old.deleted_at.ms == 0;
    bool is_living = row->deleted_at.ms == 0;

    u->row = *row;
    u->row.login = text_copy(row->login);
    u->row.email = text_copy(row->email);
    u->row.first_name = text_copy(row->first_name);
    u->row.last_name = text_copy(row->last_name);
    u->row.position = text_copy(row->position);
    u->row.zone = text_copy(row->zone);
    u->row.password = text_copy(row->password);
    texts_free(&old); /* not before: `row` may borrow them */
    if (was_living != is_living)
        a->n_living = is_living ? a->n_living + 1 : a->n_living - 1;
    reindex(a, u);
    user_weigh(a, u);
}

struct user *user_put(struct accounts *a, const struct user_row *row)
{
    struct user *u = user_by_id(a, row->id.v);

    if (u == NULL) {
        u = xcalloc(1, sizeof(*u));
        u->row.id = row->id;
        HASH_ADD(hh, a->users, row.id.v, sizeof(u->row.id.v), u);
        a->n_living++;
    }
    if (a->next_user <= row->id.v)
        a->next_user = row->id.v + 1;
    user_apply(a, u, row);
    return u;
}

enum err user_change(struct accounts *a, struct user *u, const struct user_row *next,
                     struct accounts_out *out, struct why *reterr)
{
    if (u->is_able_admin && a->n_able_admins == 1 && !is_able_admin(a, next))
        return why_set(reterr, ERR_CONFLICT, NULL,
                       "%s is the only admin who can sign in: make somebody else one first", u->row.login);
    user_apply(a, u, next);
    out_user(out, &u->row);
    return ERR_OK;
}

void user_free(struct accounts *a, struct user *u)
{
    while (u->sessions != NULL)
        session_end(a, u->sessions, NULL);
    user_end_tokens(a, u, NULL);
    user_end_links(a, u, false, NULL);
    env_put(u, NULL, 0);
    unindex(a, u);
    HASH_DEL(a->users, u);
    texts_free(&u->row);
    free(u);
}

/* ---- commands ---- */

enum err hash_text_check(const char *password, struct why *reterr)
{
    if (password == NULL || password[0] == '\0')
        return why_set(reterr, ERR_INVALID, "password", "password is empty");
    if (strlen(password) > HASH_TEXT_BYTES_MAX)
        return why_set(reterr, ERR_INVALID, "password", "what argon2id made is longer than %u bytes",
                       HASH_TEXT_BYTES_MAX);
    return ERR_OK;
}

static enum err names_check(const struct user_row *row, struct why *reterr)
{
    enum err err = email_check(row->email, reterr);

    if (err == ERR_OK)
        err = text_check("first_name", row->first_name, NAME_BYTES_MAX, reterr);
    if (err == ERR_OK)
        err = text_check("last_name", row->last_name, NAME_BYTES_MAX, reterr);
    if (err == ERR_OK)
        err = text_check("position", row->position, NAME_BYTES_MAX, reterr);
    if (err == ERR_OK)
        err = text_check("zone", row->zone, USER_ZONE_BYTES_MAX, reterr);
    if (err == ERR_OK && row->mail.launch_min_s > LAUNCH_MIN_S_MAX)
        err =
            why_set(reterr, ERR_INVALID, "mail_launch_min_s", "mail_launch_min_s: %u is not 0 to %u seconds",
                    row->mail.launch_min_s, LAUNCH_MIN_S_MAX);
    return err;
}

static enum err add_check(const struct accounts *a, const struct user_row *row, struct why *reterr)
{
    enum err err = login_check(row->login, reterr);

    if (err == ERR_OK)
        err = names_check(row, reterr);
    if (err == ERR_OK && row->password[0] != '\0')
        err = hash_text_check(row->password, reterr);
    if (err != ERR_OK)
        return err;
    if (user_by_login(a, row->login) != NULL || strcasecmp(row->login, OPERATOR_LOGIN) == 0)
        return why_set(reterr, ERR_CONFLICT, "login", "login \"%s\" is taken: choose another", row->login);
    if (a->n_living >= USERS_MAX || HASH_COUNT(a->users) >= USER_ROWS_MAX)
        return why_set(reterr, ERR_LIMIT, NULL, "there are %u users, no more are possible", a->n_living);
    return ERR_OK;
}

static const char *or_empty(const char *s)
{
    return s == NULL ? "" : s;
}

enum err accounts_add(struct accounts *a, struct wall now, const struct new_user *in,
                      struct accounts_out *out, struct user_id *ret, struct why *reterr)
{
    struct user_row row = {.id = {a->next_user},
                           .login = or_empty(in->login),
                           .email = or_empty(in->email),
                           .first_name = or_empty(in->first_name),
                           .last_name = or_empty(in->last_name),
                           .position = or_empty(in->position),
                           .zone = USER_ZONE_PRESET,
                           .mail = MAIL_CHOICES_PRESET,
                           .password = or_empty(in->password),
                           .is_admin = in->admin,
                           .created_at = now,
                           .verified_at = {in->verified ? now.ms : 0}};
    enum err err = add_check(a, &row, reterr);

    if (err != ERR_OK)
        return err;
    out_user(out, &user_put(a, &row)->row);
    *ret = row.id;
    return ERR_OK;
}

static bool bool_of(int maybe, bool was)
{
    return maybe < 0 ? was : maybe == 1;
}

static void take_choices(struct mail_choices *next, const struct mail_edit *in)
{
    if (in->launches >= 0)
        next->launches = (enum mail_when)in->launches;
    if (in->launch_min_s >= 0)
        next->launch_min_s = (uint32_t)in->launch_min_s;
    if (in->schedule_launches >= 0)
        next->schedule_launches = (enum mail_when)in->schedule_launches;
    next->schedule_failed = bool_of(in->schedule_failed, next->schedule_failed);
    next->schedule_missed = bool_of(in->schedule_missed, next->schedule_missed);
    next->schedule_disabled = bool_of(in->schedule_disabled, next->schedule_disabled);
}

static void take_profile(struct user_row *next, const struct profile *in)
{
    next->email = in->email != NULL ? in->email : next->email;
    next->first_name = in->first_name != NULL ? in->first_name : next->first_name;
    next->last_name = in->last_name != NULL ? in->last_name : next->last_name;
    next->position = in->position != NULL ? in->position : next->position;
    next->zone = in->zone != NULL ? in->zone : next->zone;
    if (in->mail != NULL)
        take_choices(&next->mail, in->mail);
}

static bool is_same_profile(const struct user_row *a, const struct user_row *b)
{
    return strcmp(a->email, b->email) == 0 && strcmp(a->first_name, b->first_name) == 0 &&
           strcmp(a->last_name, b->last_name) == 0 && strcmp(a->position, b->position) == 0 &&
           strcmp(a->zone, b->zone) == 0 && mail_choices_equal(&a->mail, &b->mail);
}

/* Times that are also switches: 0 is off. What is as it should be keeps its time, and nothing is saved. */
static bool switch_time(struct wall *at, bool on, struct wall now)
{
    if ((at->ms != 0) == on)
        return false;
    at->ms = on ? now.ms : 0;
    return true;
}

static enum err may_confirm(const struct accounts *a, const struct user *u, const struct user_row *next,
                            struct why *reterr)
{
    const struct user *other = user_by_email(a, next->email);

    if (next->email[0] == '\0')
        return why_set(reterr, ERR_CONFLICT, "email", "%s has no email to confirm", next->login);
    if (other != NULL && other != u)
        return why_set(reterr, ERR_CONFLICT, "email", "another user has confirmed email \"%s\"", next->email);
    return ERR_OK;
}

/* The row as it will be. */
static enum err row_to_be(const struct accounts *a, struct wall now, const struct user *u,
                          const struct user_edit *in, struct user_row *next, struct why *reterr)
{
    enum err err = ERR_OK;

    *next = u->row;
    take_profile(next, &in->profile);
    if (!is_same_profile(next, &u->row))
        err = names_check(next, reterr);
    if (strcmp(next->email, u->row.email) != 0)
        next->email_confirmed_at.ms = 0;
    if (err == ERR_OK && in->email_confirmed == 1 && switch_time(&next->email_confirmed_at, true, now))
        err = may_confirm(a, u, next, reterr);
    if (in->verified >= 0)
        (void)switch_time(&next->verified_at, in->verified == 1, now);
    if (in->locked >= 0)
        (void)switch_time(&next->locked_at, in->locked == 1, now);
    if (in->admin >= 0)
        next->is_admin = in->admin == 1;
    return err;
}

static bool is_same(const struct user_row *a, const struct user_row *b)
{
    return is_same_profile(a, b) && a->email_confirmed_at.ms == b->email_confirmed_at.ms &&
           a->verified_at.ms == b->verified_at.ms && a->locked_at.ms == b->locked_at.ms &&
           a->is_admin == b->is_admin;
}

/* What the operator, who is nobody's to change, may choose as well: no names, no rights. */
static bool is_choice(const struct user_edit *in)
{
    const struct profile *p = &in->profile;

    return p->email == NULL && p->first_name == NULL && p->last_name == NULL && p->position == NULL &&
           in->verified < 0 && in->locked < 0 && in->admin < 0 && in->email_confirmed < 0;
}

/* One row, made whole and then put in the old one's place: nothing is half done. */
enum err accounts_change(struct accounts *a, struct wall now, struct user_id id, const struct user_edit *in,
                         struct accounts_out *out, struct why *reterr)
{
    struct user *u;
    struct user_row next;
    bool is_new_email;
    bool is_locked_now;
    enum err err = is_choice(in) ? user_find(a, id, &u, reterr) : person_find(a, id, &u, reterr);

    if (err == ERR_OK)
        err = row_to_be(a, now, u, in, &next, reterr);
    if (err != ERR_OK || is_same(&next, &u->row))
        return err;
    is_new_email = strcmp(next.email, u->row.email) != 0;
    is_locked_now = next.locked_at.ms != 0 && u->row.locked_at.ms == 0;
    err = user_change(a, u, &next, out, reterr);
    if (err != ERR_OK)
        return err;
    if (is_locked_now)
        (void)accounts_end_sessions(a, id, 0, out);
    if (is_locked_now || is_new_email)
        user_end_links(a, u, !is_locked_now, out);
    return ERR_OK;
}

#define STAYS .verified = -1, .locked = -1, .admin = -1, .email_confirmed = -1

enum err accounts_edit(struct accounts *a, struct user_id id, const struct profile *in,
                       struct accounts_out *out, struct why *reterr)
{
    struct user_edit edit = {STAYS};

    edit.profile = *in;
    return accounts_change(a, (struct wall){0}, id, &edit, out, reterr); /* nothing in it takes a time */
}

enum err accounts_set_verified(struct accounts *a, struct wall now, struct user_id id, bool on,
                               struct accounts_out *out, struct why *reterr)
{
    struct user_edit edit = {STAYS};

    edit.verified = on;
    return accounts_change(a, now, id, &edit, out, reterr);
}

enum err accounts_set_locked(struct accounts *a, struct wall now, struct user_id id, bool on,
                             struct accounts_out *out, struct why *reterr)
{
    struct user_edit edit = {STAYS};

    edit.locked = on;
    return accounts_change(a, now, id, &edit, out, reterr);
}

enum err accounts_set_admin(struct accounts *a, struct user_id id, bool on, struct accounts_out *out,
                            struct why *reterr)
{
    struct user_edit edit = {STAYS};

    edit.admin = on;
    return accounts_change(a, (struct wall){0}, id, &edit, out, reterr);
}

enum err accounts_confirm_email(struct accounts *a, struct wall now, struct user_id id,
                                struct accounts_out *out, struct why *reterr)
{
    struct user_edit edit = {STAYS};

    edit.email_confirmed = 1;
    return accounts_change(a, now, id, &edit, out, reterr);
}

enum err accounts_renew_password(struct accounts *a, struct user_id id, const char *password,
                                 struct accounts_out *out, struct why *reterr)
{
    struct user *u;
    struct user_row next;
    enum err err = person_find(a, id, &u, reterr);

    if (err == ERR_OK)
        err = hash_text_check(password, reterr);
    if (err != ERR_OK)
        return err;
    next = u->row;
    next.password = password;
    return user_change(a, u, &next, out, reterr);
}

enum err accounts_set_password(struct accounts *a, struct user_id id, const char *password, uint64_t keep,
                               struct accounts_out *out, struct why *reterr)
{
    enum err err = accounts_renew_password(a, id, password, out, reterr);

    if (err != ERR_OK)
        return err;
    (void)accounts_end_sessions(a, id, keep, out);
    user_end_links(a, user_by_id(a, id.v), false, out);
    return ERR_OK;
}

enum err accounts_delete(struct accounts *a, struct wall now, struct user_id id, struct accounts_out *out,
                         struct why *reterr)
{
    struct user *u;
    struct user_row next;
    enum err err = person_find(a, id, &u, reterr);

    if (err != ERR_OK)
        return err;
    next = u->row;
    next.email = "";
    next.first_name = "";
    next.last_name = "";
    next.position = "";
    next.zone = USER_ZONE_PRESET;
    next.mail = (struct mail_choices)MAIL_CHOICES_PRESET;
    next.password = "";
    next.is_admin = false;
    next.email_confirmed_at.ms = 0;
    next.deleted_at = now;
    err = user_change(a, u, &next, out, reterr);
    if (err != ERR_OK)
        return err;
    (void)accounts_end_sessions(a, id, 0, out);
    user_end_tokens(a, u, out);
    user_end_links(a, u, false, out);
    if (u->n_env > 0) {
        env_put(u, NULL, 0);
        out_env(out, id, NULL, 0);
    }
    return ERR_OK;
}
