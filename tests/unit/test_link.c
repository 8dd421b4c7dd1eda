/* test_link.c - sessions with an agent made of a script (tests/lib/fake_agent.py), over a real child process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <uv.h>

#include <cmocka.h>

#include "base/clock.h"
#include "link/link.h"

struct world {
    uv_loop_t loop;
    struct links *links;
    char dir[64];
    char mirror[PATH_BYTES_MAX];
    unsigned ups, downs, beats, finishes;
    uint64_t number;
    uint64_t down_number;
    uint64_t era; /* as the last of both said */
    char reason[REASON_BYTES_MAX];
    char streamed[256];
    uint32_t n_held;
    bool disconnect_in_beat;
    bool reconnect_in_down;
    struct server_row row;
    struct artifact_chan *chan;
    unsigned begun, dropped;
    unsigned taken; /* bytes that came on channels of artifacts */
    bool is_refused;
};

static void on_up(void *ctx, struct server_id s, uint64_t era, uint64_t number, const struct frame_hello *h)
{
    struct world *w = ctx;

    assert_int_equal(s.v, 9);
    w->ups++;
    w->number = number;
    w->era = era;
    w->n_held = h->n_held;
    assert_true(slice_eq(h->hostname, SLICE("host")));
}

static void on_down(void *ctx, struct server_id s, uint64_t era, uint64_t number, const char *reason)
{
    struct world *w = ctx;

    assert_int_equal(s.v, 9);
    w->downs++;
    w->down_number = number;
    w->era = era;
    (void)snprintf(w->reason, sizeof(w->reason), "%s", reason);
    if (w->reconnect_in_down && w->downs == 1)
        link_connect(w->links, &w->row);
}

static void on_beat(void *ctx, struct server_id s, uint64_t number, const struct frame_beat *b)
{
    struct world *w = ctx;

    (void)number;
    (void)b;
    w->beats++;
    if (w->disconnect_in_beat)
        link_disconnect(w->links, s);
}

static void on_started(void *ctx, struct server_id s, uint64_t number, const struct frame_started *f)
{
    (void)ctx, (void)s, (void)number, (void)f;
}

static void on_stream(void *ctx, struct server_id s, uint64_t number, const struct frame_stream *f)
{
    struct world *w = ctx;

    (void)number;
    (void)snprintf(w->streamed, sizeof(w->streamed), "%llu/%u@%llu:%.*s", (unsigned long long)f->run,
                   f->stream, (unsigned long long)f->offset, (int)f->bytes.len, f->bytes.ptr);
    link_ack(w->links, s, (struct run_id){f->run}, f->stream, f->offset + 1);
    link_ack(w->links, s, (struct run_id){f->run}, f->stream, f->offset + f->bytes.len);
}

static void on_finished(void *ctx, struct server_id s, uint64_t number, const struct frame_finished *f)
{
    struct world *w = ctx;

    (void)s, (void)number;
    w->finishes++;
    (void)snprintf(w->reason, sizeof(w->reason), "%llu how %u: %.*s", (unsigned long long)f->run, f->how,
                   (int)f->reason.len, f->reason.ptr);
}

static void *on_artifacts_begin(void *ctx, struct server_id s, struct run_id run, struct artifact_chan *chan,
                                struct why *reterr)
{
    struct world *w = ctx;

    assert_int_equal(s.v, 9);
    assert_int_equal(run.v, 41);
    w->begun++;
    w->chan = chan;
    if (!w->is_refused)
        return w;
    (void)why_set(reterr, ERR_CONFLICT, NULL, "run 41\nis over");
    return NULL;
}

static void on_artifacts_bytes(void *sink, char *bytes, size_t n)
{
    struct world *w = sink;

    assert_int_equal(bytes[n - 1], 'x');
    w->taken += (unsigned)n;
    free(bytes);
}

static void on_artifacts_drop(void *sink)
{
    struct world *w = sink;

    w->dropped++;
    w->chan = NULL;
}

static const struct link_ops ops = {.up = on_up,
                                    .down = on_down,
                                    .beat = on_beat,
                                    .started = on_started,
                                    .stream = on_stream,
                                    .finished = on_finished,
                                    .artifacts_begin = on_artifacts_begin,
                                    .artifacts_bytes = on_artifacts_bytes,
                                    .artifacts_drop = on_artifacts_drop};

