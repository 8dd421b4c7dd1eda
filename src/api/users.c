/* users.c - making an account of one's own, and other people's accounts. */
#include <stdlib.h>
#include <string.h>

#include "api/account_common.h"

/* Anybody can sign up, and there are USERS_MAX places: strangers get so many of them until an admin has looked. */
#define SIGN_UPS_PENDING_MAX 500u
#define SIGN_UPS_RETRY_MS (INT64_C(3600) * 1000)

struct person {
    const char *email;
    const char *first_name;
    const char *last_name;
    const char *position;
};

#define LOGIN_FIELD(owner)                                                                              \
    {                                                                                                   \
        .name = "login", .type = FIELD_TEXT, .offset = offsetof(owner, login), .flags = FIELD_REQUIRED, \
        .min = 1, .max = LOGIN_CHARS_MAX,                                                               \
        .help = "the name of the account: letters, digits, dot, dash, underscore"                       \
    }

/* ---- sign up ---- */

struct sign_up_body {
    const char *login;
    const char *password;
    struct person person;
};

static const struct field sign_up_fields[] = {
    LOGIN_FIELD(struct sign_up_body),
    PASSWORD_FIELD(struct sign_up_body, password, 0, FIELD_REQUIRED, "at least 10 bytes, not the login"),
    PERSON_FIELDS(struct sign_up_body, person),
    {.type = FIELD_END},
};
static const struct sign_up_body sign_up_preset = {
    .person = {.email = "", .first_name = "", .last_name = "", .position = ""}};

static struct new_user new_user_of(const char *login, const struct person *p, const char *made)
{
    return (struct new_user){.login = login,
                             .email = p->email,
                             .first_name = p->first_name,
                             .last_name = p->last_name,
                             .position = p->position,
                             .password = made};
}

static void on_sign_up_made(struct req *rq, const char *made)
{
    const struct sign_up_body *in = rq->body;
    struct new_user u = new_user_of(in->login, &in->person, made);
    struct user_id id;
    struct accounts_out out;
    enum err err;

    accounts_out_init(&out);
    err = accounts_add(rq->api->accounts, wall_now(), &u, &out, &id, &rq->why);
    if (err == ERR_OK)
        begin_session(rq, id, &out);
    else
        finish_command(rq, err, &out, NULL);
}

static void sign_up(struct req *rq)
{
    const struct sign_up_body *in = rq->body;

    audit_user(rq, in->login, "");
    if (!rq->api->opts.accounts.sign_up) {
        req_fail(rq, ERR_DENIED, NULL, "nobody makes an account here by themselves; ask an admin");
    } else if (login_check(in->login, &rq->why) != ERR_OK ||
               email_check(in->person.email, &rq->why) != ERR_OK ||
               password_check(in->password, in->login, &rq->why) != ERR_OK) {
        req_error(rq, &rq->why);
    } else if (accounts_pending(rq->api->accounts) >= SIGN_UPS_PENDING_MAX) {
        answer_later(rq, ERR_LIMIT, SIGN_UPS_RETRY_MS,
                     "too many accounts wait for an admin already; ask one");
    } else if (may_try(rq, "sign-up")) {
        if (accounts_by_login(rq->api->accounts, in->login) != NULL)
            req_fail(rq, ERR_CONFLICT, "login", "login: '%.64s' is taken", in->login);
        else
            make_password(rq, in->password, on_sign_up_made);
    }
}

/* ---- the list ---- */

struct users_query {
    struct page_query page;
    const char *q;
    int state;
};

static const struct field users_query_fields[] = {
    PAGE_FIELDS(struct users_query),
    {.name = "q",
     .type = FIELD_TEXT,
     .offset = offsetof(struct users_query, q),
     .max = 200,
     .help = "words that login, names, position or address contain"},
    {.name = "state",
     .type = FIELD_ENUM,
     .offset = offsetof(struct users_query, state),
     .names = user_states,
     .help = "only users in this state; without it all but the deleted ones"},
    {.type = FIELD_END},
};
static const struct users_query users_query_preset = {.page = PAGE_PRESET, .q = "", .state = -1};

/* Those that wait come first, each part newest first. A cursor is (id << 1 | does not wait): it stays where it is
 * when somebody is verified between two pages. */
struct listed {
    uint64_t rank;
    const struct user_row *row;
};

struct user_list {
    const struct accounts *accounts;
    const struct users_query *q;
    const char *const *words;
    uint32_t n_words;
    struct listed *at;
    uint32_t n;
};

