/* bootstrap.c - the way to an agent: its binary, the local command, ssh's arguments and the words spoken over it.
 *
 * ssh: one connection does it all. Its remote command is a fixed text of ours (remote_script) with words of ours
 * behind it: hashes, sizes, the instance. It looks for ~/.wrata/agent-HASH of its processor; when that is missing it
 * says so and reads the binary from its input; then it becomes `agent-HASH attach`. It speaks in lines that begin
 * with MARK, because a login shell may print whatever it likes before.
 *
 *     wrata-link 1 attach            frames follow
 *     wrata-link 1 missing x86_64    the binary is wanted
 *     wrata-link 1 <fault> <detail>  see faults[]
 *
 * A new agent takes the place of older ones that nobody runs any more.
 *
 * The text holds no single quote, backslash, exclamation mark or newline: so it passes as one quoted word through
 * every login shell (sh, bash, zsh, dash, ksh, csh, fish).
 *
 * A machine that was made has the host key that was made for it: no other is accepted, not at the first connection either. It
 * stands in a known_hosts of its own. A fleet may have other words than ssh for the way: then they run the same script.
 *
 * ssh's own choices come from ~/.ssh/config; what must hold is given as -o, which wins over it, and our wish for a
 * cheap key exchange stands in a file that is read after it. */
#include "link/link_private.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/log.h"
#include "embed_agents.h"
#include "net/ssh_key.h"

#define MARK "wrata-link 1 "
#define CHATTER_MAX KIB(64) /* of a login shell, before our first line */
#define AGENT_BYTES_MAX MIB(64)
#define REASON_LINES 3u

static const char remote_script[] =
    "u=$(umask); umask 077; m=\"wrata-link 1\"; a=$(uname -m); "
    "case $a in x86_64|amd64) h=$1; n=$2;; aarch64|arm64) h=$3; n=$4;; *) h=-;; esac; "
    "if test \"$h\" = -; then echo \"$m arch $a\"; exit 0; fi; "
    "d=$HOME/.wrata; "
    "if mkdir -p \"$d\" && cd \"$d\" && test -w .; then :; else echo \"$m nohome $d\"; exit 0; fi; "
    "f=agent-$h; "
    "if test -x \"$f\" && test $(wc -c <\"$f\") -eq \"$n\"; then :; else "
    "t=new-$h-$(uname -n)-$$; "
    "echo \"$m missing $a\"; "
    "head -c \"$n\" >\"$t\"; s=$(wc -c <\"$t\"); "
    "if test \"$s\" -eq \"$n\"; then :; else rm -f \"$t\"; echo \"$m short $d\"; exit 0; fi; "
    "if command -v sha256sum >/dev/null; then case $(sha256sum <\"$t\") in \"$h\"*) ;; "
    "*) rm -f \"$t\"; echo \"$m corrupt $d\"; exit 0;; esac; fi; "
    "chmod 700 \"$t\"; "
    "if \"./$t\" version >/dev/null; then :; else rm -f \"$t\"; echo \"$m noexec $d\"; exit 0; fi; "
    "if mv -f \"$t\" \"$f\"; then :; else rm -f \"$t\"; echo \"$m nohome $d\"; exit 0; fi; "
    "for o in agent-*; do test \"$o\" = \"$f\" || ls -l /proc/[0-9]*/exe 2>/dev/null | grep -qF \"/$o\" || "
    "rm -f \"$o\"; "
    "done; "
    "fi; cd /; umask \"$u\"; echo \"$m attach\"; exec \"$d/$f\" attach --instance \"$5\"";

/* What the script may complain of; # is the detail. Its standard error follows. */
static const struct {
    const char *word;
    const char *sentence;
} faults[] = {
    {"arch", "there is no agent in this wrata for its processor, #"},
    {"nohome", "its folder # cannot be made or written"},
    {"short", "the agent could not be written to #; is the disk full?"},
    {"corrupt", "the agent arrived broken in #"},
    {"noexec", "programs in # cannot be run there (is it mounted noexec?)"},
};