static enum err open_secret(void *ctx, struct user_id user, const char *line, struct buf *out,
                            struct why *reterr);

static void mirror_path(void *ctx, struct project_id project, char *out, size_t size)
{
    struct world *w = ctx;

    (void)snprintf(out, size, "%s", project.v == 3 ? w->mirror : "/nowhere");
}

static void sh(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void sh(const char *fmt, ...)
{
    char text[2048];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    assert_int_equal(system(text), 0);
}

static void script(struct world *w, const char *text)
{
    char path[128];
    FILE *f;

    (void)snprintf(path, sizeof(path), "%s/servers/s1/script", w->dir);
    sh("mkdir -p %s/servers/s1 && rm -f %s/servers/s1/got", w->dir, w->dir);
    f = fopen(path, "w");
    assert_non_null(f);
    (void)fputs(text, f);
    (void)fclose(f);
}

static struct world *world_new(const char *text)
{
    struct world *w = calloc(1, sizeof(*w));
    struct link_opts opts = {.instance = "0123456789abcdef",
                             .agent_path = "tests/lib/fake_agent.py",
                             .beat_ms = 100,
                             .grace_ms = 500,
                             .window_bytes = 262144,
                             .connect_ms = 10000,
                             .open_secret = open_secret,
                             .mirror_path = mirror_path};
    struct why why;

    assert_non_null(w);
    (void)snprintf(w->dir, sizeof(w->dir), "/tmp/wrata-test-link-%d", (int)getpid());
    sh("rm -rf %s && mkdir %s", w->dir, w->dir);
    opts.data_dir = w->dir;
    assert_int_equal(uv_loop_init(&w->loop), 0);
    assert_int_equal(links_new(&w->loop, &opts, &ops, w, &w->links, &why), ERR_OK);
    w->row = (struct server_row){.id = {9},
                                 .name = "s1",
                                 .fleet = FLEET_LOCAL,
                                 .address = "",
                                 .user = "",
                                 .identity = "",
                                 .slots = 2,
                                 .link_reason = "",
                                 .agent_version = "",
                                 .facts = ""};
    if (text != NULL)
        script(w, text);
    return w;
}

static void world_free(struct world *w)
{
    links_free(w->links);
    while (uv_run(&w->loop, UV_RUN_DEFAULT) != 0) {
    }
    assert_int_equal(uv_loop_close(&w->loop), 0);
    sh("rm -rf %s", w->dir);
    free(w);
}

static void on_tick(uv_timer_t *t)
{
    (void)t;
}

/* Turn the loop until *counter reaches n, ten seconds at most. */
static void until(struct world *w, const unsigned *counter, unsigned n)
{
    struct mono end = mono_add_ms(mono_now(), 60000);
    uv_timer_t tick;

    (void)uv_timer_init(&w->loop, &tick);
    (void)uv_timer_start(&tick, on_tick, 10, 10);
    while (*counter < n && mono_before(mono_now(), end))
        (void)uv_run(&w->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&tick, NULL);
    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    if (*counter < n)
        fail_msg("waited for %u, have %u; downs %u: %s", n, *counter, w->downs, w->reason);
}

static void until_file(struct world *w, const char *name, const char *needle, char *out, size_t size)
{
    unsigned never = 0;
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/servers/s1/%s", w->dir, name);
    for (int i = 0; i < 6000; i++) {
        FILE *f = fopen(path, "r");
        size_t n = 0;

        if (f != NULL) {
            n = fread(out, 1, size - 1, f);
            (void)fclose(f);
        }
        out[n] = '\0';
        if (strstr(out, needle) != NULL)
            return;
        (void)uv_run(&w->loop, UV_RUN_NOWAIT);
        (void)usleep(10000);
    }
    (void)never;
    fail_msg("%s never held '%s' but: %s", name, needle, out);
}

static void test_link__hello_is_answered_and_frames_reach_the_ops(void **state)
{
    struct world *w =
        world_new("hello\nexpect WELCOME\nbeat 1\nstream 41 0 100 hello\nfinished 41\nexpect ACKS\n");
    char got[8192];

    (void)state;
    link_connect_by(w->links, &w->row, &(struct link_way){.era = 3});
    assert_int_equal(w->ups + w->downs, 0);
    until(w, &w->finishes, 1);
    assert_int_equal(w->ups, 1);
    assert_int_equal(w->era, 3);
    assert_int_equal(w->n_held, 1);
    assert_int_equal(w->beats, 1);
    assert_string_equal(w->streamed, "41/0@100:hello");
    until_file(w, "got", "ACKS", got, sizeof(got));
    assert_non_null(strstr(got, "\"acks\": [{\"run\": 41, \"stream\": 0, \"offset\": 105}]"));
    assert_non_null(strstr(got, "\"server\": \"s1\", \"server_id\": 9, \"slots\": 2, \"beat_ms\": 100"));
    assert_int_equal(w->downs, 0);
    world_free(w);
}

static void test_link__goals_are_sent_on_the_present_link_only(void **state)
{
    struct world *w = world_new("hello\nexpect WELCOME\n");
    const char *argv[] = {"bash", "a b.sh"};
    const char *env[] = {"A=1"};
    const char *reports[] = {"out/*.xml"};
    struct run_spec spec = {.run = {5},
                            .test = {6},
                            .launch = {7},
                            .attempt = 1,
                            .project = {3},
                            .commit = "abcd",
                            .adapter = ADAPTER_RSPEC,
                            .argv = argv,
                            .n_argv = 2,
                            .env = env,
                            .n_env = 1,
                            .reports = reports,
                            .n_reports = 1,
                            .time_limit_ms = 1000};
    struct goal_entry entries[] = {{{5}, 0, 30000, &spec}, {{4}, 1, 20000, NULL}};
    struct goal g = {.server = {9}, .link = 99, .seq = 1, .beat_seq = 0, .entries = entries, .n_entries = 2};
    char got[8192];

    (void)state;
    link_connect(w->links, &w->row);
    until(w, &w->ups, 1);
    link_goal(w->links, &g); /* another link's */
    g.link = w->number;
    g.seq = 2;
    link_goal(w->links, &g);
    links_flush(w->links);
    until_file(w, "got", "GOALS", got, sizeof(got));
    assert_null(strstr(got, "\"seq\": 1"));
    assert_non_null(
        strstr(got, "\"adapter\": \"rspec\", \"argv\": [\"bash\", \"a b.sh\"], \"env\": [\"A=1\"]"));
    assert_non_null(strstr(got, "\"reports\": [\"out/*.xml\"]"));
    assert_non_null(strstr(got, "\"goals\": [{\"run\": 5, \"want\": 0, \"lease_ms\": 30000}, "
                                "{\"run\": 4, \"want\": 1, \"lease_ms\": 20000}]"));
    world_free(w);
}

static enum err open_secret(void *ctx, struct user_id user, const char *line, struct buf *out,
                            struct why *reterr)
{
    (void)ctx;
    assert_int_equal(user.v, 7);
    if (strcmp(line, "BAD=sealed") == 0)
        return why_set(reterr, ERR_DENIED, NULL, "it was sealed with another key");
    return buf_add(out, "opened", 6);
}

/* What an agent of this protocol gets of two runs, the second with secrets. */
static struct world *send_secrets(const char *hello, const char *const *secrets, uint32_t n)
{
    struct world *w = world_new(hello);
    const char *argv[] = {"true"};
    struct run_spec plain = {.run = {5}, .commit = "", .argv = argv, .n_argv = 1};
    struct run_spec spec = plain;
    struct goal_entry entries[] = {{{5}, 0, 30000, &plain}, {{6}, 0, 30000, &spec}};
    struct goal g = {.server = {9}, .seq = 1, .entries = entries, .n_entries = 2};

    spec.run.v = 6;
    spec.user.v = 7;
    spec.secrets = secrets;
    spec.n_secrets = n;
    link_connect(w->links, &w->row);
    until(w, &w->ups, 1);
    g.link = w->number;
    link_goal(w->links, &g);
    return w;
}

static void test_link__secrets_are_opened_when_they_are_sent(void **state)
{
    static const char *const secrets[] = {"TOKEN=sealed text", "KEY=sealed text"};
    struct world *w = send_secrets("hello 2\nexpect WELCOME\n", secrets, 2);
    char got[8192];

    (void)state;
    until_file(w, "got", "GOALS", got, sizeof(got));
    assert_non_null(strstr(got, "\"run\": 5"));
    assert_non_null(strstr(got, "\"secrets\": [\"TOKEN=opened\", \"KEY=opened\"]"));
    assert_int_equal(w->finishes, 0);
    world_free(w);
}

static void expect_refused(const char *hello, const char *const *secrets, const char *reason)
{
    struct world *w = send_secrets(hello, secrets, 2);
    char got[8192];

    until_file(w, "got", "GOALS", got, sizeof(got));
    until(w, &w->finishes, 1);
    assert_non_null(strstr(got, "\"run\": 5"));
    assert_null(strstr(got, "opened"));
    assert_null(strstr(got, "\"run\": 6, \"test\"")); /* no RUN_SPEC */
    if (strstr(w->reason, reason) == NULL)
        fail_msg("'%s' is not in: %s", reason, w->reason);
    assert_int_equal(w->downs, 0);
    world_free(w);
}

static void test_link__a_secret_that_does_not_open_costs_its_run_alone(void **state)
{
    static const char *const bad[] = {"TOKEN=sealed text", "BAD=sealed"};
    static const char *const good[] = {"TOKEN=sealed text", "KEY=sealed text"};

    (void)state;
    expect_refused(
        "hello 2\nexpect WELCOME\n", bad,
        "6 how 12: a secret of its user could not be given to it: BAD: it was sealed with another key");
    expect_refused(
        "hello 1\nexpect WELCOME\n", good,
        "6 how 12: a secret of its user could not be given to it: TOKEN: the agent on this server is older");
}

static void test_link__an_older_agent_gets_no_run_that_it_would_do_half(void **state)
{
    static const char *const setup[] = {"submodule=0123456789012345678901234567890123456789 lib"};
    struct world *w = world_new("hello 3\nexpect WELCOME\n");
    const char *argv[] = {"true"};
    struct run_spec plain = {.run = {5}, .commit = "", .argv = argv, .n_argv = 1};
    struct run_spec spec = plain;
    struct goal_entry entries[] = {{{5}, 0, 30000, &plain}, {{6}, 0, 30000, &spec}};
    struct goal g = {.server = {9}, .seq = 1, .entries = entries, .n_entries = 2};
    char got[8192];

    (void)state;
    spec.run.v = 6;
    spec.setup = setup;
    spec.n_setup = 1;
    link_connect(w->links, &w->row);
    until(w, &w->ups, 1);
    g.link = w->number;
    link_goal(w->links, &g);
    until_file(w, "got", "GOALS", got, sizeof(got));
    until(w, &w->finishes, 1);
    assert_non_null(strstr(got, "\"run\": 5, \"test\""));
    assert_null(strstr(got, "\"run\": 6, \"test\"")); /* no RUN_SPEC */
    assert_non_null(strstr(w->reason, "is older than what the project asks for (submodules"));
    world_free(w);
}

static void test_link__bye_is_written_and_ends_it_without_down(void **state)
{
    struct world *w = world_new("hello\nexpect WELCOME\n");
    char got[8192];

    (void)state;
    link_connect(w->links, &w->row);
    until(w, &w->ups, 1);
    link_bye(w->links, w->row.id);
    until_file(w, "got", "BYE", got, sizeof(got));
    for (int i = 0; i < 50; i++) {
        (void)uv_run(&w->loop, UV_RUN_NOWAIT);
        (void)usleep(2000);
    }
    assert_int_equal(w->downs, 0);
    world_free(w);
}

static void expect_down(const char *text, const char *reason)
{
    struct world *w = world_new(text);

    link_connect_by(w->links, &w->row, &(struct link_way){.era = 4});
    until(w, &w->downs, 1);
    assert_int_equal(w->era, 4);
    if (strstr(w->reason, reason) == NULL)
        fail_msg("'%s' is not in: %s", reason, w->reason);
    assert_int_equal(w->downs, 1);
    world_free(w);
}

static void test_link__what_is_not_in_the_table_closes_it(void **state)
{
    (void)state;
    expect_down("beat 1\n", "frame 2 (BEAT) of 32 bytes before HELLO");
    expect_down("hello\nhello\n", "(HELLO)");
    expect_down("hello\nraw 0400000012000000deadbeef\n", "frame 18 (GOALS) of 4 bytes after HELLO");
    expect_down("hello\nraw 0000010003000000\n", "frame STARTED of 65536 bytes, at most 4096");
    expect_down("hello\nraw ffffffff63000000\n", "frame 99");
    expect_down("hello\nstream 1 7 0 x\n", "stream 7");
    expect_down("hello 0\n", "speaks protocol 0; this wrata needs at least 1");
    expect_down("flood 9\n", "does not speak as an agent");
}

static void test_link__an_unknown_frame_of_a_newer_agent_is_passed_over(void **state)
{
    struct world *w = world_new("hello 7\nraw 0400000063000000deadbeef\nbeat 1\n");

    (void)state;
    link_connect(w->links, &w->row);
    until(w, &w->beats, 1);
    assert_int_equal(w->downs, 0);
    world_free(w);
}

static void test_link__the_last_words_of_the_child_are_the_reason(void **state)
{
    (void)state;
    expect_down("stderr first\nstderr cannot make the socket: Permission denied\nexit 3\n",
                "cannot make the socket: Permission denied");
    expect_down("exit 3\n", "it ended with exit status 3");
    expect_down("hello\nexpect WELCOME\nexit 0\n", "the agent on s1 closed the link");
}

static void test_link__an_op_may_disconnect_or_connect(void **state)
{
    struct world *w = world_new("hello\nexpect WELCOME\nbeat 1\nbeat 2\nbeat 3\n");

    (void)state;
    w->disconnect_in_beat = true;
    link_connect(w->links, &w->row);
    until(w, &w->beats, 1);
    (void)usleep(50000);
    (void)uv_run(&w->loop, UV_RUN_NOWAIT);
    assert_int_equal(w->beats, 1);
    assert_int_equal(w->downs, 0);
    world_free(w);

    w = world_new("exit 1\n");
    w->reconnect_in_down = true;
    link_connect(w->links, &w->row);
    until(w, &w->downs, 2);
    assert_int_equal(w->down_number, 0);
    world_free(w);
}

static void test_link__git_comes_through_a_channel(void **state)
{
    struct world *w = world_new(NULL);
    char commit[64];
    char text[256];
    char got[512];
    FILE *f;

    (void)state;
    (void)snprintf(w->mirror, sizeof(w->mirror), "%s/m.git", w->dir);
    /* More than a window, so that credit has to flow. */
    sh("cd %s && git init -q src && cd src && head -c 3000000 /dev/urandom >big && git add big && "
       "git -c user.name=a -c user.email=a@b commit -qm x && git clone -q --bare . ../m.git && "
       "git rev-parse HEAD >../commit",
       w->dir);
    (void)snprintf(text, sizeof(text), "%s/commit", w->dir);
    f = fopen(text, "r");
    assert_non_null(f);
    assert_non_null(fgets(commit, sizeof(commit), f));
    (void)fclose(f);
    commit[strcspn(commit, "\n")] = '\0';
    (void)snprintf(text, sizeof(text), "hello\nexpect WELCOME\nfetch 3 %s\n", commit);
    script(w, text);
    link_connect(w->links, &w->row);
    until_file(w, "fetched", "\n", got, sizeof(got));
    assert_string_equal(got, "0 \n");
    sh("git -C %s/servers/s1/clone.git cat-file -e %s", w->dir, commit);
    assert_int_equal(w->downs, 0);
    world_free(w);
}

static void test_link__a_channel_that_cannot_be_says_why(void **state)
{
    struct world *w = world_new("hello\nexpect WELCOME\nfetch 4 0123456789012345678901234567890123456789\n");
    char got[512];

    (void)state;
    link_connect(w->links, &w->row);
    until_file(w, "fetched", "\n", got, sizeof(got));
    assert_non_null(strstr(got, "project 4 has no mirror"));
    world_free(w);
}

static void test_link__ssh_refuses_a_host_that_is_an_option(void **state)
{
    struct world *w = world_new(NULL);

    (void)state;
    w->row.fleet = FLEET_SSH;
    w->row.address = "-oProxyCommand=touch /tmp/x";
    link_connect(w->links, &w->row);
    until(w, &w->downs, 1);
    assert_non_null(strstr(w->reason, "begins with '-'"));
    world_free(w);
}

/* An ssh that reaches this computer: a login shell that talks, and a home of its own. Once it is an old one that does
 * not know our wish for key exchanges. */
static void make_ssh(struct world *w, const char *chatter)
{
    char path[256];
    FILE *f;

    sh("mkdir -p %s/bin %s/home/.wrata && printf 'hello\\nexpect WELCOME\\nbeat 1\\n' >%s/home/.wrata/script",
       w->dir, w->dir, w->dir);
    (void)snprintf(path, sizeof(path), "%s/bin/ssh", w->dir);
    f = fopen(path, "w");
    assert_non_null(f);
    (void)fprintf(
        f,
        "#!/bin/sh\n"
        "printf '%%s\\n' \"$*\" >>%s/ssh.args\n"
        "if grep -q KexAlgorithms \"$2\"; then echo \"$2 line 6: Bad SSH2 KexAlgorithms\" >&2; exit 255; fi\n"
        "for a; do last=$a; done\n"
        "export HOME=%s/home\n"
        "%s\n"
        "exec sh -c \"$last\"\n",
        w->dir, w->dir, chatter);
    (void)fclose(f);
    sh("chmod +x %s", path);
    (void)snprintf(path, sizeof(path), "%s/bin:/usr/bin:/bin", w->dir);
    (void)setenv("PATH", path, 1);
    w->row.fleet = FLEET_SSH;
    w->row.address = "qa-1";
    w->row.user = "tester";
    w->row.port = 2222;
}

static void test_link__ssh_brings_the_agent_once(void **state)
{
    struct world *w = world_new(NULL);

    (void)state;
    make_ssh(w, "printf 'Welcome!\\nlast words without a newline '");
    link_connect(w->links, &w->row);
    until(w, &w->beats, 1);
    sh("cmp -s %s/home/.wrata/agent-* tests/lib/fake_agent.py && test $(ls %s/home/.wrata | grep -c new-) = "
       "0",
       w->dir, w->dir);
    sh("grep -q -- '-l tester -p 2222 -- qa-1 exec sh -c' %s/ssh.args", w->dir);
    sh("test $(grep -c qa-1 %s/ssh.args) = 2", w->dir); /* the first was an ssh without our key exchange */
    link_disconnect(w->links, w->row.id);
    sh("touch -d 2001-01-01 %s/home/.wrata/agent-*", w->dir);
    link_connect(w->links, &w->row);
    until(w, &w->beats, 2);
    sh("test $(find %s/home/.wrata -name 'agent-*' ! -newermt 2002-01-01 | wc -l) = 1",
       w->dir); /* not written again */
    link_disconnect(w->links, w->row.id);
    sh("for f in %s/home/.wrata/agent-*; do echo short >$f; done", w->dir); /* as after a power cut */
    sh("cd %s/home/.wrata && echo old >agent-00 && cp $(command -v sleep) agent-11 && { ./agent-11 5 "
       ">/dev/null 2>&1 & }",
       w->dir);
    link_connect(w->links, &w->row);
    until(w, &w->beats, 3);
    sh("cd %s/home/.wrata && test -e agent-11 && test \"$(ls agent-* | wc -l)\" = 2",
       w->dir); /* a new one was written: of the others, the one that runs stays */
    assert_int_equal(w->downs, 0);
    world_free(w);
}

static void test_link__ssh_that_fails_says_why(void **state)
{
    static const struct {
        const char *instead;
        const char *reason;
    } rows[] = {
        {"echo 'ssh: connect to host qa-1 port 2222: Connection refused' >&2; exit 255",
         "Connection refused"},
        {"echo 'Host key for [qa-1]:2222 has changed and you have requested strict checking.' >&2; exit 255",
         "the host key of [qa-1]:2222 changed."},
        {"chmod 500 $HOME/.wrata; rm -rf $HOME; touch $HOME", "qa-1: its folder"},
        {"echo 'wrata-link 1 corrupt /x'; exit 0", "qa-1: the agent arrived broken in /x"},
        {"echo 'wrata-link 1 surprise'; sleep 5", "answered 'surprise'"},
        {"head -c 100000 /dev/zero; sleep 5", "prints more than"},
        {"exit 0", "ssh: it ended without an agent"},
        {"kill -9 $$", "ssh: signal 9 (Killed) ended it"},
    };

    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        struct world *w = world_new(NULL);

        make_ssh(w, rows[i].instead);
        link_connect(w->links, &w->row);
        until(w, &w->downs, 1);
        if (strstr(w->reason, rows[i].reason) == NULL)
            fail_msg("'%s' is not in: %s", rows[i].reason, w->reason);
        world_free(w);
    }
}

