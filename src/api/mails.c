/* mails.c - mail, for admins: what waits and what became of it, a test mail, another try. Bodies are never shown: they
 * may hold links that open accounts. */
#include "api/api_private.h"

/* ---- reading ---- */

static const char *const states[] = {"waiting", "sent", "failed", NULL};
_Static_assert(ARRAY_LEN(states) == MAIL_STATE_COUNT + 1, "a name for each state, in their order");

struct mails_query {
    struct page_query page;
    int state; /* -1 any */
};

static const struct field mails_query_fields[] = {
    PAGE_FIELDS(struct mails_query),
    {.name = "state",
     .type = FIELD_ENUM,
     .offset = offsetof(struct mails_query, state),
     .names = states,
     .help = "only mails in this state"},
    {.type = FIELD_END},
};
static const struct mails_query mails_query_preset = {.page = PAGE_PRESET, .state = -1};

static void render_mail(struct json_out *j, const struct mail_row *row)
{
    jo_obj(j);
    jo_kuint(j, "id", row->id);
    jo_ktext(j, "state", mail_state_name(row->state));
    jo_ktext(j, "to", row->to);
    jo_ktext(j, "kind", row->kind);
    jo_ktext(j, "subject", row->subject);
    jo_ktext(j, "message_id", row->message_id);
    jo_ktime(j, "created_at", row->created_at);
    jo_ktime(j, "next_at", row->state == MAIL_WAITING ? row->next_at : (struct wall){0});
    jo_ktime(j, "ended_at", row->ended_at);
    jo_kuint(j, "tries", row->tries);
    jo_ktext_or_null(j, "error", row->error);
    jo_obj_end(j);
}

static void each_mail(void *ctx, const struct mail_row *row)
{
    struct req *rq = ctx;

    render_mail(&rq->render.j, row);
}

static void list_job(struct reader *r, struct req *rq)
{
    const struct mails_query *q = rq->query;
    struct page page = page_of(&q->page);

    page_begin(rq);
    rq->err = read_mails(r, q->state, &page, each_mail, rq, &rq->why);
    page_end(rq, &page);
}

static void mails_list(struct req *rq)
{
    req_read(rq, list_job, NULL);
}

static void one_job(struct reader *r, struct req *rq)
{
    rq->err = read_mail(r, rq->ids[0], each_mail, rq, &rq->why);
}

static void mails_one(struct req *rq)
{
    req_read(rq, one_job, NULL);
}

/* ---- commands ---- */

struct test_body {
    const char *to;
};

static const struct field test_fields[] = {
    {.name = "to",
     .type = FIELD_TEXT,
     .offset = offsetof(struct test_body, to),
     .max = MAIL_ADDRESS_BYTES_MAX,
     .help = "an address; absent: the first of admin_emails"},
    {.type = FIELD_END},
};
static const struct test_body test_preset = {.to = ""};

static void on_queued(void *ctx, uint64_t id, enum err err, const struct why *why)
{
    struct req *rq = ctx;

    if (rq->http != NULL && !rq->api->is_closed) {
        rq->ids[0] = id;
        if (err != ERR_OK)
            req_error(rq, why);
        else
            req_read(rq, one_job, NULL);
    }
    req_release(rq);
}

static void mails_test(struct req *rq)
{
    const struct test_body *in = rq->body;
    struct why why = {0};

    req_hold(rq);
    if (rq->api->opts.mail_test(rq->api->opts.ctx, in->to, on_queued, rq, &why) != ERR_OK) {
        req_error(rq, &why);
        req_release(rq);
    }
}

static void on_retried(void *ctx, uint64_t waiting, enum err err, const struct why *why)
{
    struct req *rq = ctx;
    struct json_out j;
    struct buf out;

    if (rq->http != NULL && err != ERR_OK) {
        req_error(rq, why);
    } else if (rq->http != NULL) {
        buf_init(&out, KIB(1));
        jo_begin(&j, &out);
        jo_obj(&j);
        jo_kuint(&j, "waiting", waiting);
        jo_obj_end(&j);
        req_json(rq, 200, &out);
    }
    req_release(rq);
}

static void mails_retry(struct req *rq)
{
    req_hold(rq);
    rq->api->opts.mail_retry(rq->api->opts.ctx, on_retried, rq);
}

void api_set_mail(struct api *a, void (*mail)(void *ctx, const struct api_mail *m))
{
    a->opts.mail = mail;
}

const struct route mail_routes[] = {
    {ROUTE(GET, ADMIN_LOOK, "/api/v1/mails", mails_list, "Mail that waits, was sent or failed, newest first.",
           "page of mail"),
     .query = mails_query_fields, .query_bytes = sizeof(struct mails_query),
     .query_preset = &mails_query_preset},
    {ROUTE(GET, ADMIN_LOOK, "/api/v1/mails/{mail}", mails_one, "One mail, without its text.", "mail")},
    {ROUTE(POST, ADMIN, "/api/v1/mails/test", mails_test,
           "Queue a test mail; 503 when no mail is configured.", "mail"),
     .audit = "mail.test", .status = 201, .body_kind = BODY_JSON, .body = test_fields,
     .body_bytes = sizeof(struct test_body), .body_preset = &test_preset},
    {ROUTE(POST, ADMIN, "/api/v1/mails/retry", mails_retry,
           "Try all that wait now, and those that failed once more.", "mails_waiting"),
     .audit = "mail.retry"},
    ROUTES_END,
};
