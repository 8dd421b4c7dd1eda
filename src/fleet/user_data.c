/* user_data.c - cloud-config; see user_data.h.
 *
 * It is JSON behind the line that makes it a cloud-config: JSON is YAML, and whatever a value holds, it stays a value.
 *
 * chpasswd: a droplet for which no ssh key of the account is named gets a one-time password that has expired already, and then
 * nobody logs in by key either before it was changed. So it is told not to expire, and the date of its change is set. */
#include "fleet/user_data.h"

#include <string.h>

#include "base/mem.h"
#include "fleet/fleet_private.h"
#include "net/ssh_key.h"
#include "wire/json_out.h"

#define ROOT "root"

static bool is_user(const char *s)
{
    size_t n = strlen(s);

    return n > 0 && n <= 32 && strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") == n &&
           (s[0] < '0' || s[0] > '9') && s[0] != '-';
}

static void write_user(struct json_out *j, const struct machine_spec *spec, const char *user)
{
    if (strcmp(user, ROOT) == 0)
        return;
    jo_karr(j, "users");
    jo_text(j, "default");
    jo_obj(j);
    jo_ktext(j, "name", user);
    jo_ktext(j, "shell", "/bin/bash");
    jo_ktext(j, "sudo", "ALL=(ALL) NOPASSWD:ALL");
    jo_kbool(j, "lock_passwd", true);
    jo_karr(j, "ssh_authorized_keys");
    jo_text(j, spec->authorized_key);
    jo_arr_end(j);
    jo_obj_end(j);
    jo_arr_end(j);
}

static void write_config(struct json_out *j, const struct machine_spec *spec, const char *user,
                         const char *const *commands, uint32_t n_commands)
{
    jo_obj(j);
    jo_kbool(j, "ssh_deletekeys", true);
    jo_kobj(j, "ssh_keys");
    jo_ktext(j, "ed25519_private", spec->host_key_private);
    jo_ktext(j, "ed25519_public", spec->host_key_public);
    jo_obj_end(j);
    jo_karr(j, "ssh_authorized_keys");
    jo_text(j, spec->authorized_key);
    jo_arr_end(j);
    jo_kbool(j, "disable_root", strcmp(user, ROOT) != 0);
    jo_kbool(j, "ssh_pwauth", false);
    jo_kobj(j, "chpasswd");
    jo_kbool(j, "expire", false);
    jo_obj_end(j);
    write_user(j, spec, user);
    jo_karr(j, "runcmd");
    jo_arr(j);
    jo_text(j, "sh");
    jo_text(j, "-c");
    jo_text(j, "chage -d \"$(date +%F)\" root");
    jo_arr_end(j);
    for (uint32_t i = 0; i < n_commands; i++)
        jo_text(j, commands[i]);
    jo_arr_end(j);
    jo_obj_end(j);
}

enum err user_data_write(const struct machine_spec *spec, const char *user, const char *const *commands,
                         uint32_t n_commands, struct buf *out, struct why *reterr)
{
    struct json_out j;
    struct buf text;
    enum err err = ERR_OK;

    if (!is_user(user))
        return why_set(reterr, ERR_INVALID, "user",
                       "user: '%.40s' cannot be the name of a user on the machine", user);
    if (!ssh_key_is_public_line(spec->authorized_key))
        return why_set(reterr, ERR_INVALID, "authorized_key",
                       "authorized_key: it is not the line of a public key");
    if (!ssh_key_is_public_line(spec->host_key_public) ||
        strncmp(spec->host_key_private, "-----BEGIN OPENSSH PRIVATE KEY-----\n", 36) != 0)
        return why_set(reterr, ERR_INVALID, "host_key",
                       "host_key: it is not a pair of ed25519 keys in OpenSSH's form");
    buf_init(&text, MIB(1));
    buf_puts(&text, "#cloud-config\n");
    jo_begin(&j, &text);
    write_config(&j, spec, user, commands, n_commands);
    buf_putc(&text, '\n');
    if (text.len > USER_DATA_BYTES_MAX)
        err = why_set(
            reterr, ERR_LIMIT, "commands",
            "commands: with them a machine is told %zu bytes at its first boot; at most %zu are possible",
            text.len, (size_t)USER_DATA_BYTES_MAX);
    else
        buf_put(out, text.data, text.len);
    mem_wipe(text.data, text.len);
    buf_done(&text);
    return err;
}
