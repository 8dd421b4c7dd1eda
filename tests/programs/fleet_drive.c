/* fleet_drive.c - a fleet by hand: orders are lines on standard input, answers are lines of JSON on standard output.
 *
 *     fleet_drive KIND OPTIONS URL DATA      the token is in DO_ACCESS_TOKEN
 *
 *     create SERVER INTENT [SIZE]   destroy ID   list ASK   renew ID SECONDS   catalog   connect ID ADDRESS
 *     key SERVER INTENT ADDRESS     the line of known_hosts for the machine that this call makes
 *     login FILE                    write the private half of the authorized key there
 *     link SERVER INTENT ADDRESS    connect to that machine by ssh with this login, until its agent answers
 *     words ID                      the same by the words that `connect` gives
 *     change OPTIONS                other options from now on
 *
 * It ends with its input. Keys follow from the numbers, so that a test can make them again. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/log.h"
#include "base/mem.h"
#include "fleet/fleet.h"
#include "link/link.h"
#include "net/ssh_key.h"
#include "wire/json_out.h"

#define INSTANCE "0123456789abcdef"
#define LEASE_MS 3600000

struct drive {
    uv_loop_t loop;
    uv_pipe_t in;
    struct buf line;
    struct fleets *all;
    struct fleet *f;
    struct links *links;
    char login[4096]; /* the file */
    bool links_words; /* the next way is one for a link */
};

/* ---- answers ---- */

static struct buf text;
static struct json_out out;

static void begin(const char *what)
{
    buf_clear(&text);
    jo_begin(&out, &text);
    jo_obj(&out);
    jo_ktext(&out, "told", what);
}

static void end(void)
{
    jo_obj_end(&out);
    (void)puts(buf_str(&text));
    (void)fflush(stdout);
}

static void put_failure(const struct fleet_failure *why)
{
    jo_ktext(&out, "fault", fleet_fault_name(why->fault));
    jo_ktext(&out, "reason", why->reason);
    jo_kint(&out, "retry_after_ms", why->retry_after_ms);
    end();
}

static void put_machine(const struct machine *m)
{
    jo_ktext(&out, "id", m->id);
    jo_kuint(&out, "server", m->server);
    jo_kuint(&out, "intent", m->intent);
    jo_ktext(&out, "name", m->name);
    jo_ktext(&out, "state", machine_state_name(m->state));
    jo_ktext(&out, "address", m->address);
    jo_ktext(&out, "size", m->size);
    jo_ktext(&out, "region", m->region);
    jo_ktime(&out, "lease_until", m->lease_until);
    jo_kint(&out, "price", m->price_hour_microusd);
}

static void on_created(void *ctx, struct fleet *f, uint64_t server, uint64_t intent, const struct machine *m)
{
    (void)ctx, (void)f, (void)server, (void)intent;
    begin("created");
    put_machine(m);
    end();
}

static void on_create_failed(void *ctx, struct fleet *f, uint64_t server, uint64_t intent,
                             const struct fleet_failure *why)
{
    (void)ctx, (void)f;
    begin("create_failed");
    jo_kuint(&out, "server", server);
    jo_kuint(&out, "intent", intent);
    put_failure(why);
}

static void on_machine(const char *what, const char *machine)
{
    begin(what);
    jo_ktext(&out, "id", machine);
}

static void on_destroyed(void *ctx, struct fleet *f, const char *machine)
{
    (void)ctx, (void)f;
    on_machine("destroyed", machine);
    end();
}

static void on_destroy_failed(void *ctx, struct fleet *f, const char *machine,
                              const struct fleet_failure *why)
{
    (void)ctx, (void)f;
    on_machine("destroy_failed", machine);
    put_failure(why);
}

static void on_listed(void *ctx, struct fleet *f, uint64_t ask, const struct machine *all, uint32_t n)
{
    (void)ctx, (void)f;
    begin("listed");
    jo_kuint(&out, "ask", ask);
    jo_karr(&out, "machines");
    for (uint32_t i = 0; i < n; i++) {
        jo_obj(&out);
        put_machine(&all[i]);
        jo_obj_end(&out);
    }
    jo_arr_end(&out);
    end();
}

