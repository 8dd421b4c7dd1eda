/* sessions.c - where one is signed in. */
#include "api/account_common.h"

struct session_list {
    const struct req *rq;
    struct json_out *j;
};

static void each_session(void *ctx, const struct session_row *s)
{
    const struct session_list *list = ctx;
    const struct principal *who = &list->rq->who;

    jo_obj(list->j);
    jo_kuint(list->j, "id", s->id);
    jo_kbool(list->j, "current", who->via == VIA_SESSION && who->id == s->id);
    jo_ktime(list->j, "created_at", s->created_at);
    jo_ktime(list->j, "seen_at", s->seen_at);
    jo_ktime(list->j, "expires_at", accounts_session_expires(list->rq->api->accounts, s));
    jo_ktext(list->j, "address", s->address);
    jo_ktext(list->j, "agent", s->agent);
    jo_obj_end(list->j);
}

static void sessions_list(struct req *rq)
{
    struct session_list list = {.rq = rq, .j = answer_begin(rq)};

    jo_arr(list.j);
    accounts_each_session(rq->api->accounts, rq->who.user, each_session, &list);
    jo_arr_end(list.j);
    answer_send(rq);
}

static void session_remove(struct req *rq)
{
    struct accounts_out out;
    enum err err;

    accounts_out_init(&out);
    err = accounts_end_session(rq->api->accounts, rq->who.user, rq->ids[0], &out, &rq->why);
    if (err == ERR_OK && rq->who.via == VIA_SESSION && rq->who.id == rq->ids[0])
        auth_cookie(rq, "");
    finish_command(rq, err, &out, answer_nothing);
}

static void on_others_ended(struct req *rq)
{
    answer_ended(rq, *(const uint32_t *)rq->state);
}

static void sessions_remove(struct req *rq)
{
    uint32_t *n = arena_alloc(&rq->arena, sizeof(*n));
    uint64_t keep = rq->who.via == VIA_SESSION ? rq->who.id : 0;
    struct accounts_out out;

    accounts_out_init(&out);
    *n = accounts_end_sessions(rq->api->accounts, rq->who.user, keep, &out);
    rq->state = n;
    req_save(rq, &out, on_others_ended);
}

const struct route session_routes[] = {
    {ROUTE(GET, ACCOUNT_LOOK, "/api/v1/sessions", sessions_list, "Where one is signed in.", "[session]")},
    {ROUTE(DELETE, ACCOUNT, "/api/v1/sessions", sessions_remove, "End every session but this one.", "ended"),
     .audit = "session.end_others"},
    {ROUTE(DELETE, ACCOUNT, "/api/v1/sessions/{session}", session_remove, "End a session.", "nothing"),
     .audit = "session.end"},
    ROUTES_END,
};
