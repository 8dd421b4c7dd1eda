/* server_show.c - `wrata servers show NAME`: all that is known of one server, with how its machine is; and the same figures in
 * a sentence for the doctor. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli_private.h"
#include "cli/server_ops.h"
#include "cli/verbs.h"

/* "39.2 GiB of 80.0 GiB free (49 %)" */
static void put_room(struct buf *b, int64_t free_bytes, int64_t total_bytes)
{
    text_bytes(b, free_bytes);
    buf_puts(b, " of ");
    text_bytes(b, total_bytes);
    buf_printf(b, " free (%.0f %%)",
               total_bytes > 0 ? 100.0 * (double)free_bytes / (double)total_bytes : 0.0);
}

static void disk_line(const json_t *health, const char *key, const char *what)
{
    const json_t *disk = js_obj(health, key);
    struct buf b;

    if (!json_is_object(disk)) {
        say_line(what, "unknown");
        return;
    }
    buf_init(&b, KIB(4));
    put_room(&b, js_int(disk, "free_bytes"), js_int(disk, "total_bytes"));
    buf_printf(&b, " in %s", js_text(disk, "path"));
    say_line(what, buf_str(&b));
    buf_done(&b);
}

void server_clock_text(const json_t *health, struct buf *out)
{
    int64_t ms = js_int(health, "skew_ms");
    int64_t error_ms = js_int(health, "skew_error_ms");

    if (!json_is_integer(js_obj(health, "skew_ms")))
        buf_puts(out, "unknown");
    else if (ms <= error_ms && ms >= -error_ms)
        buf_printf(out, "as that of wrata, give or take %lld ms", (long long)error_ms);
    else
        buf_printf(out, "%.1f s %s that of wrata, give or take %lld ms", (double)(ms < 0 ? -ms : ms) / 1000.0,
                   ms < 0 ? "behind" : "ahead of", (long long)error_ms);
}

static void health_lines(const json_t *health)
{
    const json_t *tool;
    struct buf b;
    size_t i;

    if (!json_is_object(health)) {
        say_line("health", "unknown: its agent has not said it since wrata was started, or is too old to");
        return;
    }
    say_line("said at", js_text(health, "at"));
    buf_init(&b, KIB(64));
    server_clock_text(health, &b);
    say_line("clock", buf_str(&b));
    disk_line(health, "disk", "disk");
    disk_line(health, "tmp", "/tmp");
    buf_clear(&b);
    buf_printf(&b, "%.2f on %lld cores", json_number_value(js_obj(health, "load")),
               (long long)js_int(health, "cores"));
    say_line("load", buf_str(&b));
    buf_clear(&b);
    if (js_int(health, "memory_total_bytes") > 0)
        put_room(&b, js_int(health, "memory_available_bytes"), js_int(health, "memory_total_bytes"));
    say_line("memory", buf_str(&b));
    say_line("system", js_text(health, "os"));
    say_line("kernel", js_text(health, "kernel"));
    buf_clear(&b);
    json_array_foreach(js_obj(health, "tools"), i, tool)
        buf_printf(&b, "%s%s", i > 0 ? ", " : "", json_string_value(tool));
    say_line("tools", buf_str(&b));
    buf_done(&b);
}

static void use_lines(const json_t *s)
{
    const json_t *r;
    size_t i;

    if (js_text(s, "sick")[0] != '\0') {
        say_line("taken out", js_text(s, "sick"));
        say_line("since", js_text(s, "sick_since"));
    }
    if (json_is_true(js_obj(s, "maintenance")))
        say_line("maintenance", "it finishes what it runs, and takes no more");
    say_line("goes at", js_text(s, "destroys_at"));
    say_line("booked by", js_text(js_obj(s, "booked_by"), "login"));
    say_out("%-16s %lld", "slots", (long long)js_int(s, "slots"));
    json_array_foreach(js_obj(s, "running"), i, r)
        say_out("%-16s %s, run %lld of launch %lld: %s", i == 0 ? "running" : "", js_text(r, "path"),
                (long long)js_int(r, "run"), (long long)js_int(r, "launch"), js_text(r, "state"));
}

int servers_show(struct cli *cli)
{
    struct why why = {0};
    char path[128];
    json_t *s = NULL;
    int64_t id = 0;
    struct buf b;

    if (ask_id_by_name(cli, API "/servers", "server", cli->args[1], &id, &why) != ERR_OK)
        return cli_fail_why(&why);
    (void)snprintf(path, sizeof(path), API "/servers/%lld", (long long)id);
    if (cli->o.json)
        return ask_raw(cli, path);
    if (ask(cli, "GET", path, NULL, &s, &why) != ERR_OK)
        return cli_fail_why(&why);
    say_line("server", js_text(s, "name"));
    say_line("fleet", js_text(s, "fleet"));
    say_line("address", js_text(s, "address"));
    say_line("machine", js_text(s, "machine"));
    say_line("size", js_text(s, "size"));
    say_line("status", js_text(s, "status"));
    say_line("", js_text(s, "progress"));
    say_line("", js_text(s, "status_reason"));
    buf_init(&b, KIB(8));
    buf_printf(&b, "%s since %s", js_text(s, "link"), js_text(s, "since"));
    say_line("link", buf_str(&b));
    say_line("", js_text(s, "reason"));
    use_lines(s);
    buf_clear(&b);
    if (js_text(s, "agent")[0] != '\0')
        buf_puts(&b, js_text(s, "agent"));
    if (json_is_object(js_obj(s, "health")))
        buf_printf(&b, ", protocol %lld", (long long)js_int(js_obj(s, "health"), "protocol"));
    say_line("agent", buf_str(&b));
    say_line("facts", js_text(s, "facts"));
    health_lines(js_obj(s, "health"));
    buf_done(&b);
    json_decref(s);
    return EXIT_PASSED;
}