static void on_list_failed(void *ctx, struct fleet *f, uint64_t ask, const struct fleet_failure *why)
{
    (void)ctx, (void)f;
    begin("list_failed");
    jo_kuint(&out, "ask", ask);
    put_failure(why);
}

static void on_renewed(void *ctx, struct fleet *f, const char *machine, struct wall lease_until)
{
    (void)ctx, (void)f;
    on_machine("renewed", machine);
    jo_ktime(&out, "lease_until", lease_until);
    end();
}

static void on_renew_failed(void *ctx, struct fleet *f, const char *machine, const struct fleet_failure *why)
{
    (void)ctx, (void)f;
    on_machine("renew_failed", machine);
    put_failure(why);
}

static void on_catalog(void *ctx, struct fleet *f, const struct fleet_catalog *c)
{
    (void)ctx, (void)f;
    begin("catalog");
    jo_karr(&out, "sizes");
    for (uint32_t i = 0; i < c->n_sizes; i++)
        jo_text(&out, c->sizes[i].name);
    jo_arr_end(&out);
    jo_kuint(&out, "regions", c->n_regions);
    jo_karr(&out, "images");
    for (uint32_t i = 0; i < c->n_images; i++)
        jo_text(&out, c->images[i].name);
    jo_arr_end(&out);
    jo_kuint(&out, "machines_max", c->machines_max);
    jo_ktext(&out, "error", c->error);
    end();
}

static void on_catalog_failed(void *ctx, struct fleet *f, const struct fleet_failure *why)
{
    (void)ctx, (void)f;
    begin("catalog_failed");
    put_failure(why);
}

static void on_way(void *ctx, struct fleet *f, const char *machine, const struct fleet_way *way)
{
    struct drive *d = ctx;

    (void)f;
    if (d->links_words) {
        const struct server_row row = {.id = {1}, .name = "words", .fleet = FLEET_SSH, .slots = 1};

        d->links_words = false;
        link_connect_by(d->links, &row, &(struct link_way){.argv = way->argv, .n_argv = way->n_argv});
        return;
    }
    on_machine("way", machine);
    jo_ktext(&out, "address", way->address);
    jo_ktext(&out, "user", way->user);
    jo_kuint(&out, "port", way->port);
    jo_karr(&out, "argv");
    for (uint32_t i = 0; i < way->n_argv; i++)
        jo_text(&out, way->argv[i]);
    jo_arr_end(&out);
    end();
}

static void on_way_failed(void *ctx, struct fleet *f, const char *machine, const struct fleet_failure *why)
{
    (void)ctx, (void)f;
    on_machine("way_failed", machine);
    put_failure(why);
}

static const struct fleet_told told = {
    .created = on_created,
    .create_failed = on_create_failed,
    .destroyed = on_destroyed,
    .destroy_failed = on_destroy_failed,
    .listed = on_listed,
    .list_failed = on_list_failed,
    .renewed = on_renewed,
    .renew_failed = on_renew_failed,
    .catalog = on_catalog,
    .catalog_failed = on_catalog_failed,
    .way = on_way,
    .way_failed = on_way_failed,
};

/* ---- links ---- */

static void on_up(void *ctx, struct server_id server, uint64_t era, uint64_t link,
                  const struct frame_hello *hello)
{
    (void)ctx, (void)era, (void)link, (void)hello;
    begin("up");
    jo_kuint(&out, "server", server.v);
    end();
}

static void on_down(void *ctx, struct server_id server, uint64_t era, uint64_t link, const char *reason)
{
    (void)ctx, (void)era;
    begin("down");
    jo_kuint(&out, "server", server.v);
    jo_kbool(&out, "was_up", link != 0);
    jo_ktext(&out, "reason", reason);
    end();
}

static void on_beat(void *ctx, struct server_id server, uint64_t link, const struct frame_beat *beat)
{
    (void)ctx, (void)server, (void)link, (void)beat;
}