/* ---- agent binaries ---- */

static void agent_hash(struct agent_binary *a)
{
    unsigned char sum[crypto_hash_sha256_BYTES];
    char hex[sizeof(sum) * 2 + 1];

    _Static_assert(sizeof(hex) > AGENT_HASH_CHARS, "a prefix of it");
    (void)crypto_hash_sha256(sum, a->bytes, a->len);
    (void)sodium_bin2hex(hex, sizeof(hex), sum, sizeof(sum));
    memcpy(a->hash, hex, AGENT_HASH_CHARS);
    a->hash[AGENT_HASH_CHARS] = '\0';
}

/* "x86_64" from an ELF header; NULL: another, or no ELF file. */
static const char *elf_arch(const unsigned char *p, size_t n)
{
    unsigned machine;

    if (n < 20 || memcmp(p, ELFMAG, SELFMAG) != 0)
        return NULL;
    machine = (unsigned)p[18] | (unsigned)p[19] << 8;
    return machine == EM_X86_64 ? "x86_64" : machine == EM_AARCH64 ? "aarch64" : NULL;
}

static enum err read_file(const char *path, unsigned char **ret, size_t *retlen, struct why *reterr)
{
    unsigned char *p = NULL;
    struct stat st;
    size_t at = 0;
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    enum err err = ERR_OK;

    if (fd < 0)
        return why_errno(reterr, ERR_IO, errno, "%s", path);
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size <= 0 ||
        (size_t)st.st_size > AGENT_BYTES_MAX) {
        err = why_set(reterr, ERR_INVALID, NULL, "%s: not a file of 1 byte to 64 MiB", path);
        goto done;
    }
    p = xmalloc((size_t)st.st_size);
    while (at < (size_t)st.st_size) {
        n = read(fd, p + at, (size_t)st.st_size - at);
        if (n <= 0) {
            err = why_errno(reterr, ERR_IO, n < 0 ? errno : EIO, "%s", path);
            goto done;
        }
        at += (size_t)n;
    }
    *ret = p;
    *retlen = at;
    p = NULL;
done:
    free(p);
    (void)close(fd);
    return err;
}

static struct agent_binary *agent_for(struct links *ls, const char *arch)
{
    for (unsigned i = 0; i < ARRAY_LEN(ls->agents); i++) {
        if (strcmp(ls->agents[i].arch, arch) == 0)
            return &ls->agents[i];
    }
    return NULL;
}

static struct agent_binary *agent_for_here(struct links *ls)
{
    struct utsname u;

    return uname(&u) == 0 ? agent_for(ls, u.machine) : NULL;
}

enum err bootstrap_open(struct links *ls, const char *agent_path, struct why *reterr)
{
    struct agent_binary *own;
    const char *arch;
    size_t len = 0;
    enum err err;

    if (sodium_init() < 0)
        return why_set(reterr, ERR_IO, NULL, "libsodium cannot be used here");
    ls->agents[0] = (struct agent_binary){"x86_64", agent_x86_64_start,
                                          (uintptr_t)agent_x86_64_end - (uintptr_t)agent_x86_64_start, ""};
    ls->agents[1] = (struct agent_binary){"aarch64", agent_aarch64_start,
                                          (uintptr_t)agent_aarch64_end - (uintptr_t)agent_aarch64_start, ""};
    if (agent_path != NULL) {
        err = read_file(agent_path, &ls->own_agent, &len, reterr);
        if (err != ERR_OK)
            return err;
        arch = elf_arch(ls->own_agent, len);
        own = arch != NULL ? agent_for(ls, arch) : agent_for_here(ls);
        if (own == NULL)
            return why_set(reterr, ERR_INVALID, NULL, "%s: not for x86_64 or aarch64", agent_path);
        own->bytes = ls->own_agent;
        own->len = len;
    }
    for (unsigned i = 0; i < ARRAY_LEN(ls->agents); i++)
        agent_hash(&ls->agents[i]);
    return ERR_OK;
}

