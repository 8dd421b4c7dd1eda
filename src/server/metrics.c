/* metrics.c - GET /metrics: the numbers of this process as Prometheus reads them (text format 0.0.4).
 *
 * A row of the table is a metric: its name, its type, what it counts. Labels take their values from enums of the code alone, so
 * that a graph never grows with users, launches or what a script prints. Counters begin at 0 with the process. Loop thread. */
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/histogram.h"
#include "base/mem.h"
#include "model/cost.h"
#include "server/server.h"

#define uthash_malloc(n) xmalloc(n)
#define uthash_free(p, n) free(p)
#include <uthash.h>

#define SECOND_US 1000000

/* When the last run in a slot ended, for the gap to the next. */
struct slot_end {
    struct {
        uint64_t server;
        uint64_t slot;
    } key;
    struct wall ended_at;
    UT_hash_handle hh;
};

/* A run whose machine is made ready for it: how long that takes is no gap. */
struct preparing {
    uint64_t run;
    UT_hash_handle hh;
};

struct metrics {
    uint64_t runs[OUTCOME_COUNT];
    struct histogram gaps;
    struct slot_end *slots;
    struct preparing *preparing;
};

void metrics_open(struct server *s)
{
    s->metrics = xcalloc(1, sizeof(*s->metrics));
}

void metrics_free(struct server *s)
{
    struct slot_end *x;
    struct slot_end *next;
    struct preparing *p;
    struct preparing *p_next;

    if (s->metrics == NULL)
        return;
    HASH_ITER(hh, s->metrics->slots, x, next) {
        HASH_DEL(s->metrics->slots, x);
        free(x);
    }
    HASH_ITER(hh, s->metrics->preparing, p, p_next) {
        HASH_DEL(s->metrics->preparing, p);
        free(p);
    }
    free(s->metrics);
    s->metrics = NULL;
}

/* ---- what is counted as it happens ---- */

/* A run has several steps to be made ready by, each a note. */
static void note_preparing(struct metrics *m, uint64_t run)
{
    struct preparing *p;

    HASH_FIND(hh, m->preparing, &run, sizeof(run), p);
    if (p != NULL)
        return;
    p = xcalloc(1, sizeof(*p));
    p->run = run;
    HASH_ADD(hh, m->preparing, run, sizeof(p->run), p);
}

static bool take_preparing(struct metrics *m, uint64_t run)
{
    struct preparing *p;

    HASH_FIND(hh, m->preparing, &run, sizeof(run), p);
    if (p == NULL)
        return false;
    HASH_DEL(m->preparing, p);
    free(p);
    return true;
}

static struct slot_end *slot_of(struct metrics *m, const struct run_row *run, bool may_make)
{
    struct slot_end key = {.key = {run->server.v, run->slot}};
    struct slot_end *x;

    HASH_FIND(hh, m->slots, &key.key, sizeof(key.key), x);
    if (x != NULL || !may_make)
        return x;
    x = xcalloc(1, sizeof(*x));
    x->key.server = run->server.v;
    x->key.slot = run->slot;
    HASH_ADD(hh, m->slots, key, sizeof(x->key), x);
    return x;
}

static void run_begins(struct metrics *m, const struct run_row *run)
{
    const struct slot_end *x = slot_of(m, run, false);
    int64_t from_ms = run->created_at.ms;

    if (take_preparing(m, run->id.v))
        return;
    if (x != NULL && x->ended_at.ms > from_ms)
        from_ms = x->ended_at.ms; /* it was given in advance, to a slot that was at work */
    histogram_add(&m->gaps, (run->started_at.ms - from_ms) * 1000);
}

static void run_ends(struct metrics *m, const struct run_row *run)
{
    (void)take_preparing(m, run->id.v);
    m->runs[run->outcome]++;
    if (run->slot != UINT32_MAX)
        slot_of(m, run, true)->ended_at = run->ended_at;
}

static void server_ends(struct metrics *m, struct server_id id)
{
    struct slot_end *x;
    struct slot_end *next;

    HASH_ITER(hh, m->slots, x, next) {
        if (x->key.server == id.v) {
            HASH_DEL(m->slots, x);
            free(x);
        }
    }
}

