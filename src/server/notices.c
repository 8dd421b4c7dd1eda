/* notices.c - what happened becomes mail: what is due is taken, read, written, and put into the queue of mail in the commit that
 * ends it. Wherever the server dies, it is told once: what was taken and not told is told by the next one.
 *
 * When, to whom and in which words: notify/notice.h, notify/notice_text.h. Nothing waits for this: it reads and writes beside
 * everything else, one mail at a time. */
#include "server/notices.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "accounts/accounts.h"
#include "base/fault.h"
#include "base/log.h"
#include "notify/notify.h"
#include "server/server.h"

#define GROUPS_MAX 200u /* looked at a time, the oldest first */
#define LOOK_MS 60000   /* at the latest: the clock may have jumped */
#define AGAIN_MS 60000  /* after the store has refused something */
#define PRUNE_MS (3600 * 1000)
#define TO_MAX 100u    /* admins that are written to */
#define ERRORS_MAX 32u /* error lines that wait to be stored; more are counted by their first */

struct error_line {
    char event[NOTICE_WORD_BYTES_MAX + 1];
    char fields[NOTICE_TEXT_BYTES_MAX];
};

struct notices {
    struct server *server;
    uv_timer_t timer;
    uv_async_t error; /* an error line was written, by whichever thread */
    unsigned handles;
    bool is_busy;
    bool look_again;
    bool is_halted;
    struct mono pruned_at;
    uint64_t n_pruned;
    pthread_mutex_t lock;
    struct error_line lines[ERRORS_MAX]; /* under lock */
    unsigned n_lines;                    /* under lock */
};

static void look(struct notices *n);

static struct notice_rules rules_of(const struct server *s)
{
    const struct settings *set = &s->opts.config->set;

    return (struct notice_rules){.first_ms = set->mail_first_s * 1000, .again_ms = set->mail_again_s * 1000};
}

static void on_timer(uv_timer_t *h)
{
    look(h->data);
}

static void look_in(struct notices *n, int64_t ms)
{
    if (n->is_halted)
        return;
    uv_update_time(&n->server->loop);
    (void)uv_timer_start(&n->timer, on_timer, ms < 1 ? 1 : (uint64_t)(ms < LOOK_MS ? ms : LOOK_MS), 0);
}

static void idle(struct notices *n, int64_t look_ms)
{
    n->is_busy = false;
    if (n->is_halted)
        return;
    if (n->look_again)
        look(n);
    else if (look_ms >= 0)
        look_in(n, look_ms);
}

static void say_refused(const struct notices *n, const char *what, const struct why *why)
{
    char text[300];

    if (!n->is_halted) /* not an error: an error line would become a notice itself */
        LOG_WARN("notice.later", "what=%s why=%s", what, log_quote(text, sizeof(text), why->text));
}

/* ---- a mail ---------------------------------------------------------------------------------------------- */

static void telling_free(struct telling *t)
{
    arena_done(&t->arena);
    free(t);
}

static void on_told(void *ctx, enum err err, const struct why *why)
{
    struct telling *t = ctx;
    struct notices *n = t->notices;

    if (err == ERR_OK && t->is_wanted && !n->is_halted) {
        LOG_INFO("notice.told", "kind=%s user=%llu mails=%u", notice_kind_name(t->kind),
                 (unsigned long long)t->user.v, t->n_to);
        mails_look(n->server);
    }
    if (err != ERR_OK && err != ERR_NOTFOUND)
        say_refused(n, "told", why);
    n->look_again = n->look_again || err == ERR_OK;
    telling_free(t);
    idle(n, AGAIN_MS);
}

/* No mails: nobody wants it, nobody can get it. Then it is over without a word. */
static void tell(struct telling *t)
{
    struct notices *n = t->notices;
    struct notices_told told = {.kind = t->kind, .user = t->user, .at = wall_now()};
    struct mail_row *rows = arena_alloc(&t->arena, (t->n_to + 1) * sizeof(*rows));
    char group[MAIL_WORD_BYTES_MAX];
    char text[300];

    notice_group_word(t->kind, t->user, group, sizeof(group));
    for (uint32_t i = 0; t->is_wanted && i < t->n_to; i++) {
        struct why why = {0};
        struct mail mail = {.to = t->to[i],
                            .subject = t->subject,
                            .text = t->text,
                            .html = t->html,
                            .kind = t->template_kind,
                            .group = arena_strdup(&t->arena, group)};

        if (mails_row(n->server, &mail, &t->arena, &rows[told.n_mails], &why) == ERR_OK)
            told.n_mails++;
        else
            LOG_WARN("notice.not_written", "kind=%s why=%s", notice_kind_name(t->kind),
                     log_quote(text, sizeof(text), why.text));
    }
    t->is_wanted = told.n_mails > 0;
    t->n_to = told.n_mails;
    told.mails = rows;
    store_notices_told(n->server->store, &told, on_told, t);
}

