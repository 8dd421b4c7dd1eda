/* cmd_doctor.c - `wrata doctor`: is everything as it should be here, and if not, which command mends it?
 *
 * Each check is a function that adds one or more findings. Nothing is changed, nothing is started; it works beside a
 * server that runs, and without one. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/cli_private.h"
#include "cli/discover.h"
#include "cli/doctor_private.h"
#include "cli/doctor_probe.h"
#include "cli/server_ops.h"
#include "net/tls.h"

#define DISK_WRONG_BYTES ((uint64_t)MIB(100))
#define DISK_WARN_BYTES ((uint64_t)MIB(1024))
#define CERT_SOON_S (INT64_C(14) * 24 * 60 * 60)
#define SSH_MS 15000
#define PROGRAM_MS 5000
#define CLOCK_SLACK_S 120
#define SKEW_SLACK_MS 5000

static const char *const level_names[] = {"ok", "warn", "wrong"};

/* ---- findings ---- */

struct finding *doctor_find(struct doctor *d, const char *check, enum level level, const char *fmt, ...)
{
    struct finding *f;
    va_list ap;

    CHECK(d->n < FINDINGS_MAX);
    f = &d->all[d->n++];
    *f = (struct finding){.check = check, .level = level};
    va_start(ap, fmt);
    (void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
    va_end(ap);
    return f;
}

void doctor_mend(struct finding *f, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(f->mend, sizeof(f->mend), fmt, ap);
    va_end(ap);
}

static void path_in(const struct doctor *d, const char *name, char *out, size_t size)
{
    (void)snprintf(out, size, "%s/%s", d->cli->data, name);
}

/* ---- the folder ---- */

static void check_folder(struct doctor *d)
{
    const char *data = d->cli->data;
    struct stat st;

    if (stat(data, &st) != 0 && errno == ENOENT) {
        doctor_mend(doctor_find(d, "data", LEVEL_WARN, "%s is not there yet; the first start makes it", data),
                    "wrata serve --data '%s'", data);
        return;
    }
    if (stat(data, &st) != 0) {
        doctor_mend(doctor_find(d, "data", LEVEL_WRONG, "%s cannot be looked at: %s", data, strerror(errno)),
                    "sudo -u OWNER wrata doctor --data '%s'", data);
    } else if (!S_ISDIR(st.st_mode)) {
        doctor_mend(doctor_find(d, "data", LEVEL_WRONG, "%s is not a folder", data), "mv '%s' '%s.old'", data,
                    data);
    } else if (access(data, R_OK | W_OK | X_OK) != 0) {
        doctor_mend(doctor_find(d, "data", LEVEL_WRONG, "%s cannot be written by you", data),
                    "sudo chown -R \"$(id -u)\" '%s'", data);
    } else if ((st.st_mode & 077) != 0) {
        doctor_mend(doctor_find(d, "data", LEVEL_WRONG,
                                "%s is open to other users (mode %04o): it holds logs and secrets", data,
                                st.st_mode & 07777),
                    "chmod 700 '%s'", data);
        d->has_data = true;
    } else {
        (void)doctor_find(d, "data", LEVEL_OK, "%s", data);
        d->has_data = true;
    }
}

static void check_disk(struct doctor *d)
{
    struct statvfs fs;
    uint64_t free_bytes;
    enum level level = LEVEL_OK;

    if (statvfs(d->cli->data, &fs) != 0) {
        (void)doctor_find(d, "disk", LEVEL_WRONG, "the space on its disk cannot be read: %s",
                          strerror(errno));
        return;
    }
    free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (free_bytes < DISK_WARN_BYTES || (fs.f_files > 0 && fs.f_favail < 10000))
        level = LEVEL_WARN;
    if (free_bytes < DISK_WRONG_BYTES || (fs.f_files > 0 && fs.f_favail < 500))
        level = LEVEL_WRONG;
    if (level == LEVEL_OK)
        (void)doctor_find(d, "disk", level, "%.1f GiB free", (double)free_bytes / (double)MIB(1024));
    else
        doctor_mend(doctor_find(d, "disk", level, "%.0f MiB and %llu files free",
                                (double)free_bytes / (double)MIB(1), (unsigned long long)fs.f_favail),
                    "du -xh -d1 '%s' | sort -h", d->cli->data);
}

/* What only its owner may read. */
static void check_secrets(struct doctor *d)
{
    static const char *const names[] = {"master.key", "credentials.yml.enc", "certs/tls.key"};
    char path[PATH_MAX];
    struct stat st;

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        path_in(d, names[i], path, sizeof(path));
        if (stat(path, &st) != 0)
            continue;
        if ((st.st_mode & 077) != 0)
            doctor_mend(doctor_find(d, "secrets", LEVEL_WRONG, "%s is open to other users (mode %04o)", path,
                                    st.st_mode & 07777),
                        "chmod 600 '%s'", path);
        else if (access(path, R_OK) != 0)
            doctor_mend(doctor_find(d, "secrets", LEVEL_WRONG, "%s cannot be read by you", path),
                        "sudo chown \"$(id -u)\" '%s'", path);
        else
            (void)doctor_find(d, "secrets", LEVEL_OK, "%s is its owner's alone", names[i]);
    }
}