/* ---- files of ours ---- */

/* Make path and the folders above it below `from` bytes; 0700. */
static enum err make_folders(const char *base, const char *below, char *out, size_t size, struct why *reterr)
{
    char *p;

    if ((size_t)snprintf(out, size, "%s/%s", base, below) >= size)
        return why_set(reterr, ERR_LIMIT, NULL, "%s: the path is too long", base);
    for (p = out + strlen(base) + 1;; p++) {
        char c = *p;

        if (c != '/' && c != '\0')
            continue;
        *p = '\0';
        if (mkdir(out, 0700) != 0 && errno != EEXIST)
            return why_errno(reterr, ERR_IO, errno, "%s", out);
        *p = c;
        if (c == '\0')
            return ERR_OK;
    }
}

/* All of it or nothing, under its final name. */
static enum err write_file(const char *path, const void *bytes, size_t len, mode_t mode, struct why *reterr)
{
    char temp[PATH_BYTES_MAX];
    size_t at = 0;
    ssize_t n = 0;
    int e = 0;
    int fd;

    if ((size_t)snprintf(temp, sizeof(temp), "%s.new-%d", path, (int)getpid()) >= sizeof(temp))
        return why_set(reterr, ERR_LIMIT, NULL, "%s: the path is too long", path);
    (void)unlink(temp);
    fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0)
        return why_errno(reterr, ERR_IO, errno, "%s", temp);
    while (at < len && (n = write(fd, (const char *)bytes + at, len - at)) > 0)
        at += (size_t)n;
    if (at < len)
        e = n < 0 ? errno : ENOSPC;
    if (e == 0 && fsync(fd) != 0)
        e = errno;
    if (close(fd) != 0 && e == 0)
        e = errno;
    if (e == 0 && rename(temp, path) != 0)
        e = errno;
    if (e == 0)
        return ERR_OK;
    (void)unlink(temp);
    return why_errno(reterr, ERR_IO, e, "%s", path);
}

/* ---- local ---- */

/* Unpack the agent for this computer, unless it is there whole. */
static enum err unpack_agent(struct links *ls, char *out, size_t size, struct why *reterr)
{
    const struct agent_binary *a = agent_for_here(ls);
    char folder[PATH_BYTES_MAX];
    char below[64];
    struct stat st;
    enum err err;

    if (a == NULL || a->len == 0)
        return why_set(reterr, ERR_IO, NULL,
                       "there is no agent in this wrata for the processor of this computer");
    (void)snprintf(below, sizeof(below), "agents/%s", a->hash);
    err = make_folders(ls->data_dir, below, folder, sizeof(folder), reterr);
    if (err != ERR_OK)
        return err;
    if ((size_t)snprintf(out, size, "%s/wrata-agent", folder) >= size)
        return why_set(reterr, ERR_LIMIT, NULL, "%s: the path is too long", folder);
    if (stat(out, &st) == 0 && (size_t)st.st_size == a->len && (st.st_mode & S_IXUSR) != 0)
        return ERR_OK;
    return write_file(out, a->bytes, a->len, 0700, reterr);
}

/* The child whose stdio is the link. */
static enum err start_child(struct link *l, const char *const *argv, struct why *reterr)
{
    struct child_opts opts = {.argv = argv,
                              .in = CHILD_PIPE,
                              .out = CHILD_PIPE,
                              .err = CHILD_PIPE,
                              .new_session = true,
                              .on_out = link_on_out,
                              .on_err = link_on_err,
                              .on_exit = link_on_exit,
                              .ctx = l};

    return child_start(l->ls->children, &opts, &l->child, reterr);
}

static enum err start_local(struct link *l, struct why *reterr)
{
    struct links *ls = l->ls;
    char agent[PATH_BYTES_MAX];
    char folder[PATH_BYTES_MAX];
    char below[NAME_BYTES_MAX + 16];
    const char *argv[] = {agent, "attach", "--dir", folder, "--instance", ls->instance, NULL};
    enum err err = unpack_agent(ls, agent, sizeof(agent), reterr);