static uint64_t rank(const struct accounts *a, const struct user_row *u)
{
    return u->id.v << 1 | (user_state(a, u) == USER_PENDING ? 0 : 1);
}

/* Does `a` stand before `b`? */
static bool is_before(uint64_t a, uint64_t b)
{
    return (a & 1) != (b & 1) ? (a & 1) < (b & 1) : a > b;
}

static int by_rank(const void *a, const void *b)
{
    uint64_t x = ((const struct listed *)a)->rank;
    uint64_t y = ((const struct listed *)b)->rank;

    return x == y ? 0 : is_before(x, y) ? -1 : 1;
}

static bool has_word(const struct user_row *u, const char *word)
{
    return strcasestr(u->login, word) != NULL || strcasestr(u->email, word) != NULL ||
           strcasestr(u->first_name, word) != NULL || strcasestr(u->last_name, word) != NULL ||
           strcasestr(u->position, word) != NULL;
}

static void take_user(void *ctx, const struct user_row *u)
{
    struct user_list *list = ctx;
    enum user_state state = user_state(list->accounts, u);
    uint64_t at = rank(list->accounts, u);

    if (u->id.v == OPERATOR_ID || (list->q->state < 0 ? state == USER_DELETED : (int)state != list->q->state))
        return;
    if (list->q->page.cursor != 0 && !is_before((uint64_t)list->q->page.cursor, at))
        return;
    for (uint32_t i = 0; i < list->n_words; i++) {
        if (!has_word(u, list->words[i]))
            return;
    }
    list->at[list->n++] = (struct listed){at, u};
}

static void count_user(void *ctx, const struct user_row *u)
{
    (void)u;
    ++*(uint32_t *)ctx;
}

/* "mira lovelace" -> two words. */
static void split_words(struct arena *arena, const char *q, struct user_list *list)
{
    const char **words = arena_alloc(arena, (strlen(q) / 2 + 1) * sizeof(*words));

    while (*(q += strspn(q, " ")) != '\0') {
        size_t n = strcspn(q, " ");

        words[list->n_words++] = arena_strndup(arena, q, n);
        q += n;
    }
    list->words = words;
}

static void users_list(struct req *rq)
{
    const struct users_query *q = rq->query;
    const struct accounts *a = rq->api->accounts;
    struct user_list list = {.accounts = a, .q = q};
    uint32_t limit = (uint32_t)q->page.limit;
    struct page p = {0};
    uint32_t all = 0;

    split_words(&rq->arena, q->q, &list);
    accounts_each_user(a, count_user, &all);
    list.at = arena_alloc(&rq->arena, (all + 1) * sizeof(*list.at));
    accounts_each_user(a, take_user, &list);
    qsort(list.at, list.n, sizeof(*list.at), by_rank);
    if (list.n > limit) {
        list.n = limit;
        p.next = list.at[limit - 1].rank;
    }
    (void)answer_begin(rq);
    page_begin(rq);
    for (uint32_t i = 0; i < list.n; i++)
        render_user(&rq->render.j, a, list.at[i].row);
    page_end(rq, &p);
    answer_send(rq);
}

static void user_one(struct req *rq)
{
    answer_user(rq, (struct user_id){rq->ids[0]});
}

/* ---- an admin makes one ---- */

struct user_body {
    const char *login;
    const char *password;
    struct person person;
    bool verified;
    bool admin;
};

static const struct field user_fields[] = {
    LOGIN_FIELD(struct user_body),
    PASSWORD_FIELD(struct user_body, password, 0, 0, "without one the answer holds a link to choose it"),
    PERSON_FIELDS(struct user_body, person),
    {.name = "verified",
     .type = FIELD_BOOL,
     .offset = offsetof(struct user_body, verified),
     .help = "may work at once",
     .preset = "true"},
    {.name = "admin",
     .type = FIELD_BOOL,
     .offset = offsetof(struct user_body, admin),
     .help = "may do everything",
     .preset = "false"},
    {.type = FIELD_END},
};
static const struct user_body user_preset = {
    .person = {.email = "", .first_name = "", .last_name = "", .position = ""}, .verified = true};

struct added {
    struct user_id id;
    bool has_link;
    struct made_link link;
};

static void on_added(struct req *rq)
{
    const struct added *added = rq->state;
    const struct user_row *u = accounts_user(rq->api->accounts, added->id);
    struct json_out *j = answer_begin(rq);

    jo_obj(j);
    render_user_members(j, rq->api->accounts, u);
    jo_key(j, "link");
    if (added->has_link)
        render_link(j, &added->link);
    else
        jo_null(j);
    jo_obj_end(j);
    answer_send(rq);
}