/* ---- TLS ---- */

static void check_tls(struct doctor *d)
{
    char crt[PATH_MAX];
    char key[PATH_MAX];
    struct tls_info info;
    struct why why = {0};
    char date[32];
    time_t end;
    struct tm tm;
    long long days;

    path_in(d, "certs/tls.crt", crt, sizeof(crt));
    path_in(d, "certs/tls.key", key, sizeof(key));
    if (access(crt, F_OK) != 0 && access(key, F_OK) != 0) {
        (void)doctor_find(d, "tls", LEVEL_OK, "no certificate: plain HTTP, on this machine alone");
        return;
    }
    if (access(crt, F_OK) != 0 || access(key, F_OK) != 0) {
        doctor_mend(doctor_find(d, "tls", LEVEL_WRONG, "%s is missing", access(crt, F_OK) != 0 ? crt : key),
                    "cp FULLCHAIN.pem '%s' && install -m 600 PRIVKEY.pem '%s'", crt, key);
        return;
    }
    if (tls_check(crt, key, &info, &why) != ERR_OK) {
        doctor_mend(doctor_find(d, "tls", LEVEL_WRONG, "%s", why.text),
                    "cp FULLCHAIN.pem '%s' && install -m 600 PRIVKEY.pem '%s'", crt, key);
        return;
    }
    end = (time_t)info.not_after_s;
    days = (info.not_after_s - wall_now().ms / 1000) / 86400;
    (void)gmtime_r(&end, &tm);
    (void)strftime(date, sizeof(date), "%Y-%m-%d", &tm);
    if (info.not_after_s - wall_now().ms / 1000 < CERT_SOON_S)
        doctor_mend(doctor_find(d, "tls", LEVEL_WARN, "the certificate ends in %lld days, on %s", days, date),
                    "cp FULLCHAIN.pem '%s' && install -m 600 PRIVKEY.pem '%s'", crt, key);
    else
        (void)doctor_find(d, "tls", LEVEL_OK, "certificate and key fit; until %s (%lld days)", date, days);
}

/* ---- the server ---- */

/* Who holds the folder's lock? 0: nobody. */
static long lock_holder(const struct doctor *d)
{
    char path[PATH_MAX];
    char text[32] = "";
    long pid = 0;
    int fd;

    path_in(d, "lock", path, sizeof(path));
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    if (flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        pid = read(fd, text, sizeof(text) - 1) > 0 ? strtol(text, NULL, 10) : 0;
        pid = pid > 0 ? pid : -1;
    }
    (void)close(fd);
    return pid;
}

static void check_server(struct doctor *d)
{
    struct why why = {0};
    long pid = lock_holder(d);
    enum err err = discovery_find(d->cli->discovery, &d->cli->client, &why);

    d->is_served = err == ERR_OK;
    if (d->is_served)
        (void)doctor_find(d, "server", LEVEL_OK, "it answers at %s", client_url(d->cli->client));
    else if (err_exit(err) == EXIT_USAGE) /* it is there; our token for it is what is wrong */
        (void)doctor_find(d, "server", LEVEL_WRONG, "%s", why.text);
    else if (pid != 0)
        doctor_mend(doctor_find(d, "server", LEVEL_WRONG,
                                "process %ld has the data folder and does not answer: %s", pid, why.text),
                    "kill %ld", pid);
    else if (d->cli->o.url != NULL)
        (void)doctor_find(d, "server", LEVEL_WRONG, "%s", why.text);
    else
        doctor_mend(doctor_find(d, "server", LEVEL_WARN, "none is running"), "wrata serve --data '%s'",
                    d->cli->data);
}