    if (err != ERR_OK)
        return err;
    if (strchr(l->name, '/') != NULL || l->name[0] == '.' || l->name[0] == '\0')
        return why_set(reterr, ERR_INVALID, "name", "'%s' cannot be the name of a folder", l->name);
    (void)snprintf(below, sizeof(below), "servers/%s", l->name);
    err = make_folders(ls->data_dir, below, folder, sizeof(folder), reterr);
    if (err != ERR_OK)
        return err;
    l->phase = PHASE_HELLO;
    return start_child(l, argv, reterr);
}

/* ---- ssh ---- */

static enum err write_ssh_config(struct links *ls, struct why *reterr)
{
    static const char head[] = "# Written by wrata. Your own choices come first and win.\n"
                               "Include ~/.ssh/config\n"
                               "Include /etc/ssh/ssh_config\n";
    static const char kex[] =
        "Host *\n"
        "    # The default of OpenSSH 9 costs 140 ms of a core for each connection, this 20.\n"
        "    KexAlgorithms ^curve25519-sha256\n";
    char path[PATH_BYTES_MAX];
    struct buf text;
    enum err err = make_folders(ls->data_dir, "ssh", path, sizeof(path) - 16, reterr);

    if (err != ERR_OK)
        return err;
    buf_init(&text, KIB(4));
    buf_puts(&text, head);
    if (!ls->no_kex_order)
        buf_puts(&text, kex);
    (void)snprintf(path + strlen(path), 16, "/config");
    err = write_file(path, text.data, text.len, 0600, reterr);
    buf_done(&text);
    ls->ssh_is_ready = err == ERR_OK;
    return err;
}

static enum err ssh_word_check(const char *field, const char *s, bool may_be_empty, struct why *reterr)
{
    if (s[0] == '-')
        return why_set(reterr, ERR_INVALID, field,
                       "%s: '%.100s' begins with '-': that would be an option of ssh", field, s);
    if (s[0] == '\0' && !may_be_empty)
        return why_set(reterr, ERR_INVALID, field,
                       "%s: it is empty; a host name, an address or a name of ~/.ssh/config "
                       "is needed",
                       field);
    for (const char *p = s; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f || (*p == ' ' && strcmp(field, "identity") != 0))
            return why_set(reterr, ERR_INVALID, field, "%s: it holds a blank or a control character", field);
    }
    return ERR_OK;
}

/* ssh takes the remote command as one text for the login shell: our script as one quoted word, then plain words. */
static const char *remote_command(struct links *ls, struct arena *a)
{
    const struct agent_binary *x86 = agent_for(ls, "x86_64");
    const struct agent_binary *arm = agent_for(ls, "aarch64");

    CHECK(x86 != NULL);
    CHECK(arm != NULL);
    CHECK(strpbrk(remote_script, "'\\!\n") == NULL);
    return arena_printf(a, "exec sh -c '%s' wrata-link %s %zu %s %zu %s", remote_script,
                        x86->len > 0 ? x86->hash : "-", x86->len, arm->len > 0 ? arm->hash : "-", arm->len,
                        ls->instance);
}

/* The file of the one host key that it may have. */
static enum err write_host_key(struct link *l, char *out, size_t size, struct why *reterr)
{
    struct buf line;
    enum err err = make_folders(l->ls->data_dir, "ssh/hosts", out, size - 32, reterr);

    if (err != ERR_OK)
        return err;
    (void)snprintf(out + strlen(out), 32, "/%llu", (unsigned long long)l->server.v);
    buf_init(&line, KIB(32));
    err = ssh_known_host(l->address, l->port, l->host_key, &line, reterr);
    if (err == ERR_OK)
        err = write_file(out, line.data, line.len, 0600, reterr);
    buf_done(&line);
    return err;
}

