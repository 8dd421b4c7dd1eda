/* cli.c - from the arguments to a command, and from its end to an exit code. */
#include "cli/cli.h"

#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/nearest.h"
#include "cli/caller.h"
#include "cli/cli_private.h"
#include "cli/discover.h"

/* ---- saying it ---- */

static void say(const char *fmt, va_list ap)
{
    char text[2048];
    struct buf out;

    (void)vsnprintf(text, sizeof(text), fmt, ap);
    buf_init(&out, KIB(64));
    text_escape_lines(&out, text, "  ");
    (void)fflush(stdout);
    (void)fprintf(stderr, "wrata: %s\n", buf_str(&out));
    buf_done(&out);
}

int cli_fail(int code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(fmt, ap);
    va_end(ap);
    return code;
}

int cli_fail_why(const struct why *why)
{
    return cli_fail(err_exit(why->code), "%s", why->text[0] != '\0' ? why->text : err_sentence(why->code));
}

void cli_note(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    say(fmt, ap);
    va_end(ap);
}

/* ---- commands ---- */

const struct command *command_find(const char *name)
{
    for (size_t i = 0; i < n_commands; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

static const char *visible_name(const void *ctx, size_t i)
{
    (void)ctx;
    return i < n_commands ? commands[i].name : NULL;
}

static int unknown_command(const char *word)
{
    const char *near = nearest_name(word, visible_name, NULL);

    if (near != NULL)
        return cli_fail(EXIT_USAGE, "there is no command '%s'; did you mean '%s'?", word, near);
    if (access(word, F_OK) == 0)
        return cli_fail(EXIT_USAGE, "there is no command '%s'; to run this file: wrata run %s", word, word);
    return cli_fail(EXIT_USAGE, "there is no command '%s'; `wrata help` lists them", word);
}

int cmd_version(struct cli *cli)
{
    if (cli->o.json)
        (void)printf("{\"version\":\"%s\"}\n", WRATA_VERSION);
    else
        (void)printf("wrata %s\n", WRATA_VERSION);
    return EXIT_PASSED;
}

/* --data, else $XDG_DATA_HOME/wrata, else ~/.local/share/wrata; absolute, since children run elsewhere. */
static enum err data_folder(const char *given, char *out, size_t size, struct why *reterr)
{
    const char *xdg = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    char cwd[PATH_MAX];
    int n;

    if (given != NULL && given[0] == '/')
        n = snprintf(out, size, "%s", given);
    else if (given != NULL && given[0] != '\0' && getcwd(cwd, sizeof(cwd)) != NULL)
        n = snprintf(out, size, "%s/%s", cwd, given);
    else if (xdg != NULL && xdg[0] == '/')
        n = snprintf(out, size, "%s/wrata", xdg);
    else if (home != NULL && home[0] == '/')
        n = snprintf(out, size, "%s/.local/share/wrata", home);
    else
        return why_set(reterr, ERR_INVALID, "data", "--data is needed, since HOME is not set");
    if (n >= (int)size - 64)
        return why_set(reterr, ERR_INVALID, "data", "--data: the path is too long");
    return ERR_OK;
}

int cmd_serve(struct cli *cli)
{
    struct serve_args args = {.config = {.data = cli->data, .file = cli->o.config, .flags = cli->o.settings},
                              .private_fd = (int)cli->o.private_fd};

    return cli->serve(&args);
}

static int show_help(const struct command *cmd)
{
    struct buf out;

    buf_init(&out, MIB(1));
    help_text(&out, cmd);
    (void)fputs(buf_str(&out), stdout);
    buf_done(&out);
    return EXIT_PASSED;
}

static int check_args(const struct cli *cli)
{
    const struct command *cmd = cli->cmd;

    if (cli->n_args >= cmd->args_min && (cmd->args_max < 0 || cli->n_args <= cmd->args_max))
        return EXIT_PASSED;
    if (cmd->args_max == 0)
        return cli_fail(EXIT_USAGE, "`wrata %s` takes no argument, but got '%s'", cmd->name, cli->args[0]);
    if (cli->n_args < cmd->args_min)
        return cli_fail(EXIT_USAGE, "`wrata %s` needs an argument: wrata %s %s", cmd->name, cmd->name,
                        cmd->synopsis[0]);
    return cli_fail(EXIT_USAGE, "`wrata %s` does not know what to do with '%s': wrata %s %s", cmd->name,
                    cli->args[cmd->args_max], cmd->name, cmd->synopsis[0]);
}

static int run_command(struct cli *cli)
{
    struct why why = {0};
    int rc = check_args(cli);

    if (rc != EXIT_PASSED)
        return rc;
    cli->discovery = discovery_new(&(struct discovery_opts){
        .url = cli->o.url, .ca = cli->o.ca, .data = cli->data, .may_start = cli->cmd->needs == NEEDS_START});
    /* `run` looks for its server itself, after it has looked at its arguments. */
    if (cli->cmd->needs != NEEDS_NOTHING && cli->cmd->run != cmd_run &&
        discovery_find(cli->discovery, &cli->client, &why) != ERR_OK)
        rc = cli_fail_why(&why);
    else
        rc = cli->cmd->run(cli);
    caller_session_end(cli);
    client_free(cli->client);
    discovery_free(cli->discovery);
    return rc;
}

/* Whoever reads us has gone: end as `cat` would, by the signal. The exit code of `run` says too much for that. */
static int end_of_output(const struct cli *cli, int rc)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

    if ((fflush(stdout) == 0 && ferror(stdout) == 0) || rc != EXIT_PASSED)
        return rc;
    if (poll(&out, 1, 0) < 0 || (out.revents & POLLERR) == 0)
        return cli_fail(EXIT_INFRA, "standard output cannot be written");
    if (cli->cmd == NULL || cli->cmd->run != cmd_run) {
        (void)signal(SIGPIPE, SIG_DFL);
        (void)raise(SIGPIPE);
    }
    return rc;
}

static int parse_and_run(struct cli *cli, int argc, char **argv)
{
    char data[PATH_MAX];
    struct why why = {0};
    int first = 0;

    if (options_defaults(&cli->o, global_options, n_global_options, &why) != ERR_OK ||
        options_parse(&cli->o, NULL, argc, argv, &first, &why) != ERR_OK)
        return cli_fail_why(&why);
    argc -= first;
    argv += first;
    if (argc > 0) {
        cli->cmd = command_find(argv[0]);
        if (cli->cmd == NULL)
            return unknown_command(argv[0]);
        if (cli->cmd->options != NULL &&
            options_defaults(&cli->o, cli->cmd->options, cli->cmd->n_options, &why) != ERR_OK)
            return cli_fail_why(&why);
    }
    if (cli->cmd != NULL) {
        if (options_parse(&cli->o, cli->cmd, argc, argv, &first, &why) != ERR_OK)
            return cli_fail_why(&why);
        cli->args = argv + first;
        cli->n_args = argc - first;
    }
    if (cli->o.help)
        return show_help(cli->cmd);
    if (cli->cmd == NULL) {
        (void)show_help(NULL);
        return EXIT_USAGE;
    }
    if (data_folder(cli->o.data, data, sizeof(data), &why) != ERR_OK)
        return cli_fail_why(&why);
    cli->data = data;
    term_init(&cli->out, STDOUT_FILENO, cli->o.color);
    return run_command(cli);
}

int cli_main(int argc, char **argv, serve_fn *serve, look_fn *look)
{
    struct cli cli = {.serve = serve, .look = look};
    int rc;

    (void)signal(SIGPIPE, SIG_IGN);
    caller_init();
    rc = parse_and_run(&cli, argc, argv);
    caller_done();
    options_done(&cli.o);
    return end_of_output(&cli, rc);
}