/* ---- database and machines ---- */

static void check_ssh(struct doctor *d, const struct server_row *row)
{
    char known[PATH_MAX + 64];
    char port[16];
    char line[200];
    const char *argv[32];
    unsigned n = 0;
    struct finding *f;
    int rc;

    (void)snprintf(known, sizeof(known), "UserKnownHostsFile=\"%s/ssh/known_hosts\"", d->cli->data);
    argv[n++] = "ssh";
    static const char *const fixed[] = {"-T",
                                        "-o",
                                        "BatchMode=yes",
                                        "-o",
                                        "ConnectTimeout=10",
                                        "-o",
                                        "StrictHostKeyChecking=accept-new",
                                        "-o",
                                        "LogLevel=ERROR",
                                        "-o"};
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        argv[n++] = fixed[i];
    argv[n++] = known;
    if (row->user[0] != '\0') {
        argv[n++] = "-l";
        argv[n++] = row->user;
    }
    if (row->port != 0) {
        (void)snprintf(port, sizeof(port), "%u", row->port);
        argv[n++] = "-p";
        argv[n++] = port;
    }
    if (row->identity[0] != '\0') {
        argv[n++] = "-i";
        argv[n++] = row->identity;
    }
    argv[n++] = "--";
    argv[n++] = row->address;
    argv[n++] = "true";
    argv[n] = NULL;
    rc = probe_run(argv, SSH_MS, line, sizeof(line));
    if (rc == 0) {
        (void)doctor_find(d, "servers", LEVEL_OK, "%s answers to ssh", row->name);
        return;
    }
    f = doctor_find(d, "servers", LEVEL_WRONG, "%s cannot be reached: %s", row->name,
                    rc == -2          ? "ssh did not end in time"
                    : line[0] != '\0' ? line
                                      : "ssh failed");
    doctor_mend(f, "ssh -v%s%s%s%s%s%s %s true", row->port != 0 ? " -p " : "", row->port != 0 ? port : "",
                row->user[0] != '\0' ? " -l " : "", row->user, row->identity[0] != '\0' ? " -i " : "",
                row->identity, row->address);
}

static void on_row(void *ctx, const struct server_row *row)
{
    struct doctor *d = ctx;

    d->n_servers++;
    if (row->fleet == FLEET_LOCAL)
        d->has_local = true;
    if (d->is_served || d->n > FINDINGS_MAX / 2)
        return; /* the server knows better */
    if (row->fleet == FLEET_LOCAL)
        (void)doctor_find(d, "servers", LEVEL_OK, "%s is this machine", row->name);
    else
        check_ssh(d, row);
}

static void say_artifacts(struct doctor *d, const struct data_look *look)
{
    struct buf text;

    buf_init(&text, 200);
    text_count(&text, (int64_t)look->artifact_files, "file", "files");
    buf_puts(&text, " that runs left, ");
    text_bytes(&text, (int64_t)look->artifact_bytes);
    (void)doctor_find(d, "artifacts", LEVEL_OK, "%s", buf_str(&text));
    buf_done(&text);
}