/* Which host key is accepted, as options of ssh; they return how many words. */
static unsigned host_key_words(struct link *l, const char *known, struct arena *a, const char **argv)
{
    unsigned n = 0;

    argv[n++] = "-o";
    argv[n++] = arena_printf(a, "UserKnownHostsFile=\"%s\"", known);
    argv[n++] = "-o";
    argv[n++] = l->host_key != NULL ? "StrictHostKeyChecking=yes" : "StrictHostKeyChecking=accept-new";
    if (l->host_key == NULL)
        return n;
    argv[n++] = "-o";
    argv[n++] = "GlobalKnownHostsFile=/dev/null";
    argv[n++] = "-o";
    argv[n++] = "HostKeyAlgorithms=ssh-ed25519";
    argv[n++] = "-o";
    argv[n++] = "VerifyHostKeyDNS=no";
    return n;
}

static enum err start_ssh(struct link *l, struct why *reterr)
{
    struct links *ls = l->ls;
    struct arena a;
    const char *argv[72];
    char known[PATH_BYTES_MAX];
    unsigned n = 0;
    unsigned connect_s = ls->connect_ms / 1000 < 1 ? 1 : ls->connect_ms / 1000;
    enum err err = ssh_word_check("address", l->address, false, reterr);

    if (err == ERR_OK)
        err = ssh_word_check("user", l->user, true, reterr);
    if (err == ERR_OK)
        err = ssh_word_check("identity", l->identity, true, reterr);
    if (err == ERR_OK && !ls->ssh_is_ready)
        err = write_ssh_config(ls, reterr);
    (void)snprintf(known, sizeof(known), "%s/ssh/known_hosts", ls->data_dir);
    if (err == ERR_OK && l->host_key != NULL)
        err = write_host_key(l, known, sizeof(known), reterr);
    if (err != ERR_OK)
        return err;
    arena_init(&a);
    argv[n++] = "ssh";
    argv[n++] = "-F";
    argv[n++] = arena_printf(&a, "%s/ssh/config", ls->data_dir);
    argv[n++] = "-T";
    n += host_key_words(l, known, &a, argv + n);
    argv[n++] = "-o";
    argv[n++] = arena_printf(&a, "ConnectTimeout=%u", connect_s < 15 ? connect_s : 15);
    /* Each of these holds whatever ~/.ssh/config says. */
    static const char *const fixed[] = {
        "BatchMode=yes",         "HashKnownHosts=no",  "UpdateHostKeys=no", "ServerAliveInterval=5",
        "ServerAliveCountMax=3", "ControlMaster=no",   "ControlPath=none",  "ClearAllForwardings=yes",
        "ForwardAgent=no",       "ForwardX11=no",      "RequestTTY=no",     "EscapeChar=none",
        "PermitLocalCommand=no", "RemoteCommand=none", "VisualHostKey=no",  "LogLevel=INFO",
    };
    for (unsigned i = 0; i < ARRAY_LEN(fixed); i++) {
        argv[n++] = "-o";
        argv[n++] = fixed[i];
    }
    if (l->user[0] != '\0') {
        argv[n++] = "-l";
        argv[n++] = l->user;
    }
    if (l->port != 0) {
        argv[n++] = "-p";
        argv[n++] = arena_printf(&a, "%u", l->port);
    }
    if (l->identity[0] != '\0') {
        argv[n++] = "-o";
        argv[n++] = "IdentitiesOnly=yes";
        argv[n++] = "-i";
        argv[n++] = l->identity;
    }
    argv[n++] = "--";
    argv[n++] = l->address;
    argv[n++] = remote_command(ls, &a);
    argv[n] = NULL;
    CHECK(n < ARRAY_LEN(argv));
    l->phase = PHASE_BOOTSTRAP;
    err = start_child(l, argv, reterr);
    arena_done(&a);
    return err;
}

/* The words of a fleet, and the script as one more. */
static enum err start_words(struct link *l, struct why *reterr)
{
    struct arena a;
    const char **argv;
    enum err err;