/* Artifacts may be passed over by an agent that is too old to know of them; the rest of a setup may not. */
static void test_link__an_older_agent_runs_what_only_asks_for_artifacts(void **state)
{
    static const char *const artifacts[] = {"artifact=*.png", "artifact_run_max=7"};
    static const char *const steps[] = {"artifact=*.png", "step=x", "arg=x"};
    struct world *w = world_new("hello 2\nexpect WELCOME\n");
    const char *argv[] = {"true"};
    struct run_spec first = {
        .run = {5}, .commit = "", .argv = argv, .n_argv = 1, .setup = artifacts, .n_setup = 2};
    struct run_spec second = {
        .run = {6}, .commit = "", .argv = argv, .n_argv = 1, .setup = steps, .n_setup = 3};
    struct goal_entry entries[] = {{{5}, 0, 30000, &first}, {{6}, 0, 30000, &second}};
    struct goal g = {.server = {9}, .seq = 1, .entries = entries, .n_entries = 2};
    char got[8192];

    (void)state;
    link_connect(w->links, &w->row);
    until(w, &w->ups, 1);
    g.link = w->number;
    link_goal(w->links, &g);
    until(w, &w->finishes, 1);
    assert_non_null(
        strstr(w->reason, "6 how 12: the agent on this server is older than what the project asks for"));
    until_file(w, "got", "GOALS", got, sizeof(got));
    assert_non_null(strstr(got, "\"frame\": \"RUN_SPEC\", \"run\": 5"));
    assert_null(strstr(got, "\"frame\": \"RUN_SPEC\", \"run\": 6"));
    world_free(w);
}