static void on_read(void *arg)
{
    struct telling *t = arg;
    struct notices *n = t->notices;

    if (n->is_halted) {
        telling_free(t);
        idle(n, -1);
        return;
    }
    if (t->err == ERR_IO) {
        say_refused(n, "read", &t->why);
        telling_free(t);
        idle(n, AGAIN_MS);
        return;
    }
    if (t->err != ERR_OK) { /* its words cannot be made: the next ones perhaps can */
        say_refused(n, "written", &t->why);
        t->is_wanted = false;
    }
    tell(t);
}

struct to_list {
    struct telling *t;
    const char **at;
};

static void add_to(void *ctx, const char *email)
{
    struct to_list *l = ctx;

    if (l->t->n_to < TO_MAX)
        l->at[l->t->n_to++] = arena_strdup(&l->t->arena, email);
}

/* Whoever may sign in and has shown that the address is theirs. */
static bool can_get_mail(const struct accounts *a, const struct user_row *u)
{
    return u != NULL && u->deleted_at.ms == 0 && u->locked_at.ms == 0 && u->email_confirmed_at.ms != 0 &&
           u->email[0] != '\0' && accounts_role(a, u) >= ROLE_USER;
}

static void find_receivers(struct telling *t)
{
    const struct server *s = t->notices->server;
    const struct accounts *a = api_accounts(s->api);
    struct to_list l = {t, arena_alloc(&t->arena, TO_MAX * sizeof(const char *))};
    const struct user_row *u;

    t->to = l.at;
    t->login = "";
    if (!mails_can_be_sent(s))
        return;
    if (notice_is_for_admins(t->kind)) {
        accounts_each_admin_email(a, add_to, &l);
        return;
    }
    u = accounts_user(a, t->user);
    if (!can_get_mail(a, u) || !notice_kind_is_wanted(&u->mail, t->kind))
        return;
    t->login = arena_strdup(&t->arena, u->login);
    t->choices = u->mail;
    add_to(&l, u->email);
}

static void write_mail(struct notices *n, enum notice_kind kind, struct user_id user)
{
    struct telling *t = xcalloc(1, sizeof(*t));

    t->notices = n;
    t->kind = kind;
    t->user = user;
    arena_init(&t->arena);
    find_receivers(t);
    if (t->n_to == 0) {
        tell(t);
        return;
    }
    mails_site(n->server, &t->arena, &t->site);
    store_read(n->server->store, notice_read_job, on_read, t);
}

/* ---- what is due ----------------------------------------------------------------------------------------- */

struct taking {
    struct notices *n;
    enum notice_kind kind;
    struct user_id user;
};

static void on_taken(void *ctx, enum err err, const struct why *why)
{
    struct taking *tk = ctx;
    struct notices *n = tk->n;

    if (n->is_halted) {
        idle(n, -1);
    } else if (err != ERR_OK) {
        say_refused(n, "taken", why);
        idle(n, AGAIN_MS);
    } else {
        fault_crash("notice.crash_taken");
        write_mail(n, tk->kind, tk->user);
    }
    free(tk);
}

struct looking {
    struct notices *n;
    struct notice_rules rules;
    struct wall now;
    struct wall due; /* the earliest of those that wait */
    bool has_due;
    struct notice_group first; /* the one whose turn it is */
    bool has_first;
    enum err err;
    struct why why;
};

static void each_group(void *ctx, const struct notice_group *g)
{
    struct looking *l = ctx;
    struct wall due = notice_due(g, &l->rules, l->now);

    if (due.ms <= l->now.ms) {
        if (!l->has_first || (g->is_taken && !l->first.is_taken)) {
            l->first = *g;
            l->has_first = true;
        }
    } else if (!l->has_due || due.ms < l->due.ms) {
        l->due = due;
        l->has_due = true;
    }
}

static void look_job(struct reader *r, void *arg)
{
    struct looking *l = arg;

    l->err = read_notice_groups(r, GROUPS_MAX, each_group, l, &l->why);
}

static void on_pruned(void *ctx, enum err err, const struct why *why)
{
    struct notices *n = ctx;

    (void)err;
    (void)why; /* a broken store says so by itself */
    if (n->n_pruned > 0 && !n->is_halted)
        LOG_WARN("notice.pruned", "n=%llu", (unsigned long long)n->n_pruned);
}

static void prune(struct notices *n)
{
    struct mono now = mono_now();

    if (mono_ms_between(n->pruned_at, now) < PRUNE_MS)
        return;
    n->pruned_at = now;
    store_notices_prune(n->server->store, (struct wall){wall_now().ms - NOTICE_KEPT_MS}, &n->n_pruned,
                        on_pruned, n);
}

