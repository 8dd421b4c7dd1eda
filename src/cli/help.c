/* help.c - three faces of the tables in commands.c: a terminal, the manual page, docs/cli.md. */
#include <stdio.h>
#include <string.h>

#include "base/nearest.h"
#include "cli/cli_private.h"

#define WRAP 96
#define OPTION_COLUMN 30

static const char opening[] = "wrata runs scripts and test suites in parallel on a fleet of machines. One "
                              "program is the server, its page and"
                              " this command line.";

/* Break `text` at blanks so that lines end before WRAP; `column` is where the cursor stands. */
static void wrap(struct buf *out, const char *text, int column, int indent)
{
    int at = column;
    bool is_first = true;

    while (*text != '\0') {
        size_t n = strcspn(text, " ");

        if (!is_first && at + 1 + (int)n > WRAP) {
            buf_putc(out, '\n');
            text_pad(out, indent);
            at = indent;
        } else if (!is_first) {
            buf_putc(out, ' ');
            at++;
        }
        buf_put(out, text, n);
        at += (int)n;
        is_first = false;
        text += n;
        text += strspn(text, " ");
    }
}

/* Call f for each line of a command's text. */
static void each_line(const char *text, void (*f)(struct buf *out, const char *line), struct buf *out)
{
    while (text != NULL && *text != '\0') {
        char line[1024];
        size_t n = strcspn(text, "\n");

        (void)snprintf(line, sizeof(line), "%.*s", (int)n, text);
        f(out, line);
        text += n + (text[n] == '\n');
    }
}

/* "-s, --slots N"; returns nothing, appends. */
static void option_head(struct buf *out, const struct option_row *row)
{
    if (row->letter != '\0')
        buf_printf(out, "-%c, ", row->letter);
    buf_printf(out, "--%s", row->name);
    if (row->arg != NULL)
        buf_printf(out, " %s", row->arg);
}

/* The help with what the row itself knows: its variable, its default. */
static void option_help(struct buf *out, const struct option_row *row)
{
    buf_puts(out, row->help);
    if (row->env != NULL)
        buf_printf(out, " (also by $%s)", row->env);
    if (row->value != NULL && row->value[0] != '\0' && strcmp(row->value, "0") != 0 &&
        row->kind != OPTION_SWITCH)
        buf_printf(out, " (default: %s)", row->value);
}

/* ---- a terminal ---- */

static void text_line(struct buf *out, const char *line)
{
    if (line[0] == ' ')
        buf_puts(out, line);
    else
        wrap(out, line, 0, 0);
    buf_putc(out, '\n');
}

static void text_options(struct buf *out, const struct option_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct buf head;
        struct buf help;

        if (rows[i].help == NULL)
            continue;
        buf_init(&head, KIB(4));
        buf_init(&help, KIB(4));
        buf_puts(&head, rows[i].letter != '\0' ? "  " : "      ");
        option_head(&head, &rows[i]);
        option_help(&help, &rows[i]);
        buf_puts(out, buf_str(&head));
        if (head.len + 2 > OPTION_COLUMN) {
            buf_putc(out, '\n');
            text_pad(out, OPTION_COLUMN);
        } else {
            text_pad(out, OPTION_COLUMN - (int)head.len);
        }
        wrap(out, buf_str(&help), OPTION_COLUMN, OPTION_COLUMN);
        buf_putc(out, '\n');
        buf_done(&head);
        buf_done(&help);
    }
}

static void text_overview(struct buf *out)
{
    wrap(out, opening, 0, 0);
    buf_puts(out, "\n\nusage: wrata COMMAND [OPTIONS] [ARGUMENTS]\n\nCommands:\n");
    for (size_t i = 0; i < n_commands; i++) {
        if (!commands[i].is_hidden)
            buf_printf(out, "  %-12s%s\n", commands[i].name, commands[i].summary);
    }
    buf_puts(out, "\nOptions of every command:\n");
    text_options(out, global_options, n_global_options);
    buf_puts(out, "\nStart with:   wrata run spec/\nMore about a command:   wrata help run\n");
}