/* ---- channels of artifacts ---- */

static void test_link__artifacts_reach_the_sink_and_its_answer_the_agent(void **state)
{
    struct world *w =
        world_new("hello\nexpect WELCOME\nopen 7 artifacts 41\ndata 7 262144\nexpect CHAN_CREDIT\n"
                  "data 7 100000\nanswer\nexpect CHAN_CLOSE\ndata 7 65536\nclose 7\nbeat 1\n");
    char got[8192];

    (void)state;
    link_connect(w->links, &w->row);
    until(w, &w->taken, 262144);
    artifact_chan_took(w->chan, 200000);
    links_flush(w->links);
    until(w, &w->taken, 362144);
    artifact_chan_took(w->chan, 62144);
    artifact_chan_answer(w->chan, NULL);
    links_flush(w->links);
    until(w, &w->beats, 1); /* what came after the answer was taken, too */
    until_file(w, "answer", "ok\n", got, sizeof(got));
    until_file(w, "got", "CHAN_CLOSE", got, sizeof(got));
    assert_non_null(strstr(got, "\"frame\": \"CHAN_CREDIT\", \"chan\": 7, \"bytes\": 200000"));
    assert_non_null(strstr(got, "\"frame\": \"CHAN_CLOSE\", \"chan\": 7, \"error\": \"\""));
    assert_int_equal(w->dropped, 0);
    assert_int_equal(w->downs, 0);
    world_free(w);
}