static void on_started(void *ctx, struct server_id server, uint64_t link, const struct frame_started *started)
{
    (void)ctx, (void)server, (void)link, (void)started;
}

static void on_stream(void *ctx, struct server_id server, uint64_t link, const struct frame_stream *stream)
{
    (void)ctx, (void)server, (void)link, (void)stream;
}

static void on_finished(void *ctx, struct server_id server, uint64_t link,
                        const struct frame_finished *finished)
{
    (void)ctx, (void)server, (void)link, (void)finished;
}

static const struct link_ops link_told = {.up = on_up,
                                          .down = on_down,
                                          .beat = on_beat,
                                          .started = on_started,
                                          .stream = on_stream,
                                          .finished = on_finished};

static void key_of(uint64_t server, uint64_t intent, struct ssh_key *ret);

static void link_by_ssh(struct drive *d, uint64_t server, uint64_t intent, const char *address)
{
    const struct server_row row = {.id = {server},
                                   .name = "machine",
                                   .fleet = FLEET_SSH,
                                   .address = address,
                                   .user = "root",
                                   .identity = d->login,
                                   .slots = 1};
    struct ssh_key key;

    key_of(server, intent, &key);
    link_connect_by(d->links, &row, &(struct link_way){.host_key = key.public_line});
}

/* ---- orders ---- */

static void key_of(uint64_t server, uint64_t intent, struct ssh_key *ret)
{
    uint8_t seed[SSH_KEY_SEED_BYTES] = {0};

    (void)snprintf((char *)seed, sizeof(seed), "%llu %llu", (unsigned long long)server,
                   (unsigned long long)intent);
    ssh_key_from_seed(seed, "fleet_drive", ret);
}

static void create(struct drive *d, uint64_t server, uint64_t intent, const char *size)
{
    struct ssh_key host;
    struct ssh_key login;
    char name[32];

    key_of(server, intent, &host);
    key_of(0, 0, &login);
    (void)snprintf(name, sizeof(name), "web-%llu", (unsigned long long)server);
    fleet_create(d->f, &(struct machine_spec){.server = server,
                                              .intent = intent,
                                              .name = name,
                                              .size = size,
                                              .lease_until = {wall_now().ms + LEASE_MS},
                                              .host_key_private = host.private_file,
                                              .host_key_public = host.public_line,
                                              .authorized_key = login.public_line,
                                              .user = ""});
}

static void say_key(uint64_t server, uint64_t intent, const char *address)
{
    struct ssh_key key;
    struct buf line;
    struct why why;

    key_of(server, intent, &key);
    buf_init(&line, KIB(4));
    if (ssh_known_host(address, 0, key.public_line, &line, &why) != ERR_OK)
        buf_puts(&line, why.text);
    begin("key");
    jo_ktext(&out, "line", buf_str(&line));
    end();
    buf_done(&line);
}

static void write_login(struct drive *d, const char *path)
{
    struct ssh_key key;
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    key_of(0, 0, &key);
    if (fd < 0 || write(fd, key.private_file, strlen(key.private_file)) < 0 || close(fd) != 0)
        perror(path);
    (void)snprintf(d->login, sizeof(d->login), "%s", path);
    begin("login");
    end();
}