void help_text(struct buf *out, const struct command *cmd)
{
    if (cmd == NULL) {
        text_overview(out);
        return;
    }
    for (size_t i = 0; i < cmd->n_synopsis; i++) {
        buf_printf(out, "%s wrata %s%s%s\n", i == 0 ? "usage:" : "      ", cmd->name,
                   cmd->synopsis[i][0] != '\0' ? " " : "", cmd->synopsis[i]);
    }
    buf_printf(out, "\nwrata %s: %s\n", cmd->name, cmd->summary);
    if (cmd->text != NULL) {
        buf_putc(out, '\n');
        each_line(cmd->text, text_line, out);
    }
    if (cmd->n_options > 0) {
        buf_puts(out, "\nOptions:\n");
        text_options(out, cmd->options, cmd->n_options);
    }
    buf_puts(out, "\nOptions of every command:\n");
    text_options(out, global_options, n_global_options);
}

/* ---- the manual page ---- */

/* roff reads a leading dot or quote as a request, a backslash as an escape, a plain hyphen as a hyphenation point. */
static void roff_text(struct buf *out, const char *s)
{
    if (*s == '.' || *s == '\'')
        buf_puts(out, "\\&");
    for (; *s != '\0'; s++) {
        if (*s == '\\')
            buf_puts(out, "\\e");
        else if (*s == '-')
            buf_puts(out, "\\-");
        else if (*s == '`')
            buf_puts(out, "\\(ga");
        else
            buf_putc(out, *s);
    }
}

static void roff_line(struct buf *out, const char *line)
{
    if (line[0] == '\0') {
        buf_puts(out, ".PP\n");
        return;
    }
    if (line[0] == ' ') {
        buf_puts(out, ".br\n.nf\n");
        roff_text(out, line);
        buf_puts(out, "\n.fi\n");
        return;
    }
    roff_text(out, line);
    buf_putc(out, '\n');
}

static void roff_options(struct buf *out, const struct option_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct buf b;

        if (rows[i].help == NULL)
            continue;
        buf_init(&b, KIB(4));
        option_head(&b, &rows[i]);
        buf_puts(out, ".TP\n.B ");
        roff_text(out, buf_str(&b));
        buf_clear(&b);
        option_help(&b, &rows[i]);
        buf_putc(out, '\n');
        roff_text(out, buf_str(&b));
        buf_putc(out, '\n');
        buf_done(&b);
    }
}

static void roff_command(struct buf *out, const struct command *cmd)
{
    buf_printf(out, ".SS wrata %s\n", cmd->name);
    for (size_t i = 0; i < cmd->n_synopsis; i++) {
        buf_printf(out, "%s.B wrata %s\n", i > 0 ? ".br\n" : "", cmd->name);
        roff_text(out, cmd->synopsis[i]);
        buf_puts(out, cmd->synopsis[i][0] != '\0' ? "\n" : "");
    }
    buf_puts(out, ".PP\n");
    roff_text(out, cmd->summary);
    buf_puts(out, ".\n");
    if (cmd->text != NULL) {
        buf_puts(out, ".PP\n");
        each_line(cmd->text, roff_line, out);
    }
    roff_options(out, cmd->options, cmd->n_options);
}

void help_man(struct buf *out)
{
    buf_puts(out, ".\\\" Made by `wrata man`; do not edit.\n.TH WRATA 1 \"\" \"wrata\" \"User Commands\"\n");
    buf_puts(out, ".SH NAME\nwrata \\- run scripts and test suites in parallel on many machines\n");
    buf_puts(out, ".SH SYNOPSIS\n.B wrata\n.I COMMAND\n[OPTIONS] [ARGUMENTS]\n.SH DESCRIPTION\n");
    roff_text(out, opening);
    buf_puts(out, "\n.SH OPTIONS OF EVERY COMMAND\n");
    roff_options(out, global_options, n_global_options);
    buf_puts(out, ".SH COMMANDS\n");
    for (size_t i = 0; i < n_commands; i++) {
        if (!commands[i].is_hidden)
            roff_command(out, &commands[i]);
    }
    buf_puts(
        out,
        ".SH EXIT STATUS\n.TP\n.B 0\npassed, or done as asked\n.TP\n.B 1\nsomething failed, did not load,"
        " timed out, was stopped or had no tests\n.TP\n.B 2\nthe command line or the request was wrong\n"
        ".TP\n.B 3\nthe machines failed, or no server could be reached\n");
}

