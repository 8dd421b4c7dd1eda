/* room.c - a disk of the data folder that is full stops nobody and loses nothing: it is said, and things wait.
 *
 *   held    less than disk_hold_bytes: no run begins (engine/room.c), admins are told. What runs goes on
 *   tight   less than a quarter of that: what arrives of logs and results is kept, and not acknowledged, so that agents stop
 *           sending after a window and keep the rest on their own disks (streams.c)
 *   none    the store begins no transaction until there is room (store.c): not here
 *
 * Each ends when there is a quarter more than that. On a small disk they are parts of disk_low_percent of it. Looked at each
 * second; also once before anything is placed. */
#include "base/log.h"
#include "server/disk.h"
#include "server/server.h"

#define LOOK_MS 1000u

static void say(struct server *s, const struct disk_room_look *look)
{
    char text[400];

    if (look->state > s->room.state)
        LOG_ERROR("disk.full", "state=%s free=%llu why=%s", look->state == DISK_TIGHT ? "tight" : "held",
                  (unsigned long long)look->free_bytes, log_quote(text, sizeof(text), look->why));
    else
        LOG_INFO("disk.room", "state=%s free=%llu", look->state == DISK_HELD ? "held" : "room",
                 (unsigned long long)look->free_bytes);
}

static void room_look(struct server *s)
{
    struct disk_room_look look;
    enum disk_state was = s->room.state;

    disk_room_look(s->opts.data_dir, &s->opts.config->set, was, &look);
    if (look.state == was)
        return;
    say(s, &look);
    s->room = look;
    if ((was == DISK_ROOM) != (look.state == DISK_ROOM))
        server_post(
            s, &(struct event){.kind = EV_ROOM, .no_room = look.state == DISK_ROOM ? NULL : s->room.why});
    if ((was == DISK_TIGHT) != (look.state == DISK_TIGHT))
        streams_tight(s->streams, look.state == DISK_TIGHT);
}

static void on_room_timer(uv_timer_t *t)
{
    room_look(t->data);
}

void room_open(struct server *s)
{
    CHECK(uv_timer_init(&s->loop, &s->room_timer) == 0);
    s->room_timer.data = s;
    room_look(s);
    (void)uv_timer_start(&s->room_timer, on_room_timer, LOOK_MS, LOOK_MS);
}