static void on_looked(void *arg)
{
    struct looking *l = arg;
    struct notices *n = l->n;
    struct taking *tk;

    if (l->err != ERR_OK) {
        say_refused(n, "looked", &l->why);
        idle(n, AGAIN_MS);
    } else if (n->is_halted) {
        idle(n, -1);
    } else if (!l->has_first) {
        prune(n);
        idle(n, l->has_due ? l->due.ms - l->now.ms : LOOK_MS);
    } else {
        tk = xcalloc(1, sizeof(*tk));
        *tk = (struct taking){n, l->first.kind, l->first.user};
        store_notices_take(n->server->store, tk->kind, tk->user, on_taken, tk);
    }
    free(l);
}

static void look(struct notices *n)
{
    struct looking *l;

    if (n->is_halted)
        return;
    n->look_again = n->is_busy;
    if (n->is_busy)
        return;
    n->is_busy = true;
    l = xcalloc(1, sizeof(*l));
    l->n = n;
    l->rules = rules_of(n->server);
    l->now = wall_now();
    store_read(n->server->store, look_job, on_looked, l);
}

void notices_look(struct server *s)
{
    if (s->notices != NULL)
        look(s->notices);
    posts_look(s); /* what people are told, programs may be */
}

/* ---- error lines of the log ------------------------------------------------------------------------------ */

/* About mail by mail would never end; what ends the server cannot be told by it. */
static bool is_told(const char *event)
{
    return strncmp(event, "mail.", 5) != 0 && strncmp(event, "notice.", 7) != 0 &&
           strncmp(event, "hook.", 5) != 0 && strncmp(event, "store.", 6) != 0;
}

/* Any thread. */
static void on_error_line(void *ctx, const char *event, const char *fields)
{
    struct notices *n = ctx;

    if (!is_told(event))
        return;
    (void)pthread_mutex_lock(&n->lock);
    if (n->n_lines < ERRORS_MAX) {
        struct error_line *l = &n->lines[n->n_lines++];

        (void)snprintf(l->event, sizeof(l->event), "%s", event);
        (void)snprintf(l->fields, sizeof(l->fields), "%.*s", (int)sizeof(l->fields) - 1, fields);
    }
    (void)pthread_mutex_unlock(&n->lock);
    (void)uv_async_send(&n->error);
}

static void on_error_stored(void *ctx, enum err err, const struct why *why)
{
    struct notices *n = ctx;

    (void)why;
    if (err == ERR_OK)
        notices_look(n->server);
}

static void on_error_wake(uv_async_t *h)
{
    struct notices *n = h->data;
    struct error_line lines[ERRORS_MAX];
    unsigned n_lines;

    (void)pthread_mutex_lock(&n->lock);
    n_lines = n->n_lines;
    memcpy(lines, n->lines, n_lines * sizeof(*lines));
    n->n_lines = 0;
    (void)pthread_mutex_unlock(&n->lock);
    for (unsigned i = 0; i < n_lines && !n->is_halted; i++)
        store_notice_add(n->server->store,
                         &(struct notice_row){.kind = NOTICE_ERROR,
                                              .word = lines[i].event,
                                              .name = "",
                                              .text = lines[i].fields,
                                              .at = wall_now()},
                         on_error_stored, n);
}

/* ---- begin and end --------------------------------------------------------------------------------------- */

void notices_open(struct server *s)
{
    struct notices *n;

    if (s->opts.private_fd >= 0)
        return; /* of a single `wrata run`: whoever started it looks at it */
    n = xcalloc(1, sizeof(*n));
    n->server = s;
    n->pruned_at = mono_add_ms(mono_now(), -PRUNE_MS);
    CHECK(pthread_mutex_init(&n->lock, NULL) == 0);
    CHECK(uv_timer_init(&s->loop, &n->timer) == 0);
    CHECK(uv_async_init(&s->loop, &n->error, on_error_wake) == 0);
    n->timer.data = n->error.data = n;
    n->handles = 2;
    s->notices = n;
    log_set_watch(on_error_line, n);
    look(n);
}

void notices_halt(struct server *s)
{
    if (s->notices == NULL)
        return;
    s->notices->is_halted = true;
    log_set_watch(NULL, NULL);
    (void)uv_timer_stop(&s->notices->timer);
}

static void on_closed(uv_handle_t *h)
{
    struct notices *n = h->data;

    if (--n->handles > 0)
        return;
    CHECK(pthread_mutex_destroy(&n->lock) == 0);
    free(n);
}

void notices_free(struct server *s)
{
    struct notices *n = s->notices;

    if (n == NULL)
        return;
    s->notices = NULL;
    uv_close((uv_handle_t *)&n->timer, on_closed);
    uv_close((uv_handle_t *)&n->error, on_closed);
}