/* ---- docs/cli.md ---- */

static void md_line(struct buf *out, const char *line)
{
    buf_puts(out, line);
    buf_putc(out, '\n');
}

static void md_cell(struct buf *out, const char *s)
{
    for (; *s != '\0'; s++) {
        if (*s == '|' || *s == '<')
            buf_putc(out, '\\');
        buf_putc(out, *s);
    }
}

static void md_options(struct buf *out, const struct option_row *rows, size_t n)
{
    if (n == 0)
        return;
    buf_puts(out, "\n| option | what |\n|---|---|\n");
    for (size_t i = 0; i < n; i++) {
        struct buf b;

        if (rows[i].help == NULL)
            continue;
        buf_init(&b, KIB(4));
        option_head(&b, &rows[i]);
        buf_puts(out, "| `");
        md_cell(out, buf_str(&b));
        buf_puts(out, "` | ");
        buf_clear(&b);
        option_help(&b, &rows[i]);
        md_cell(out, buf_str(&b));
        buf_puts(out, " |\n");
        buf_done(&b);
    }
}

void help_markdown(struct buf *out)
{
    buf_puts(
        out,
        "# The command line\n\nMade by `wrata help --markdown` from the tables in `src/cli/commands.c`.\n\n");
    wrap(out, opening, 0, 0);
    buf_puts(
        out,
        "\n\nExit codes: 0 passed; 1 something failed, did not load, timed out, was stopped or had no tests;"
        " 2 the command line or\nthe request was wrong; 3 the machines failed or no server could be"
        " reached.\n\n## Options of every command\n");
    md_options(out, global_options, n_global_options);
    for (size_t i = 0; i < n_commands; i++) {
        const struct command *cmd = &commands[i];

        if (cmd->is_hidden)
            continue;
        buf_printf(out, "\n## wrata %s\n\n%s.\n\n```\n", cmd->name, cmd->summary);
        for (size_t j = 0; j < cmd->n_synopsis; j++) {
            buf_printf(out, "wrata %s%s%s\n", cmd->name, cmd->synopsis[j][0] != '\0' ? " " : "",
                       cmd->synopsis[j]);
        }
        buf_puts(out, "```\n");
        if (cmd->text != NULL) {
            buf_putc(out, '\n');
            each_line(cmd->text, md_line, out);
        }
        md_options(out, cmd->options, cmd->n_options);
    }
}

/* ---- commands ---- */

static const char *command_name(const void *ctx, size_t i)
{
    (void)ctx;
    return i < n_commands ? commands[i].name : NULL;
}

static int print(void (*make)(struct buf *out))
{
    struct buf out;

    buf_init(&out, MIB(1));
    make(&out);
    (void)fputs(buf_str(&out), stdout);
    buf_done(&out);
    return EXIT_PASSED;
}

int cmd_help(struct cli *cli)
{
    const struct command *cmd = cli->n_args > 0 ? command_find(cli->args[0]) : NULL;
    struct buf out;

    if (cli->o.markdown)
        return print(help_markdown);
    if (cli->n_args > 0 && cmd == NULL) {
        const char *near = nearest_name(cli->args[0], command_name, NULL);

        if (near != NULL)
            return cli_fail(EXIT_USAGE, "there is no command '%s'; did you mean '%s'?", cli->args[0], near);
        return cli_fail(EXIT_USAGE, "there is no command '%s'; `wrata help` lists them", cli->args[0]);
    }
    buf_init(&out, MIB(1));
    help_text(&out, cmd);
    (void)fputs(buf_str(&out), stdout);
    buf_done(&out);
    return EXIT_PASSED;
}

int cmd_man(struct cli *cli)
{
    (void)cli;
    return print(help_man);
}
