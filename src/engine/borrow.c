/* borrow.c - servers that a launch gets for itself, and gives back when it is over: what a schedule asks for.
 *
 * They are booked for its user in the same commit that adds the launch, as many of those wanted as there can be: first what is
 * free, then machines that are switched on for it. It is limited to them, and they run its tests alone. With its end
 * they are free again, and those that were switched on for it are switched off; also this is in the commit that ends
 * it, so it happens once, wherever wrata dies. Whoever unbooks one meanwhile, or books it anew, has it: the launch
 * then gives nothing back.
 *
 * When none of them is there after BORROW_MS the launch is stopped, and says what became of them; the same when it has begun
 * and, at a look that is taken as often, all of them are gone for good.
 *
 * Invariant: E32 (engine_check.c). */
#include "engine/engine_private.h"

bool server_is_for(const struct server *s, const struct launch *l)
{
    return server_serves(s, l->user) && (s->row.booked_for.v == 0 || s->row.booked_for.v == l->id.v);
}

/* Before it has begun a server must answer; after that a link that is broken for a moment is none of its ends. */
static bool is_there(const struct engine *e, const struct launch *l)
{
    bool has_begun = l->row.started_at.ms != 0;
    const struct server *s;
    uint32_t i;

    for (i = 0; i < l->row.n_servers; i++) {
        s = server_by_id(e, (struct server_id){l->row.servers[i]});
        if (s == NULL || !server_is_for(s, l))
            continue;
        if (has_begun ? s->row.status == SERVER_CREATED || s->row.status == SERVER_CREATING
                      : s->row.link == LINK_ONLINE && server_is_usable(s))
            return true;
    }
    return false;
}

/* "none of the 2 servers booked for it was there after 30 min; web-1 is destroyed: the cloud does not make it" */
static const char *what_became(struct engine *e, const struct launch *l)
{
    struct arena *a = &e->out->arena;
    const char *text =
        l->row.started_at.ms != 0
            ? arena_printf(a, "none of the %u servers booked for it is there any more", l->row.n_servers)
            : arena_printf(a, "none of the %u servers booked for it was there after %d min", l->row.n_servers,
                           (int)(BORROW_MS / 60000));
    const struct server *s;
    const char *why;
    uint32_t shown = 0;
    uint32_t i;

    for (i = 0; i < l->row.n_servers && shown < 2; i++) {
        s = server_by_id(e, (struct server_id){l->row.servers[i]});
        if (s == NULL)
            continue;
        why = s->row.progress[0] != '\0' ? s->row.progress : s->row.status_reason;
        if (s->row.status == SERVER_CREATED)
            why = s->row.link_reason;
        text = arena_printf(a, "%.300s; %s is %s%s%.120s", text, s->row.name,
                            s->row.status == SERVER_CREATED ? link_state_name(s->row.link)
                                                            : server_status_name(s->row.status),
                            why[0] != '\0' ? ": " : "", why);
        shown++;
    }
    return text;
}

void borrow_on_timer(struct engine *e, struct launch *l)
{
    struct change c = {.kind = CHANGE_START_FAILED};

    if (l->row.state != LAUNCH_RUNNING)
        return;
    if (is_there(e, l)) {
        timer_set(&e->timers, &l->borrow, TIMER_BORROW, l, mono_add_ms(e->now.mono, BORROW_MS));
        return;
    }
    l->stop_reason = arena_strdup(&l->arena, what_became(e, l));
    c.start_failed.launch = l->id;
    c.start_failed.reason = l->stop_reason;
    outbox_change(e->out, &c);
    TRACE(e, "launch %llu: %s", (unsigned long long)l->id.v, l->stop_reason);
    CHECK(launch_state_set(e, l, LAUNCH_BY_STOP));
}

void borrow_start(struct engine *e, struct launch *l)
{
    int64_t left = l->row.created_at.ms + BORROW_MS - e->now.wall.ms;

    if (l->row.books == 0)
        return;
    left = left < BORROW_BOOT_MS ? BORROW_BOOT_MS : left > BORROW_MS ? BORROW_MS : left;
    timer_set(&e->timers, &l->borrow, TIMER_BORROW, l, mono_add_ms(e->now.mono, left));
}

static void give_back(struct engine *e, struct launch *l)
{
    struct server *s;
    uint32_t i;
    bool is_off;

    for (i = 0; i < l->row.n_servers; i++) {
        s = server_by_id(e, (struct server_id){l->row.servers[i]});
        if (s == NULL || s->row.booked_for.v != l->id.v)
            continue;
        is_off = s->row.off_after;
        server_book_for(e, s, (struct user_id){0});
        if (is_off && (s->row.status == SERVER_CREATED || s->row.status == SERVER_CREATING))
            server_power_off(e, s, SERVER_BY_OFF,
                             arena_printf(&e->out->arena,
                                          "launch %llu, which it was switched on for, is over",
                                          (unsigned long long)l->id.v));
    }
}

/* At the end of the turn in which they ended: their runs have left the servers by then. */
void borrow_flush(struct engine *e)
{
    struct launch *l;

    while ((l = e->giving) != NULL) {
        SET_REMOVE(e->giving, l, giving);
        give_back(e, l);
    }
}
