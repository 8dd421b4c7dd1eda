#include "cli/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "cli/cli_private.h"
#include "config/secret.h"

/* ---- lines ---- */

static volatile sig_atomic_t caught;

static void on_signal(int sig)
{
    caught = sig;
}

/* Byte by byte: what follows the line is somebody else's. *ret_some: there was a line, even an empty one. */
static enum err read_line(int fd, struct buf *out, bool *ret_some)
{
    enum err err = ERR_OK;
    char c = '\0';
    ssize_t n = 0;

    *ret_some = false;
    while (caught == 0) {
        n = read(fd, &c, 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        *ret_some = true;
        if (c == '\n')
            break;
        if (err == ERR_OK)
            err = buf_add(out, &c, 1);
    }
    if (err == ERR_OK && out->len > 0 && out->data[out->len - 1] == '\r') {
        out->data[--out->len] = '\0';
    }
    return err;
}

/* The terminal, or -1. *ret_close: it is to be closed. */
static int terminal_open(int *ret_close)
{
    *ret_close = -1;
    if (isatty(STDIN_FILENO) == 1)
        return STDIN_FILENO;
    *ret_close = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    return *ret_close;
}

static void show_question(const char *what)
{
    struct buf b;

    buf_init(&b, MIB(1));
    text_escape(&b, what);
    (void)fflush(stdout);
    (void)fprintf(stderr, "%s: ", buf_str(&b));
    (void)fflush(stderr);
    buf_done(&b);
}

static enum err ask_terminal(const char *what, bool is_seen, struct buf *out, struct why *reterr)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    struct sigaction ours = {.sa_handler = on_signal};
    struct sigaction old[ARRAY_LEN(signals)];
    struct termios was;
    struct termios quiet;
    bool has_line = false;
    int to_close;
    int fd = terminal_open(&to_close);
    enum err err;

    if (fd < 0 || tcgetattr(fd, &was) != 0) {
        if (to_close >= 0)
            (void)close(to_close);
        return why_set(reterr, ERR_INVALID, NULL, "%s is asked at a terminal, and there is none", what);
    }
    caught = 0;
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        (void)sigaction(signals[i], &ours, &old[i]);
    quiet = was;
    if (!is_seen) {
        quiet.c_lflag &= ~(tcflag_t)ECHO;
        (void)tcsetattr(fd, TCSAFLUSH, &quiet);
    }
    show_question(what);
    err = read_line(fd, out, &has_line);
    if (!is_seen) {
        (void)tcsetattr(fd, TCSAFLUSH, &was);
        (void)fputc('\n', stderr);
    }
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        (void)sigaction(signals[i], &old[i], NULL);
    if (to_close >= 0)
        (void)close(to_close);
    if (caught != 0) {
        buf_wipe(out);
        (void)raise(caught);
        return why_set(reterr, ERR_INVALID, NULL, "interrupted");
    }
    if (err != ERR_OK)
        return why_set(reterr, err, NULL, "%s: it has more than %zu bytes", what, out->max);
    return has_line ? ERR_OK : why_set(reterr, ERR_INVALID, NULL, "%s was not given", what);
}

enum err prompt_line(const char *what, struct buf *out, struct why *reterr)
{
    return ask_terminal(what, true, out, reterr);
}

enum err prompt_unseen(const char *what, struct buf *out, struct why *reterr)
{
    return ask_terminal(what, false, out, reterr);
}

enum err stdin_line(const char *what, struct buf *out, struct why *reterr)
{
    bool has_line;
    enum err err;

    caught = 0;
    err = read_line(STDIN_FILENO, out, &has_line);
    if (err != ERR_OK)
        return why_set(reterr, err, NULL, "%s: the line on standard input has more than %zu bytes", what,
                       out->max);
    return has_line
               ? ERR_OK
               : why_set(reterr, ERR_INVALID, NULL, "%s: there is no line for it on standard input", what);
}

enum err stdin_rest(const char *what, struct buf *out, struct why *reterr)
{
    char piece[4096];
    enum err err = ERR_OK;
    ssize_t n;

    while (err == ERR_OK && (n = read(STDIN_FILENO, piece, sizeof(piece))) != 0) {
        if (n < 0 && errno != EINTR)
            err = why_errno(reterr, ERR_IO, errno, "standard input cannot be read");
        else if (n > 0 && buf_add(out, piece, (size_t)n) != ERR_OK)
            err = why_set(reterr, ERR_LIMIT, NULL, "%s: the value has more than %zu bytes", what, out->max);
    }
    explicit_bzero(piece, sizeof(piece));
    return err;
}

enum err prompt_password(const struct cli *cli, const char *what, struct buf *out, struct why *reterr)
{
    int to_close;
    bool has_terminal;

    if (cli->o.password_stdin)
        return stdin_line(what, out, reterr);
    has_terminal = terminal_open(&to_close) >= 0;
    if (to_close >= 0)
        (void)close(to_close);
    if (!has_terminal)
        return why_set(
            reterr, ERR_INVALID, NULL,
            "%s is asked at a terminal, and there is none; a script hands it over with --password-stdin",
            what);
    return prompt_unseen(what, out, reterr);
}

enum err prompt_yes(const char *question, bool *ret, struct why *reterr)
{
    char what[512];
    struct buf answer;
    enum err err;

    (void)snprintf(what, sizeof(what), "%s [y/N]", question);
    buf_init(&answer, PROMPT_BYTES_MAX);
    err = prompt_line(what, &answer, reterr);
    *ret = err == ERR_OK && (buf_str(&answer)[0] == 'y' || buf_str(&answer)[0] == 'Y');
    buf_done(&answer);
    return err;
}