void metrics_note(struct server *s, const struct note *n)
{
    struct metrics *m = s->metrics;

    if (n->kind == NOTE_SERVER_GONE)
        server_ends(m, n->server.id);
    if (n->kind != NOTE_RUN)
        return;
    if (n->run.state == RUN_PREPARING) {
        note_preparing(m, n->run.id.v);
    } else if (n->run.state == RUN_RUNNING && n->run.started_at.ms != 0) {
        run_begins(m, &n->run);
    } else if (n->run.state == RUN_DONE || n->run.state == RUN_LOST) {
        run_ends(m, &n->run);
    }
}

/* ---- the page ---- */

struct sheet {
    struct server *s;
    const struct api_metrics *read; /* what a reader thread found */
    struct engine_stats stats;
    struct engine_census census;
    struct buf *out;
    const char *name; /* of the metric at hand */
};

static void put_int(struct sheet *p, int64_t v)
{
    buf_printf(p->out, "%s %" PRId64 "\n", p->name, v);
}

static void put_real(struct sheet *p, double v)
{
    buf_printf(p->out, "%s %.9g\n", p->name, v);
}

static void put_label(struct sheet *p, const char *label, const char *value, uint64_t v)
{
    buf_printf(p->out, "%s{%s=\"%s\"} %" PRIu64 "\n", p->name, label, value, v);
}

