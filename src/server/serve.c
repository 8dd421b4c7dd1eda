#include "server/serve.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "config/whole_file.h"
#include "net/tls.h"
#include "server/server.h"

/* DATA/serve.json tells the command line where this server is, and by which key it is known: its certificate is for
 * a name, and this is an address. The token makes whoever can read it the operator: it is for the owner of the data folder
 * alone. Written whole or not at all. */
static enum err announce(const struct server *s, struct why *reterr)
{
    const char *data = s->opts.data_dir;
    const char *url = api_url(s->api);
    char path[PATH_MAX + 32];
    char temp[PATH_MAX + 32];
    FILE *f = NULL;
    int fd;
    bool ok;

    (void)snprintf(path, sizeof(path), "%s/serve.json", data);
    (void)snprintf(temp, sizeof(temp), "%s/serve.json.new", data);
    fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0)
        f = fdopen(fd, "w");
    if (f == NULL)
        return why_errno(reterr, ERR_IO, errno, "%s cannot be written", temp);
    ok = fprintf(f, "{\"url\":\"%s\",\"pid\":%ld,\"token\":\"%s\"", url, (long)getpid(),
                 api_host_token(s->api)) > 0;
    if (s->tls != NULL)
        ok = fprintf(f, ",\"pin\":\"%s\"", tls_info(s->tls)->pin) > 0 && ok;
    ok = fputs("}\n", f) >= 0 && ok;
    ok = fclose(f) == 0 && ok;
    if (!ok || rename(temp, path) != 0)
        return why_errno(reterr, ERR_IO, errno, "%s cannot be written", path);
    LOG_INFO("listening", "url=%s", url);
    return ERR_OK;
}

/* Nobody can sign in as an admin yet. Not as a line of the log, which is sent about; under systemd the journal has it all
 * the same, for those who may read that. */
static void say_first_admin(const struct server *s)
{
    const char *secret = api_first_admin_secret(s->api);
    const char *host = s->opts.public_host;

    if (secret == NULL || s->opts.private_fd >= 0)
        return;
    (void)fprintf(stderr,
                  "\nThere is no admin yet. Make the first account here:\n\n    %s%s/welcome#%s\n\n"
                  "or on this host: wrata user add NAME --admin\n\n",
                  host != NULL ? "https://" : "", host != NULL ? host : api_url(s->api), secret);
}

static void on_renewed(struct server *s)
{
    struct why why;
    char text[300];

    if (announce(s, &why) != ERR_OK)
        LOG_ERROR("server.announce", "why=%s", log_quote(text, sizeof(text), why.text));
}

void serve_unannounce(const char *data)
{
    char path[PATH_MAX + 32];

    (void)snprintf(path, sizeof(path), "%s/serve.json", data);
    (void)unlink(path); /* a stale one is noticed by whoever reads it: its url does not answer */
}

/* A link and its pipes per server, streams, readers: the usual 1024 files are too few for a large fleet. */
static void raise_file_limit(void)
{
    struct rlimit rl;

    if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < rl.rlim_max) {
        rl.rlim_cur = rl.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &rl) != 0)
            LOG_WARN("server.files", "limit=%llu", (unsigned long long)rl.rlim_cur);
    }
}

/* The pipe is ours: what we start does not inherit it. */
static bool take_private(int fd)
{
    return fd < 0 || (fcntl(fd, F_GETFD) >= 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0);
}

static const char *text_or_null(const char *s)
{
    return s[0] != '\0' ? s : NULL;
}

static int run(struct server *s, const struct serve_args *args, struct config *config)
{
    struct server_opts o = {.data_dir = args->config.data,
                            .config = config,
                            .sources = &args->config,
                            .listen = config->set.listen,
                            .redirect = args->private_fd >= 0 ? NULL : text_or_null(config->set.redirect),
                            .public_host = text_or_null(config->set.public_host),
                            .connections_per_address = (unsigned)config->set.connections_per_address,
                            .may_be_insecure = config->set.insecure_listen,
                            .agent_path = text_or_null(config->set.agent),
                            .private_fd = args->private_fd,
                            .on_renewed = on_renewed};
    const char *data = o.data_dir;
    struct why why = {0};
    enum err err = folders_make(data, &why);

    if (err == ERR_OK)
        err = server_open(s, &o, &why);
    if (err == ERR_OK)
        err = announce(s, &why);
    if (err != ERR_OK) {
        (void)fprintf(stderr, "wrata: serve: %s\n", why.text);
        return err == ERR_INVALID ? 2 : 3;
    }
    say_first_admin(s);
    server_run(s);
    serve_unannounce(data);
    server_close(s);
    LOG_INFO("server.stopped", "data=%s", data);
    return 0;
}

int serve_main(const struct serve_args *args)
{
    static struct server s; /* large, one a process */
    static struct config config;
    struct buf problems;
    int rc = 2;

    (void)signal(SIGPIPE, SIG_IGN);
    raise_file_limit();
    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    if (!take_private(args->private_fd))
        (void)fprintf(stderr, "wrata: serve: --private takes the number of an open pipe, not '%d'\n",
                      args->private_fd);
    else if (config_load(&args->config, &config, &problems) != ERR_OK)
        (void)fprintf(stderr, "wrata: serve: the settings are wrong:\n%s", buf_str(&problems));
    else {
        settings_apply(&config);
        rc = run(&s, args, &config);
    }
    config_done(&config);
    buf_done(&problems);
    return rc;
}