static void on_order(struct drive *d, char *line)
{
    char *words[4] = {"", "", "", ""};
    char *rest = line;
    struct why why;

    for (size_t i = 0; i < ARRAY_LEN(words) && rest != NULL; i++)
        words[i] = i == 1 && strncmp(line, "change", 6) == 0 ? strsep(&rest, "") : strsep(&rest, " ");
    if (strcmp(words[0], "create") == 0)
        create(d, strtoull(words[1], NULL, 10), strtoull(words[2], NULL, 10), words[3]);
    else if (strcmp(words[0], "destroy") == 0)
        fleet_destroy(d->f, words[1]);
    else if (strcmp(words[0], "list") == 0)
        fleet_list(d->f, strtoull(words[1], NULL, 10));
    else if (strcmp(words[0], "renew") == 0)
        fleet_renew(d->f, words[1], (struct wall){wall_now().ms + strtoll(words[2], NULL, 10) * 1000});
    else if (strcmp(words[0], "catalog") == 0)
        fleet_catalog_ask(d->f, false);
    else if (strcmp(words[0], "connect") == 0)
        fleet_connect(d->f, &(struct machine){.id = words[1], .name = "", .address = words[2]}, "");
    else if (strcmp(words[0], "key") == 0)
        say_key(strtoull(words[1], NULL, 10), strtoull(words[2], NULL, 10), words[3]);
    else if (strcmp(words[0], "login") == 0)
        write_login(d, words[1]);
    else if (strcmp(words[0], "link") == 0)
        link_by_ssh(d, strtoull(words[1], NULL, 10), strtoull(words[2], NULL, 10), words[3]);
    else if (strcmp(words[0], "words") == 0) {
        d->links_words = true;
        fleet_connect(d->f, &(struct machine){.id = words[1], .name = "", .address = ""}, "");
    } else if (strcmp(words[0], "change") != 0 ||
               fleet_change(d->f, words[1], strlen(words[1]), &why) != ERR_OK)
        (void)fprintf(stderr, "fleet_drive: what is '%s'?\n", line);
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *b)
{
    (void)h;
    *b = uv_buf_init(xmalloc(suggested), (unsigned)suggested);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct drive *d = s->data;
    char *stop;

    if (n > 0)
        buf_put(&d->line, b->base, (size_t)n);
    free(b->base);
    while (d->line.len > 0 && (stop = memchr(d->line.data, '\n', d->line.len)) != NULL) {
        size_t len = (size_t)(stop - d->line.data);
        char *line = xstrndup(d->line.data, len);

        buf_consume(&d->line, len + 1);
        on_order(d, line);
        free(line);
    }
    if (n < 0) {
        uv_close((uv_handle_t *)&d->in, NULL);
        links_free(d->links);
        fleets_free(d->all);
    }
}

int main(int argc, char **argv)
{
    static struct drive d;
    const char *token = getenv("DO_ACCESS_TOKEN");
    struct why why;

    if (argc != 5) {
        (void)fprintf(stderr, "usage: fleet_drive KIND OPTIONS URL DATA\n");
        return 2;
    }
    log_set_level(LOG_LEVEL_WARN);
    buf_init(&text, MIB(16));
    buf_init(&d.line, MIB(1));
    CHECK(uv_loop_init(&d.loop) == 0);
    if (fleets_new(
            &d.loop,
            &(struct fleets_opts){.instance = INSTANCE, .cloud_url = argv[3], .data_dir = argv[4], .seed = 1},
            &told, &d, &d.all, &why) != ERR_OK) {
        (void)fprintf(stderr, "fleet_drive: %s\n", why.text);
        return 2;
    }
    fleets_set_token(d.all, slice_of(token));
    if (fleet_open(d.all, argv[1], "drive", argv[2], strlen(argv[2]), &d.f, &why) != ERR_OK) {
        (void)fprintf(stderr, "fleet_drive: %s\n", why.text);
        return 2;
    }
    if (links_new(&d.loop,
                  &(struct link_opts){.data_dir = argv[4], .instance = INSTANCE, .connect_ms = 20000},
                  &link_told, &d, &d.links, &why) != ERR_OK) {
        (void)fprintf(stderr, "fleet_drive: %s\n", why.text);
        return 2;
    }
    CHECK(uv_pipe_init(&d.loop, &d.in, 0) == 0);
    CHECK(uv_pipe_open(&d.in, STDIN_FILENO) == 0);
    d.in.data = &d;
    CHECK(uv_read_start((uv_stream_t *)&d.in, on_alloc, on_read) == 0);
    (void)uv_run(&d.loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&d.loop) == 0);
    buf_done(&d.line);
    buf_done(&text);
    return 0;
}