static void check_database(struct doctor *d)
{
    struct data_look look = {0};
    struct why why = {0};
    char path[PATH_MAX];
    size_t at = d->n;
    enum err err;

    path_in(d, "wrata.db", path, sizeof(path));
    if (access(path, F_OK) != 0) {
        (void)doctor_find(d, "database", LEVEL_OK, "none yet; the first start makes it");
        d->has_local = true;
        return;
    }
    (void)doctor_find(d, "database", LEVEL_OK,
                      "whole"); /* its place in the table, before those of its servers */
    err = d->cli->look(d->cli->data, &look, on_row, d, &why);
    if (err != ERR_OK || look.damage[0] != '\0') {
        d->all[at].level = LEVEL_WRONG;
        (void)snprintf(d->all[at].text, sizeof(d->all[at].text), "wrata.db: %s",
                       err != ERR_OK ? why.text : look.damage);
        doctor_mend(&d->all[at], "mv '%s' '%s.broken' && cp BACKUP/wrata.db '%s'", path, path, path);
    } else if (look.schema > look.schema_known) {
        d->all[at].level = LEVEL_WRONG;
        (void)snprintf(
            d->all[at].text, sizeof(d->all[at].text),
            "it was written by a newer wrata (schema %lld; this program knows up to %lld): start that one",
            (long long)look.schema, (long long)look.schema_known);
    } else {
        (void)snprintf(d->all[at].text, sizeof(d->all[at].text), "whole, schema %lld%s",
                       (long long)look.schema,
                       look.schema < look.schema_known ? "; the next start brings it up to date" : "");
    }
    if (err == ERR_OK && d->n_servers == 0)
        d->has_local = true;
    d->has_looked = err == ERR_OK && look.schema == look.schema_known;
    d->has_admin = look.has_admin;
    if (d->has_looked)
        say_artifacts(d, &look);
}

/* What its agent says: a clock that goes wrong, a disk that is nearly full; and whether it was taken out. */
static void check_health(struct doctor *d, const json_t *row)
{
    static const char *const disks[] = {"disk", "tmp"};
    static const char no_containers[] = "no containers: ";
    const json_t *health = js_obj(row, "health");
    const char *name = js_text(row, "name");
    int64_t skew_ms = js_int(health, "skew_ms");
    const json_t *tool;
    size_t k;
    struct buf b;

    if (d->n > FINDINGS_MAX / 2)
        return;
    if (js_text(row, "sick")[0] != '\0')
        doctor_mend(doctor_find(d, "servers", LEVEL_WRONG, "%s is taken out: %s", name, js_text(row, "sick")),
                    "wrata servers resume %s --data '%s'", name, d->cli->data);
    if ((skew_ms < 0 ? -skew_ms : skew_ms) > js_int(health, "skew_error_ms") + SKEW_SLACK_MS) {
        buf_init(&b, KIB(1));
        server_clock_text(health, &b);
        doctor_mend(doctor_find(d, "servers", LEVEL_WARN, "the clock of %s is %s", name, buf_str(&b)),
                    "sudo timedatectl set-ntp true    # on %s", name);
        buf_done(&b);
    }
    json_array_foreach(js_obj(health, "tools"), k, tool)
    {
        const char *text = json_string_value(tool);

        /* A machine where neither is installed may be as it should be. */
        if (text != NULL && strncmp(text, no_containers, strlen(no_containers)) == 0 &&
            strstr(text, "is installed") == NULL)
            doctor_mend(doctor_find(d, "servers", LEVEL_WARN, "%s runs %s", name, text),
                        "podman info || docker info    # on %s", name);
    }
    for (size_t i = 0; i < ARRAY_LEN(disks); i++) {
        const json_t *disk = js_obj(health, disks[i]);

        if (!json_is_object(disk) || js_int(disk, "free_bytes") >= (int64_t)DISK_WARN_BYTES ||
            js_int(disk, "free_bytes") >= js_int(disk, "total_bytes") / 10)
            continue;
        doctor_mend(doctor_find(d, "servers", LEVEL_WARN, "%s has %lld MiB free in %s", name,
                                (long long)(js_int(disk, "free_bytes") / (int64_t)MIB(1)),
                                js_text(disk, "path")),
                    "df -h '%s'    # on %s", js_text(disk, "path"), name);
    }
}

/* Whether runs are held for want of room: what counts as full is in the settings of the server that runs. */
static void check_held(struct doctor *d)
{
    struct why why = {0};
    json_t *doc = NULL;
    const json_t *disk;

    if (!d->is_served || ask(d->cli, "GET", API "/status", NULL, &doc, &why) != ERR_OK)
        return; /* said where the server is looked at */
    disk = js_obj(doc, "disk");
    if (json_is_true(js_obj(disk, "full")) || json_is_true(js_obj(disk, "low")))
        doctor_mend(doctor_find(d, "disk", json_is_true(js_obj(disk, "full")) ? LEVEL_WRONG : LEVEL_WARN,
                                "%s%s", js_text(disk, "why"),
                                json_is_true(js_obj(disk, "full")) ? "; no run begins until then" : ""),
                    "wrata history kept --data '%s'", d->cli->data);
    json_decref(doc);
}