static void add_user(struct req *rq, const char *made)
{
    const struct user_body *in = rq->body;
    struct new_user u = new_user_of(in->login, &in->person, made);
    struct added *added = arena_alloc(&rq->arena, sizeof(*added));
    struct accounts *a = rq->api->accounts;
    struct accounts_out out;
    enum err err;

    u.verified = in->verified;
    u.admin = in->admin;
    rq->state = added;
    accounts_out_init(&out);
    err = accounts_add(a, wall_now(), &u, &out, &added->id, &rq->why);
    added->has_link = made[0] == '\0';
    if (err == ERR_OK && added->has_link)
        err = link_make(rq, accounts_user(a, added->id), LINK_INVITE, false, &out, &added->link, &rq->why);
    finish_command(rq, err, &out, on_added);
}

static void user_add(struct req *rq)
{
    const struct user_body *in = rq->body;

    audit_user(rq, in->login, in->admin ? "as an admin" : in->verified ? "verified" : "not verified");
    if (in->password == NULL)
        add_user(rq, "");
    else if (login_check(in->login, &rq->why) != ERR_OK ||
             password_check(in->password, in->login, &rq->why) != ERR_OK)
        req_error(rq, &rq->why);
    else
        make_password(rq, in->password, add_user);
}

/* ---- an admin changes one ---- */

#define MAYBE(member_, help_)                                                                               \
    {                                                                                                       \
        .name = #member_, .type = FIELD_MAYBE, .offset = offsetof(struct user_edit, member_), .help = help_ \
    }

static const struct field change_fields[] = {
    PERSON_FIELDS(struct user_edit, profile),
    MAYBE(verified, "may work"),
    MAYBE(locked, "cannot sign in; its sessions end at once"),
    MAYBE(admin, "may do everything"),
    MAYBE(email_confirmed, "the address is known to be the person's (true only)"),
    {.type = FIELD_END},
};
static const struct user_edit change_preset = {
    .verified = -1, .locked = -1, .admin = -1, .email_confirmed = -1};

static const char *word_of(int maybe, const char *yes, const char *no)
{
    return maybe < 0 ? "" : maybe == 1 ? yes : no;
}

static void say_change(struct req *rq, const char *login, const struct user_edit *in)
{
    bool edits = in->profile.email != NULL || in->profile.first_name != NULL ||
                 in->profile.last_name != NULL || in->profile.position != NULL;

    audit_user(rq, login,
               arena_printf(&rq->arena, "%s%s%s%s%s", edits ? "profile " : "",
                            word_of(in->verified, "verified ", "not verified "),
                            word_of(in->locked, "locked ", "unlocked "),
                            word_of(in->admin, "admin ", "no admin "),
                            word_of(in->email_confirmed, "email confirmed ", "")));
}

static void answer_changed(struct req *rq)
{
    const bool *is_let_in = rq->state;
    const struct user_row *u = accounts_user(rq->api->accounts, (struct user_id){rq->ids[0]});

    if (*is_let_in && user_state(rq->api->accounts, u) == USER_ACTIVE && u->email[0] != '\0')
        notice_mail(rq, "verified", u->email, u->login);
    answer_user(rq, (struct user_id){rq->ids[0]});
}

static void user_change(struct req *rq)
{
    const struct user_edit *in = rq->body;
    const struct user_row *u = user_of_path(rq);
    bool *is_let_in = arena_alloc(&rq->arena, sizeof(*is_let_in));
    struct accounts_out out;
    enum err err;

    if (u == NULL)
        return;
    *is_let_in = in->verified == 1 && u->verified_at.ms == 0;
    rq->state = is_let_in;
    say_change(rq, u->login, in);
    if (in->email_confirmed == 0) {
        req_fail(rq, ERR_INVALID, "email_confirmed",
                 "email_confirmed: it can be set only; another address is not confirmed by itself");
        return;
    }
    accounts_out_init(&out);
    err = accounts_change(rq->api->accounts, wall_now(), u->id, in, &out, &rq->why);
    finish_command(rq, err, &out, answer_changed);
}

/* ---- links, sessions, the end ---- */

struct link_body {
    int purpose;
    bool mail;
};

static const char *const purposes[] = {"invite", "reset", "confirm", NULL};
_Static_assert(ARRAY_LEN(purposes) == LINK_PURPOSE_COUNT + 1, "a name for each purpose, in their order");