static void test_link__artifacts_that_are_refused_are_told_why(void **state)
{
    struct world *w = world_new("hello\nexpect WELCOME\nopen 7 artifacts 41\ndata 7 262144\nanswer\n"
                                "expect CHAN_CREDIT\nclose 7\nopen 7 artifacts 0\nanswer\nbeat 1\n");
    char got[8192];

    (void)state;
    w->is_refused = true;
    link_connect(w->links, &w->row);
    until_file(w, "answer", "no run 41 is over\n", got, sizeof(got));
    until(w, &w->beats, 1);
    until_file(w, "answer", "no there is no such run\n", got, sizeof(got));
    assert_int_equal(w->begun, 1);
    assert_int_equal(w->taken, 0);
    assert_int_equal(w->downs, 0);
    world_free(w);
}

static void test_link__artifacts_that_make_no_sense_close_the_channel_alone(void **state)
{
    struct world *w = world_new(
        "hello\nexpect WELCOME\nopen 7 artifacts 41\ndata 7 10\nexpect CHAN_CLOSE\n"
        "data 7 10\nopen 8 artifacts 41\nclose 8 the client went away\n"
        "open 9 artifacts 41\nclose 9\nexpect CHAN_CLOSE\nopen 10 tapes 41\nexpect CHAN_CLOSE\nbeat 1\n");
    char got[8192];

    (void)state;
    link_connect(w->links, &w->row);
    until(w, &w->taken, 10);
    artifact_chan_break(w->chan, "neither a `file` line nor `end`");
    links_flush(w->links);
    until(w, &w->beats, 1);
    assert_int_equal(w->taken, 10);
    assert_int_equal(w->begun, 3);
    assert_int_equal(w->dropped, 2);
    until_file(w, "got", "no such thing to open", got, sizeof(got));
    assert_non_null(strstr(got, "\"chan\": 7, \"error\": \"neither a `file` line nor `end`\""));
    assert_null(strstr(got, "\"chan\": 8"));
    assert_non_null(strstr(got, "\"chan\": 9, \"error\": \"it ended before its end\""));
    assert_int_equal(w->downs, 0);
    world_free(w);
}