    arena_init(&a);
    argv = arena_alloc(&a, (l->n_argv + 2) * sizeof(*argv));
    for (uint32_t i = 0; i < l->n_argv; i++)
        argv[i] = l->argv[i];
    argv[l->n_argv] = remote_command(l->ls, &a);
    l->phase = PHASE_BOOTSTRAP;
    err = start_child(l, argv, reterr);
    arena_done(&a);
    return err;
}

enum err bootstrap_start(struct link *l, struct why *reterr)
{
    switch (l->way) {
    case WAY_LOCAL:
        return start_local(l, reterr);
    case WAY_SSH:
        return start_ssh(l, reterr);
    default:
        return start_words(l, reterr);
    }
}

/* ---- the script speaks ---- */

static void send_agent(struct link *l, const char *arch)
{
    const struct agent_binary *a = agent_for(l->ls, strcmp(arch, "amd64") == 0   ? "x86_64"
                                                    : strcmp(arch, "arm64") == 0 ? "aarch64"
                                                                                 : arch);
    char *copy;

    if (a == NULL || a->len == 0 || l->sent_agent) {
        link_fail(l, "%s asks for the agent in a way that makes no sense", l->name);
        return;
    }
    l->sent_agent = true;
    copy = xmalloc(a->len);
    memcpy(copy, a->bytes, a->len);
    LOG_INFO("link.install", "server=%llu arch=%s agent=%s bytes=%zu", (unsigned long long)l->server.v,
             a->arch, a->hash, a->len);
    child_write(l->child, copy, a->len);
}

static void on_line(struct link *l, char *line)
{
    char *detail = strchr(line, ' ');
    char clean[256];

    if (detail != NULL)
        *detail++ = '\0';
    (void)link_clean_text(slice_of(detail != NULL ? detail : ""), clean, sizeof(clean));
    if (strcmp(line, "attach") == 0) {
        l->phase = PHASE_HELLO;
        return;
    }
    if (strcmp(line, "missing") == 0) {
        send_agent(l, clean);
        return;
    }
    for (unsigned i = 0; i < ARRAY_LEN(faults); i++) {
        struct buf text;
        const char *hole;

        if (strcmp(line, faults[i].word) != 0)
            continue;
        hole = strchr(faults[i].sentence, '#');
        buf_init(&text, KIB(1));
        buf_printf(&text, "%.*s%s%s", (int)(hole - faults[i].sentence), faults[i].sentence, clean, hole + 1);
        free(l->fault);
        l->fault = buf_take(&text, NULL); /* told at its end, with what it writes to standard error */
        return;
    }
    link_fail(l, "%s: the way to the agent answered '%.40s'", l->name, line);
}

void bootstrap_bytes(struct link *l, const char *bytes, size_t n)
{
    char *line;
    char *said;
    char *end;
    char *rest;
    size_t rest_len;

    if (l->in.len + n > CHATTER_MAX) {
        link_fail(l, "%s: its login shell prints more than %zu bytes before it runs a command", l->name,
                  (size_t)CHATTER_MAX);
        return;
    }
    buf_put(&l->in, bytes, n);
    while (l->phase == PHASE_BOOTSTRAP) {
        end = memchr(l->in.data, '\n', l->in.len);
        if (end == NULL)
            return;
        n = (size_t)(end - l->in.data);
        line = xstrndup(l->in.data, n);
        buf_consume(&l->in, n + 1);
        said = strstr(line, MARK); /* a login shell's last word may lack its newline */
        if (said != NULL)
            on_line(l, said + sizeof(MARK) - 1);
        free(line);
    }
    if (l->phase != PHASE_HELLO || l->in.len == 0)
        return;
    rest = buf_take(&l->in, &rest_len); /* what follows is frames */
    session_bytes(l, rest, rest_len);
    free(rest);
}

/* ---- why it ended ---- */

/* Lines of ssh that say nothing of a failure. */
static const char *const chatter[] = {"Warning: Permanently added", "** ", "@@@"};

static bool is_chatter(struct slice line)
{
    for (unsigned i = 0; i < ARRAY_LEN(chatter); i++) {
        if (line.len >= strlen(chatter[i]) && memcmp(line.ptr, chatter[i], strlen(chatter[i])) == 0)
            return true;
    }
    return false;
}

