/* do_write.c - bodies and options of DigitalOcean; see do_write.h. */
#include "fleet/do_write.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "fleet/do_mark.h"
#include "fleet/fleet_private.h"
#include "fleet/user_data.h"
#include "wire/json_out.h"

#define AT(member) offsetof(struct do_options, member)
#define SLUG_BYTES_MAX 100

static const char *const addresses[] = {"public", "private", NULL};

const struct do_options do_presets = {
    .size = "s-1vcpu-1gb",
    .user = "root",
    .vpc = "",
    .project = "",
    .monitoring = true,
};

const struct field do_option_fields[] = {
    {.name = "image",
     .type = FIELD_INT_OR_TEXT,
     .offset = AT(image),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = 200,
     .help = "what machines are made from: a slug (debian-12-x64), the number or the name of a snapshot, or "
             "a pattern of names"
             " (qa-*): the newest snapshot that matches"},
    {.name = "regions",
     .type = FIELD_TEXTS,
     .offset = AT(regions),
     .flags = FIELD_REQUIRED,
     .min = 1,
     .max = SLUG_BYTES_MAX,
     .items_max = 20,
     .help = "where machines are made: the first that has room, in this order"},
    {.name = "size",
     .type = FIELD_TEXT,
     .offset = AT(size),
     .min = 1,
     .max = SLUG_BYTES_MAX,
     .preset = "s-1vcpu-1gb",
     .help = "the size of a machine for which none is asked"},
    {.name = "user",
     .type = FIELD_TEXT,
     .offset = AT(user),
     .min = 1,
     .max = 32,
     .preset = "root",
     .help = "who logs in by ssh; another one than root is made on the machine and may use sudo"},
    {.name = "ssh_keys",
     .type = FIELD_TEXTS,
     .offset = AT(ssh_keys),
     .min = 1,
     .max = SLUG_BYTES_MAX,
     .items_max = 20,
     .help = "numbers or fingerprints of ssh keys of the account, that may log in as well; without any, "
             "DigitalOcean mails a"
             " one-time password for each machine"},
    {.name = "commands",
     .type = FIELD_TEXTS,
     .offset = AT(commands),
     .flags = FIELD_LINES,
     .min = 1,
     .max = 8192,
     .items_max = 64,
     .help = "run by a shell, as root, at the first boot of a machine; tests may begin before they end"},
    {.name = "address",
     .type = FIELD_ENUM,
     .offset = AT(address),
     .names = addresses,
     .preset = "public",
     .help =
         "which address of a machine is used: public, or private (then this server must be in the same VPC)"},
    {.name = "vpc",
     .type = FIELD_TEXT,
     .offset = AT(vpc),
     .max = 64,
     .help = "UUID of the VPC that machines are in; it lies in one region"},
    {.name = "project",
     .type = FIELD_TEXT,
     .offset = AT(project),
     .max = 64,
     .help = "UUID of the project of DigitalOcean that machines are shown in"},
    {.name = "monitoring",
     .type = FIELD_BOOL,
     .offset = AT(monitoring),
     .preset = "true",
     .help = "whether DigitalOcean's monitoring agent is installed"},
    {.name = "tags",
     .type = FIELD_TEXTS,
     .offset = AT(tags),
     .min = 1,
     .max = 255,
     .items_max = 10,
     .help = "more tags for machines, for example those that a firewall goes by"},
    {.name = NULL, .type = FIELD_END},
};

/* ---- options ---- */