static const struct field user_link_fields[] = {
    {.name = "purpose",
     .type = FIELD_ENUM,
     .offset = offsetof(struct link_body, purpose),
     .flags = FIELD_REQUIRED,
     .names = purposes,
     .help = "choose the first password, choose another one, or confirm the address"},
    {.name = "mail",
     .type = FIELD_BOOL,
     .offset = offsetof(struct link_body, mail),
     .help = "also send it to the user's address: whoever uses it then has confirmed it",
     .preset = "false"},
    {.type = FIELD_END},
};

static void on_user_link(struct req *rq)
{
    const struct made_link *link = rq->state;
    const struct user_row *u = accounts_user(rq->api->accounts, (struct user_id){rq->ids[0]});

    if (link->is_mailed && u != NULL)
        link_mail(rq, u, link);
    render_link(answer_begin(rq), link);
    answer_send(rq);
}

static void user_link(struct req *rq)
{
    const struct link_body *in = rq->body;
    const struct user_row *u = user_of_path(rq);
    struct made_link *link;
    struct accounts_out out;
    enum err err;

    if (u == NULL)
        return;
    audit_user(rq, u->login, purposes[in->purpose]);
    if (in->mail && !has_mail(rq))
        return;
    link = arena_alloc(&rq->arena, sizeof(*link));
    rq->state = link;
    accounts_out_init(&out);
    err = link_make(rq, u, (enum link_purpose)in->purpose, in->mail, &out, link, &rq->why);
    finish_command(rq, err, &out, on_user_link);
}

static void on_sessions_ended(struct req *rq)
{
    answer_ended(rq, *(const uint32_t *)rq->state);
}

static void user_sign_out(struct req *rq)
{
    const struct user_row *u = user_of_path(rq);
    uint32_t *n = arena_alloc(&rq->arena, sizeof(*n));
    struct accounts_out out;

    if (u == NULL)
        return;
    audit_user(rq, u->login, "");
    accounts_out_init(&out);
    *n = accounts_end_sessions(rq->api->accounts, u->id, 0, &out);
    rq->state = n;
    req_save(rq, &out, on_sessions_ended);
}

static void user_deletion(struct req *rq)
{
    const struct user_row *u = user_of_path(rq);

    if (u != NULL)
        deletion_answer(rq, u->id);
}

static void user_delete(struct req *rq)
{
    const struct user_row *u = user_of_path(rq);

    if (u == NULL)
        return;
    audit_user(rq, u->login, "");
    deletion_do(rq, u->id, answer_nothing);
}

const struct route user_routes[] = {
    {ROUTE(POST, ANYONE, "/api/v1/signup", sign_up, "Make an account; an admin lets it in.", "me"),
     .audit = "account.sign_up", .status = 201, BODY(sign_up_fields, struct sign_up_body),
     .body_preset = &sign_up_preset},
    {ROUTE(GET, ADMIN_LOOK, "/api/v1/users", users_list, "Users, those that wait first, then newest first.",
           "page of user"),
     .query = users_query_fields, .query_bytes = sizeof(struct users_query),
     .query_preset = &users_query_preset},
    {ROUTE(POST, ADMIN, "/api/v1/users", user_add, "Make an account for somebody.", "new_user"),
     .audit = "user.add", .status = 201, BODY(user_fields, struct user_body), .body_preset = &user_preset},
    {ROUTE(GET, ADMIN_LOOK, "/api/v1/users/{user}", user_one, "One user, also one that was deleted.",
           "user")},
    {ROUTE(POST, ADMIN, "/api/v1/users/{user}", user_change, "Change an account; what is not given stays.",
           "user"),
     .audit = "user.change", BODY(change_fields, struct user_edit), .body_preset = &change_preset},
    {ROUTE(DELETE, ADMIN, "/api/v1/users/{user}", user_delete,
           "Delete an account; its launches are stopped, its history stays.", "nothing"),
     .audit = "user.delete"},
    {ROUTE(POST, ADMIN, "/api/v1/users/{user}/link", user_link, "Make a link that can be used once.", "link"),
     .audit = "user.link", .status = 201, BODY(user_link_fields, struct link_body)},
    {ROUTE(DELETE, ADMIN, "/api/v1/users/{user}/sessions", user_sign_out, "Sign a user out everywhere.",
           "ended"),
     .audit = "user.sign_out"},
    {ROUTE(GET, ADMIN_LOOK, "/api/v1/users/{user}/deletion", user_deletion,
           "What goes with an account, and what stays.", "deletion")},
    ROUTES_END,
};