static void test_link__artifacts_beyond_their_credit_end_the_link(void **state)
{
    struct world *w = world_new("hello\nexpect WELCOME\nopen 7 artifacts 41\ndata 7 262145\n");

    (void)state;
    link_connect(w->links, &w->row);
    until(w, &w->downs, 1);
    assert_string_equal(w->reason,
                        "the agent on s1 broke the protocol: more bytes on a channel than its credit");
    assert_int_equal(w->dropped, 1);
    world_free(w);
    w = world_new("hello\nexpect WELCOME\nopen 7 artifacts 41\nopen 7 artifacts 41\n");
    link_connect(w->links, &w->row);
    until(w, &w->downs, 1);
    assert_string_equal(w->reason, "the agent on s1 broke the protocol: channel 7 is open already");
    assert_int_equal(w->dropped, 1);
    world_free(w);
}

static void test_link__artifacts_are_dropped_with_the_link(void **state)
{
    struct world *w =
        world_new("hello\nexpect WELCOME\nopen 7 artifacts 41\nopen 8 artifacts 41\ndata 8 5\n");

    (void)state;
    link_connect(w->links, &w->row);
    until(w, &w->taken, 5);
    link_disconnect(w->links, w->row.id);
    assert_int_equal(w->dropped, 2);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_link__hello_is_answered_and_frames_reach_the_ops),
        cmocka_unit_test(test_link__goals_are_sent_on_the_present_link_only),
        cmocka_unit_test(test_link__secrets_are_opened_when_they_are_sent),
        cmocka_unit_test(test_link__a_secret_that_does_not_open_costs_its_run_alone),
        cmocka_unit_test(test_link__an_older_agent_gets_no_run_that_it_would_do_half),
        cmocka_unit_test(test_link__bye_is_written_and_ends_it_without_down),
        cmocka_unit_test(test_link__what_is_not_in_the_table_closes_it),
        cmocka_unit_test(test_link__an_unknown_frame_of_a_newer_agent_is_passed_over),
        cmocka_unit_test(test_link__the_last_words_of_the_child_are_the_reason),
        cmocka_unit_test(test_link__an_op_may_disconnect_or_connect),
        cmocka_unit_test(test_link__git_comes_through_a_channel),
        cmocka_unit_test(test_link__a_channel_that_cannot_be_says_why),
        cmocka_unit_test(test_link__ssh_refuses_a_host_that_is_an_option),
        cmocka_unit_test(test_link__ssh_brings_the_agent_once),
        cmocka_unit_test(test_link__ssh_that_fails_says_why),
        cmocka_unit_test(test_link__an_older_agent_runs_what_only_asks_for_artifacts),
        cmocka_unit_test(test_link__artifacts_reach_the_sink_and_its_answer_the_agent),
        cmocka_unit_test(test_link__artifacts_that_are_refused_are_told_why),
        cmocka_unit_test(test_link__artifacts_that_make_no_sense_close_the_channel_alone),
        cmocka_unit_test(test_link__artifacts_beyond_their_credit_end_the_link),
        cmocka_unit_test(test_link__artifacts_are_dropped_with_the_link),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