/* What the running server says of its machines. */
static void check_links(struct doctor *d)
{
    struct why why = {0};
    json_t *doc = NULL;
    const json_t *row;
    unsigned online = 0;
    size_t i;

    if (!d->is_served)
        return;
    if (ask(d->cli, "GET", API "/servers", NULL, &doc, &why) != ERR_OK) {
        (void)doctor_find(d, "servers", LEVEL_WRONG, "%s", why.text);
        return;
    }
    json_array_foreach(js_obj(doc, "items"), i, row)
    {
        const char *name = js_text(row, "name");

        check_health(d, row);
        if (strcmp(js_text(row, "status"), "destroyed") == 0)
            continue; /* switched off, as it should be */
        if (strcmp(js_text(row, "link"), "online") == 0)
            online++;
        else if (d->n < FINDINGS_MAX / 2)
            doctor_mend(doctor_find(d, "servers", LEVEL_WRONG, "%s is %s: %s", name, js_text(row, "link"),
                                    js_text(row, "reason")),
                        "wrata servers --data '%s'", d->cli->data);
    }
    if (online > 0)
        (void)doctor_find(d, "servers", LEVEL_OK, "%u online", online);
    json_decref(doc);
}

/* ---- programs and the clock ---- */

static void check_program(struct doctor *d, const char *program, const char *version, const char *package,
                          enum level level, const char *what_for)
{
    const char *const argv[] = {program, version, NULL};
    char line[120];

    if (!probe_has(program))
        doctor_mend(doctor_find(d, program, level, "%s is not installed: %s", program, what_for),
                    "sudo apt-get install -y %s", package);
    else if (probe_run(argv, PROGRAM_MS, line, sizeof(line)) != 0)
        doctor_mend(doctor_find(d, program, level, "%s %s fails: %s", program, version, line),
                    "sudo apt-get install -y --reinstall %s", package);
    else
        (void)doctor_find(d, program, LEVEL_OK, "%s", line);
}

/* One that is installed may still give no answer: docker without its daemon. */
static void check_containers(struct doctor *d)
{
    static const char *const podman[] = {"podman", "version", "--format", "{{.Client.Version}}", NULL};
    static const char *const docker[] = {"docker", "version", "--format", "{{.Server.Version}}", NULL};
    static const char *const *const engines[] = {podman, docker};
    char line[200] = "";
    const char *broken = NULL;

    for (size_t i = 0; i < ARRAY_LEN(engines); i++) {
        char said[200];

        if (!probe_has(engines[i][0]))
            continue;
        if (probe_run(engines[i], PROGRAM_MS, said, sizeof(said)) == 0) {
            (void)doctor_find(d, "containers", LEVEL_OK, "by %s %s", engines[i][0], said);
            return;
        }
        if (broken == NULL)
            (void)snprintf(line, sizeof(line), "%s", said);
        broken = broken != NULL ? broken : engines[i][0];
    }
    if (broken != NULL)
        doctor_mend(doctor_find(d, "containers", LEVEL_WARN,
                                "%s does not work: %s; files of projects with an image fail here", broken,
                                line),
                    "%s info", broken);
    else
        doctor_mend(doctor_find(d, "containers", LEVEL_WARN,
                                "neither docker nor podman: files of projects with an image fail here"),
                    "sudo apt-get install -y podman");
}