/* The last lines of standard error that mean something, joined by "; ". */
static void stderr_text(struct link *l, char *out, size_t size)
{
    const char *p = buf_str(&l->err_tail);
    struct slice lines[REASON_LINES];
    unsigned n = 0;
    struct buf joined;
    char clean[400];

    while (*p != '\0') {
        size_t len = strcspn(p, "\r\n");
        struct slice line = {p, len};

        p += len;
        p += strspn(p, "\r\n");
        (void)link_clean_text(line, clean, sizeof(clean));
        if (clean[0] == '\0' || is_chatter(line))
            continue;
        if (n == REASON_LINES) {
            memmove(lines, lines + 1, sizeof(lines) - sizeof(lines[0]));
            n--;
        }
        lines[n++] = line;
    }
    buf_init(&joined, KIB(8));
    for (unsigned i = 0; i < n; i++) {
        (void)link_clean_text(lines[i], clean, sizeof(clean));
        if (i > 0)
            buf_puts(&joined, "; ");
        buf_puts(&joined, clean);
    }
    (void)link_clean_text(buf_slice(&joined), out, size);
    buf_done(&joined);
}

/* "Host key for [10.0.0.1]:2222 has changed and you have requested strict checking." */
static bool changed_host_key(const struct link *l, char *out, size_t size)
{
    static const char before[] = "Host key for ";
    static const char after[] = " has changed";
    const char *p = strstr(buf_str(&l->err_tail), before);
    const char *end;

    if (p == NULL)
        return false;
    p += sizeof(before) - 1;
    end = strstr(p, after);
    if (end == NULL)
        return false;
    (void)link_clean_text((struct slice){p, (size_t)(end - p)}, out, size);
    return true;
}

bool bootstrap_reason(struct link *l, const struct child_exit *e, char *out, size_t size)
{
    const char *what = l->way == WAY_SSH ? "ssh" : l->way == WAY_LOCAL ? "attach" : l->argv[0];
    char host[256];
    char how[96];

    if (l->host_key != NULL && strstr(buf_str(&l->err_tail), "Host key verification failed") != NULL) {
        (void)snprintf(out, size,
                       "the host key of %s is not the one that was made for this machine: somebody may be in "
                       "between, or its "
                       "image does not take the key it is given (cloud-init); it is not used",
                       l->address);
        return false;
    }
    if (changed_host_key(l, host, sizeof(host))) {
        (void)snprintf(
            out, size,
            "the host key of %s changed. Somebody may be in between, or it was installed anew: when you "
            "know that it was, accept the new key with: ssh-keygen -f '%s/ssh/known_hosts' -R '%s'",
            host, l->ls->data_dir, host);
        return false;
    }
    if (e != NULL && l->way == WAY_SSH && !l->ls->no_kex_order &&
        strstr(buf_str(&l->err_tail), "KexAlgorithms") != NULL) {
        l->ls->no_kex_order = true;
        l->ls->ssh_is_ready = false;
        (void)snprintf(out, size, "the ssh here knows no order of key exchanges");
        return true;
    }
    stderr_text(l, host, sizeof(host));
    if (l->fault != NULL) {
        (void)snprintf(out, size, "%s: %s%s%s", l->way == WAY_SSH ? l->address : l->name, l->fault,
                       host[0] != '\0' ? ": " : "", host);
        return false;
    }
    if (e == NULL)
        (void)snprintf(out, size, "%s", host);
    else if (host[0] != '\0')
        (void)snprintf(out, size, "%s", host);
    else if (e->exited && e->exit_code == 0)
        (void)snprintf(out, size,
                       l->number != 0 ? "the agent on %s closed the link" : "%s: it ended without an agent",
                       l->number != 0 ? l->name : what);
    else
        (void)snprintf(out, size, "%s: %s", what, child_exit_text(e, how, sizeof(how)));
    return false;
}