static void put_histogram(struct sheet *p, const struct histogram *h)
{
    struct histogram now;
    uint64_t n = 0;

    histogram_read(h, &now);
    for (unsigned i = 0; i < HISTOGRAM_BOUNDS; i++) {
        n += now.counts[i];
        buf_printf(p->out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", p->name,
                   (double)histogram_bound_us(i) / SECOND_US, n);
    }
    n += now.counts[HISTOGRAM_BOUNDS];
    buf_printf(p->out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", p->name, n);
    buf_printf(p->out, "%s_sum %.9g\n%s_count %" PRIu64 "\n", p->name, (double)now.sum_us / SECOND_US,
               p->name, n);
}

static void put_build(struct sheet *p)
{
    put_label(p, "version", WRATA_VERSION, 1);
}

static void put_tests_waiting(struct sheet *p)
{
    put_int(p, p->stats.tests_waiting);
}

static void put_oldest(struct sheet *p)
{
    int64_t ms = p->census.oldest_wait.ms == 0 ? 0 : wall_now().ms - p->census.oldest_wait.ms;

    put_real(p, (double)(ms > 0 ? ms : 0) / 1000);
}

static void put_launches(struct sheet *p)
{
    put_int(p, p->stats.launches);
}

static void put_runs_active(struct sheet *p)
{
    put_int(p, p->stats.runs_active);
}

static void put_runs(struct sheet *p)
{
    for (int o = OUTCOME_NONE + 1; o < OUTCOME_COUNT; o++)
        put_label(p, "outcome", outcome_name((enum outcome)o), p->s->metrics->runs[o]);
}

static void put_gaps(struct sheet *p)
{
    put_histogram(p, &p->s->metrics->gaps);
}

static void put_late_news(struct sheet *p)
{
    put_int(p, (int64_t)p->stats.late_news);
}

static void put_servers(struct sheet *p)
{
    for (int i = 0; i < SERVER_STATUS_COUNT; i++)
        put_label(p, "status", server_status_name((enum server_status)i), p->census.servers[i]);
}

static void put_links(struct sheet *p)
{
    for (int i = 0; i < LINK_STATE_COUNT; i++)
        put_label(p, "state", link_state_name((enum link_state)i), p->census.links[i]);
}

static void put_sick(struct sheet *p)
{
    put_int(p, p->census.sick);
}

static void put_maintenance(struct sheet *p)
{
    put_int(p, p->census.in_maintenance);
}

static void put_booked(struct sheet *p)
{
    put_int(p, p->census.booked);
}

static void put_slots(struct sheet *p)
{
    put_int(p, p->stats.slots);
}

static void put_slots_busy(struct sheet *p)
{
    put_int(p, p->stats.slots_busy);
}

static void put_commits(struct sheet *p)
{
    struct histogram h = {0};

    store_commits(p->s->store, &h);
    put_histogram(p, &h);
}

static void put_turns(struct sheet *p)
{
    put_int(p, p->s->turns_in_store);
}

static void put_spool(struct sheet *p)
{
    put_int(p, (int64_t)streams_spooled(p->s->streams));
}

static void put_cloud(struct sheet *p)
{
    int64_t left = clouds_budget(p->s);

    if (left >= 0)
        put_int(p, left);
}

static void put_cost_today(struct sheet *p)
{
    put_real(p, (double)p->read->today_nanousd / NANOUSD_PER_USD);
}

static void put_cost_rate(struct sheet *p)
{
    put_real(p, (double)p->read->hour_microusd / 1000000);
}

static void put_machines(struct sheet *p)
{
    put_int(p, p->read->n_machines);
}

static void put_mails_waiting(struct sheet *p)
{
    put_int(p, (int64_t)p->read->queues.mails_waiting);
}

static void put_mails_failed(struct sheet *p)
{
    put_int(p, (int64_t)p->read->queues.mails_failed);
}

static void put_deliveries_waiting(struct sheet *p)
{
    put_int(p, (int64_t)p->read->queues.deliveries_waiting);
}

static void put_deliveries(struct sheet *p)
{
    struct hooks_counts c = posts_counts(p->s);

    put_label(p, "result", "delivered", c.delivered);
    put_label(p, "result", "failed", c.failed);
}

static void put_hooks_failing(struct sheet *p)
{
    put_int(p, (int64_t)p->read->queues.hooks_failing);
}

static void put_hooks_disabled(struct sheet *p)
{
    put_int(p, (int64_t)p->read->queues.hooks_disabled);
}

static void put_watchers(struct sheet *p)
{
    put_int(p, api_watchers(p->s->api));
}

static void put_disk_free(struct sheet *p)
{
    struct statvfs fs;

    if (statvfs(p->s->opts.data_dir, &fs) == 0)
        put_int(p, (int64_t)fs.f_bavail * (int64_t)fs.f_frsize);
}

static void put_disk_size(struct sheet *p)
{
    struct statvfs fs;

    if (statvfs(p->s->opts.data_dir, &fs) == 0)
        put_int(p, (int64_t)fs.f_blocks * (int64_t)fs.f_frsize);
}

static void put_rss(struct sheet *p)
{
    FILE *f = fopen("/proc/self/statm", "re");
    long long pages[2];

    if (f == NULL)
        return;
    if (fscanf(f, "%lld %lld", &pages[0], &pages[1]) == 2)
        put_int(p, pages[1] * sysconf(_SC_PAGESIZE));
    (void)fclose(f);
}

static void put_fds(struct sheet *p)
{
    DIR *d = opendir("/proc/self/fd");
    int64_t n = -3; /* ".", "..", and the folder itself */

    if (d == NULL)
        return;
    while (readdir(d) != NULL)
        n++;
    (void)closedir(d);
    put_int(p, n);
}

static void put_max_fds(struct sheet *p)
{
    struct rlimit l;

    if (getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_cur != RLIM_INFINITY)
        put_int(p, (int64_t)l.rlim_cur);
}

static double seconds_of(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / SECOND_US;
}

static void put_cpu(struct sheet *p)
{
    struct rusage r;

    if (getrusage(RUSAGE_SELF, &r) == 0)
        put_real(p, seconds_of(r.ru_utime) + seconds_of(r.ru_stime));
}

static void put_started(struct sheet *p)
{
    buf_printf(p->out, "%s %.3f\n", p->name, (double)p->s->started_at.ms / 1000);
}

static const struct {
    const char *name;
    const char *type;
    const char *help;
    void (*put)(struct sheet *p);
} metrics[] = {
    /* clang-format off */
    {"wrata_build_info", "gauge", "1; the label is the version of the program.", put_build},
    {"wrata_tests_waiting", "gauge", "Tests that wait in the queues of all users.", put_tests_waiting},
    {"wrata_queue_oldest_age_seconds", "gauge",
     "Age of the oldest launch that still has a waiting test; 0: nothing waits.", put_oldest},
    {"wrata_launches_active", "gauge", "Launches that are not done.", put_launches},
    {"wrata_runs_active", "gauge", "Runs that were given to a server and are not over.", put_runs_active},
    {"wrata_runs_total", "counter", "Runs that ended, by outcome.", put_runs},
    {"wrata_dispatch_gap_seconds", "histogram",
     "From the moment when a run had a server and its slot was free to the start of its process; without runs whose "
     "machine had to be prepared first.", put_gaps},
    {"wrata_late_news_total", "counter", "Messages about attempts that no longer held a lease.", put_late_news},
    {"wrata_servers", "gauge", "Servers by the status of their machine.", put_servers},
    {"wrata_server_links", "gauge", "Servers by the state of the connection to them.", put_links},
    {"wrata_servers_sick", "gauge", "Servers that were taken out.", put_sick},
    {"wrata_servers_maintenance", "gauge", "Servers that take no more tests because a person said so.", put_maintenance},
    {"wrata_servers_booked", "gauge", "Servers that somebody has booked.", put_booked},
    {"wrata_slots", "gauge", "Slots of the servers that are online.", put_slots},
    {"wrata_slots_busy", "gauge", "Slots with a run in them.", put_slots_busy},
    {"wrata_commit_seconds", "histogram", "Transactions of the store.", put_commits},
    {"wrata_turns_in_store", "gauge", "Decisions that wait to be durable; nothing of them was said yet.", put_turns},
    {"wrata_spool_bytes", "gauge", "Output of living runs that agents hold and the store does not have yet.", put_spool},
    {"wrata_cloud_calls_left", "gauge",
     "Calls that the API of the cloud still takes within the hour; absent until it has said so.", put_cloud},
    {"wrata_cost_today_dollars", "gauge", "What machines cost since midnight UTC.", put_cost_today},
    {"wrata_cost_dollars_per_hour", "gauge", "What the machines that are paid for now cost an hour.", put_cost_rate},
    {"wrata_machines_paid", "gauge", "Machines that are paid for now.", put_machines},
    {"wrata_mails_waiting", "gauge", "Mail that waits to be sent.", put_mails_waiting},
    {"wrata_mails_failed", "gauge", "Mail that was given up and is still listed.", put_mails_failed},
    {"wrata_deliveries_waiting", "gauge", "Deliveries to hooks that wait to be sent.", put_deliveries_waiting},
    {"wrata_deliveries_total", "counter", "Tries to send one, by what came of it.", put_deliveries},
    {"wrata_hooks_failing", "gauge", "Hooks whose last delivery was not taken.", put_hooks_failing},
    {"wrata_hooks_disabled", "gauge", "Hooks that were disabled because nothing was taken for days.", put_hooks_disabled},
    {"wrata_watchers", "gauge", "Clients that are connected: pages, command lines.", put_watchers},
    {"wrata_disk_free_bytes", "gauge", "Room on the disk of the data folder.", put_disk_free},
    {"wrata_disk_size_bytes", "gauge", "Size of that disk.", put_disk_size},
    {"process_resident_memory_bytes", "gauge", "Memory of this process.", put_rss},
    {"process_open_fds", "gauge", "Open file descriptors.", put_fds},
    {"process_max_fds", "gauge", "How many may be open.", put_max_fds},
    {"process_cpu_seconds_total", "counter", "Processor time used.", put_cpu},
    {"process_start_time_seconds", "gauge", "When this process started, since 1970.", put_started},
    /* clang-format on */
};

void metrics_write(void *ctx, const struct api_metrics *read, struct buf *out)
{
    struct server *s = ctx;
    struct sheet p = {.s = s, .read = read, .stats = engine_stats(s->engine), .out = out};

    engine_census(s->engine, &p.census);
    for (size_t i = 0; i < ARRAY_LEN(metrics); i++) {
        p.name = metrics[i].name;
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", p.name, metrics[i].help, p.name, metrics[i].type);
        metrics[i].put(&p);
    }
}

enum api_metrics_for metrics_for(void *ctx)
{
    const struct server *s = ctx;

    return (enum api_metrics_for)s->opts.config->set.metrics;
}