static void check_programs(struct doctor *d)
{
    check_program(d, "git", "--version", "git", LEVEL_WRONG, "no code can be fetched without it");
    check_program(d, "git-lfs", "version", "git-lfs", LEVEL_WARN,
                  "projects with files of Git LFS cannot be launched");
    check_program(d, "ssh", "-V", "openssh-client", LEVEL_WRONG, "no machine can be reached without it");
    check_program(d, "tar", "--version", "tar", LEVEL_WARN, "backups and your tests may want it");
    if (!d->has_local)
        return; /* what tests need is needed where they run */
    check_program(d, "ruby", "--version", "ruby", LEVEL_WARN, "RSpec files cannot run on this machine");
    check_program(d, "rspec", "--version", "ruby-rspec", LEVEL_WARN,
                  "RSpec files run on this machine only with a Gemfile.lock and bundler");
    check_containers(d);
}

static void check_clock(struct doctor *d)
{
    static const char *const witnesses[] = {"wrata.db", "wrata.db-wal", "serve.json", "lock"};
    struct timex tx = {0};
    const time_t now = time(NULL);
    char path[PATH_MAX];
    struct stat st;

    for (size_t i = 0; i < ARRAY_LEN(witnesses); i++) {
        path_in(d, witnesses[i], path, sizeof(path));
        if (stat(path, &st) == 0 && st.st_mtime > now + CLOCK_SLACK_S) {
            doctor_mend(doctor_find(d, "clock", LEVEL_WRONG, "it is %lld s behind the last change of %s",
                                    (long long)(st.st_mtime - now), path),
                        "sudo timedatectl set-ntp true");
            return;
        }
    }
    if (adjtimex(&tx) == TIME_ERROR || (tx.status & STA_UNSYNC) != 0)
        doctor_mend(doctor_find(d, "clock", LEVEL_WARN, "nothing keeps it in step with the world"),
                    "sudo timedatectl set-ntp true");
    else
        (void)doctor_find(d, "clock", LEVEL_OK, "kept in step with the world");
}

/* ---- saying it ---- */

static void print_json(const struct doctor *d, const unsigned *counts)
{
    json_t *list = json_array();
    json_t *doc;

    for (size_t i = 0; i < d->n; i++) {
        const struct finding *f = &d->all[i];

        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "check", f->check, "level",
                                                    level_names[f->level], "text", f->text, "mend", f->mend));
    }
    doc = json_pack("{s:o, s:i, s:i, s:i}", "checks", list, "ok", (int)counts[LEVEL_OK], "warnings",
                    (int)counts[LEVEL_WARN], "wrong", (int)counts[LEVEL_WRONG]);
    (void)json_dumpf(doc, stdout, JSON_INDENT(2));
    (void)fputc('\n', stdout);
    json_decref(doc);
}

static void print_text(const struct doctor *d, const unsigned *counts)
{
    struct buf out;

    buf_init(&out, MIB(16));
    for (size_t i = 0; i < d->n; i++) {
        const struct finding *f = &d->all[i];

        buf_printf(&out, "%-6s %-11s ", level_names[f->level], f->check);
        text_escape(&out, f->text);
        buf_putc(&out, '\n');
        if (f->mend[0] != '\0') {
            buf_puts(&out, "                   mend: ");
            text_escape(&out, f->mend);
            buf_putc(&out, '\n');
        }
    }
    buf_printf(&out, "%u ok, %u to look at, %u wrong\n", counts[LEVEL_OK], counts[LEVEL_WARN],
               counts[LEVEL_WRONG]);
    (void)fwrite(buf_str(&out), 1, out.len, stdout);
    buf_done(&out);
}

int cmd_doctor(struct cli *cli)
{
    struct doctor d = {.cli = cli, .all = xcalloc(FINDINGS_MAX, sizeof(*d.all))};
    unsigned counts[3] = {0};

    check_folder(&d);
    if (d.has_data) {
        check_disk(&d);
        check_secrets(&d);
        check_tls(&d);
    }
    check_server(&d);
    if (d.has_data)
        check_database(&d);
    else
        d.has_local = true;
    check_held(&d);
    check_links(&d);
    doctor_check_outer(&d);
    check_programs(&d);
    if (d.has_data)
        check_clock(&d);
    for (size_t i = 0; i < d.n; i++)
        counts[d.all[i].level]++;
    if (cli->o.json)
        print_json(&d, counts);
    else
        print_text(&d, counts);
    free(d.all);
    return counts[LEVEL_WRONG] > 0 ? EXIT_FAILED : EXIT_PASSED;
}
