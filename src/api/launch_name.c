/* launch_name.c - what a launch is called; also one that is over. */
#include "api/api_private.h"

const struct field launch_name_fields[] = {
    {.name = "name",
     .type = FIELD_TEXT,
     .offset = offsetof(struct launch_name_body, name),
     .flags = FIELD_REQUIRED,
     .max = NAME_BYTES_MAX,
     .help = "what people call it; empty: nothing"},
    {.type = FIELD_END},
};

static void on_named(struct req *rq, uint64_t id)
{
    rq->ids[0] = id;
    req_read(rq, launch_job, NULL);
}

void launch_rename(struct req *rq)
{
    const struct launch_name_body *in = rq->body;
    struct event ev = {.kind = EV_LAUNCH_NAME, .launch_name = {{rq->ids[0]}, in->name}};

    req_post(rq, &ev, on_named);
}