static bool is_slug(const char *s)
{
    return strspn(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(s);
}

static bool is_uuid(const char *s)
{
    static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

    if (strlen(s) != sizeof(shape) - 1)
        return false;
    for (size_t i = 0; s[i] != '\0'; i++) {
        if (shape[i] == '-' ? s[i] != '-' : strchr("0123456789abcdefABCDEF", s[i]) == NULL)
            return false;
    }
    return true;
}

static enum err check_slugs(const struct do_options *o, struct why *reterr)
{
    for (uint32_t i = 0; i < o->regions.n; i++) {
        if (!is_slug(o->regions.at[i]))
            return why_set(
                reterr, ERR_INVALID, "regions",
                "regions[%u]: '%.60s' is no region's name: small letters, digits and '-', like fra1", i,
                o->regions.at[i]);
    }
    if (!is_slug(o->size))
        return why_set(reterr, ERR_INVALID, "size",
                       "size: '%.60s' is no size's name: small letters, digits and '-', like s-1vcpu-1gb",
                       o->size);
    return ERR_OK;
}

static enum err check_uuids(const struct do_options *o, struct why *reterr)
{
    if (o->vpc[0] != '\0' && !is_uuid(o->vpc))
        return why_set(reterr, ERR_INVALID, "vpc",
                       "vpc: '%.60s' is no UUID like 760e09ef-dc84-11e8-981e-3cfdfeaae000", o->vpc);
    if (o->vpc[0] != '\0' && o->regions.n > 1)
        return why_set(reterr, ERR_INVALID, "vpc", "vpc: a VPC lies in one region, and regions names %u",
                       o->regions.n);
    if (o->project[0] != '\0' && !is_uuid(o->project))
        return why_set(reterr, ERR_INVALID, "project",
                       "project: '%.60s' is no UUID like 4e1bfbc3-dc3e-41f2-a18f-1b4d7ba71679", o->project);
    return ERR_OK;
}

enum err do_options_check(const void *options, struct why *reterr)
{
    const struct do_options *o = options;
    enum err err = check_slugs(o, reterr);

    if (o->image.text == NULL && o->image.number < 1)
        return why_set(reterr, ERR_INVALID, "image", "image: %lld is no image's number",
                       (long long)o->image.number);
    if (err == ERR_OK)
        err = check_uuids(o, reterr);
    if (err != ERR_OK)
        return err;
    for (uint32_t i = 0; i < o->tags.n; i++) {
        if (!do_tag_is_fine(o->tags.at[i]))
            return why_set(reterr, ERR_INVALID, "tags",
                           "tags[%u]: '%.60s' cannot be a tag: letters, digits, ':', '-' and '_', not "
                           "beginning with " DO_TAG,
                           i, o->tags.at[i]);
    }
    for (uint32_t i = 0; i < o->ssh_keys.n; i++) {
        if (strspn(o->ssh_keys.at[i], "0123456789abcdefABCDEF:") != strlen(o->ssh_keys.at[i]))
            return why_set(
                reterr, ERR_INVALID, "ssh_keys",
                "ssh_keys[%u]: '%.60s' is neither the number nor the fingerprint of a key of the account", i,
                o->ssh_keys.at[i]);
    }
    return ERR_OK;
}

/* ---- bodies ---- */

/* A number as a number, anything else as a text. */
static void number_or_text(struct json_out *j, const char *s)
{
    if (s[0] >= '1' && s[0] <= '9' && strlen(s) <= 18 && strspn(s, "0123456789") == strlen(s))
        jo_uint(j, strtoull(s, NULL, 10));
    else
        jo_text(j, s);
}

static void write_tags(struct json_out *j, const struct do_options *o, const struct machine_spec *spec,
                       const char *instance)
{
    char tag[DO_TAG_BYTES];

    jo_karr(j, "tags");
    jo_text(j, DO_TAG);
    jo_text(j, do_tag_instance(instance, tag));
    jo_text(j, do_tag_intent(instance, spec->server, spec->intent, tag));
    jo_text(j, do_tag_until(spec->lease_until, tag));
    for (uint32_t i = 0; i < o->tags.n; i++)
        jo_text(j, o->tags.at[i]);
    jo_arr_end(j);
}

enum err do_write_create(const struct do_options *o, const struct machine_spec *spec, const char *instance,
                         const char *region, const char *image, struct buf *out, struct why *reterr)
{
    struct json_out j;
    struct buf user_data;
    enum err err;

    buf_init(&user_data, USER_DATA_BYTES_MAX);
    err = user_data_write(spec, spec->user[0] != '\0' ? spec->user : o->user, o->commands.at, o->commands.n,
                          &user_data, reterr);
    if (err != ERR_OK) {
        buf_done(&user_data);
        return err;
    }
    jo_begin(&j, out);
    jo_obj(&j);
    jo_ktext(&j, "name", spec->name);
    jo_ktext(&j, "region", region);
    jo_ktext(&j, "size", spec->size[0] != '\0' ? spec->size : o->size);
    jo_key(&j, "image");
    number_or_text(&j, image);
    jo_karr(&j, "ssh_keys");
    for (uint32_t i = 0; i < o->ssh_keys.n; i++)
        number_or_text(&j, o->ssh_keys.at[i]);
    jo_arr_end(&j);
    jo_kbool(&j, "backups", false);
    jo_kbool(&j, "ipv6", false);
    jo_kbool(&j, "monitoring", o->monitoring);
    if (o->vpc[0] != '\0')
        jo_ktext(&j, "vpc_uuid", o->vpc);
    write_tags(&j, o, spec, instance);
    jo_key(&j, "user_data");
    jo_textn(&j, user_data.data, user_data.len);
    jo_obj_end(&j);
    mem_wipe(user_data.data, user_data.len);
    buf_done(&user_data);
    return ERR_OK;
}

void do_write_resources(const char *const *ids, uint32_t n, struct buf *out)
{
    struct json_out j;

    jo_begin(&j, out);
    jo_obj(&j);
    jo_karr(&j, "resources");
    for (uint32_t i = 0; i < n; i++) {
        jo_obj(&j);
        jo_ktext(&j, "resource_id", ids[i]);
        jo_ktext(&j, "resource_type", "droplet");
        jo_obj_end(&j);
    }
    jo_arr_end(&j);
    jo_obj_end(&j);
}

void do_write_segment(const char *s, struct buf *out)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (; *s != '\0'; s++) {
        if (strchr(plain, *s) != NULL)
            buf_putc(out, *s);
        else
            buf_printf(out, "%%%02X", (unsigned)(unsigned char)*s);
    }
}
