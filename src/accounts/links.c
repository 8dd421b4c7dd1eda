/* links.c - addresses in the page that can be used once: to come in for the first time, to set a forgotten password,
 * to confirm an address. */
#include "accounts/accounts_private.h"

static struct once *by_digest(const struct accounts *a, const struct digest *digest)
{
    struct once *l;

    HASH_FIND(hh_digest, a->link_digests, digest, sizeof(*digest), l);
    return l;
}

struct once *once_put(struct accounts *a, const struct one_time_link_row *row)
{
    struct user *u = user_by_id(a, row->user.v);
    struct once *l;

    HASH_FIND(hh, a->links, &row->id, sizeof(row->id), l);
    if (u == NULL || l != NULL || by_digest(a, &row->digest) != NULL)
        return NULL;
    l = xcalloc(1, sizeof(*l));
    l->row = *row;
    l->row.email = text_copy(row->email);
    l->user = u;
    HASH_ADD(hh, a->links, row.id, sizeof(l->row.id), l);
    HASH_ADD(hh_digest, a->link_digests, row.digest, sizeof(l->row.digest), l);
    DL_APPEND(u->links, l);
    u->n_links++;
    if (a->next_link <= row->id)
        a->next_link = row->id + 1;
    over_no_later(a, row->expires_at.ms);
    return l;
}

void once_end(struct accounts *a, struct once *l, struct accounts_out *out)
{
    if (out != NULL)
        out_delete(out, ACCOUNT_LINK_DELETE, l->row.id);
    DL_DELETE(l->user->links, l);
    l->user->n_links--;
    HASH_DELETE(hh, a->links, l);
    HASH_DELETE(hh_digest, a->link_digests, l);
    text_free(l->row.email);
    free(l);
}

void user_end_links(struct accounts *a, struct user *u, bool mailed_only, struct accounts_out *out)
{
    struct once *l;
    struct once *next;

    DL_FOREACH_SAFE(u->links, l, next) {
        if (!mailed_only || l->row.email[0] != '\0')
            once_end(a, l, out);
    }
}

/* Anybody can have reset links mailed to somebody: they give way before what an admin handed over, and before
 * what is for another purpose. */
static unsigned gives_way(const struct once *l, enum link_purpose purpose)
{
    return (l->row.email[0] != '\0' ? 2u : 0u) + (l->row.purpose == purpose ? 1u : 0u);
}

/* The oldest of those that give way first; what is over goes before all. */
static void make_room(struct accounts *a, struct user *u, struct wall now, enum link_purpose purpose,
                      struct accounts_out *out)
{
    struct once *goes = NULL;
    struct once *l;
    struct once *next;

    DL_FOREACH_SAFE(u->links, l, next) {
        if (now.ms >= l->row.expires_at.ms)
            once_end(a, l, out);
    }
    if (u->n_links < LINKS_OF_USER_MAX)
        return;
    DL_FOREACH(u->links, l) {
        if (goes == NULL || gives_way(l, purpose) > gives_way(goes, purpose) ||
            (gives_way(l, purpose) == gives_way(goes, purpose) && l->row.id < goes->row.id))
            goes = l;
    }
    once_end(a, goes, out);
}

static enum err add_check(const struct user *u, enum link_purpose purpose, bool by_mail, struct why *reterr)
{
    if ((unsigned)purpose >= LINK_PURPOSE_COUNT)
        return why_set(reterr, ERR_INVALID, "purpose", "purpose %u is not known: invite, reset or confirm",
                       (unsigned)purpose);
    if (purpose == LINK_CONFIRM && !by_mail)
        return why_set(reterr, ERR_INVALID, "mail", "a link that confirms an address is sent there");
    if (u->row.locked_at.ms != 0)
        return why_set(reterr, ERR_CONFLICT, NULL, "%s is locked: an admin can unlock it", u->row.login);
    if (by_mail && u->row.email[0] == '\0')
        return why_set(reterr, ERR_CONFLICT, "email", "%s has no email to send a link to", u->row.login);
    if (purpose == LINK_CONFIRM && u->row.email_confirmed_at.ms != 0)
        return why_set(reterr, ERR_CONFLICT, "email", "email \"%s\" is confirmed already", u->row.email);
    return ERR_OK;
}

enum err accounts_add_link(struct accounts *a, struct wall now, struct user_id user,
                           enum link_purpose purpose, bool by_mail, const struct digest *digest,
                           struct accounts_out *out, struct wall *ret_expires_at, struct why *reterr)
{
    struct one_time_link_row row = {.id = a->next_link,
                                    .user = user,
                                    .purpose = purpose,
                                    .digest = *digest,
                                    .created_at = now,
                                    .expires_at = {ms_add(now.ms, a->opts.link_ms)}};
    struct once *l;
    struct user *u;
    enum err err = person_find(a, user, &u, reterr);

    if (err == ERR_OK)
        err = add_check(u, purpose, by_mail, reterr);
    if (err != ERR_OK)
        return err;
    make_room(a, u, now, purpose, out);
    row.email = by_mail ? u->row.email : "";
    l = once_put(a, &row);
    CHECK(l != NULL); /* 256 random bits were there before: the random source is broken */
    out_link(out, &l->row);
    *ret_expires_at = l->row.expires_at;
    return ERR_OK;
}

/* Who holds a link and no account learns nothing else from it. */
static enum err once_find(const struct accounts *a, struct wall now, const struct digest *digest,
                          struct once **ret, struct why *reterr)
{
    struct once *l = by_digest(a, digest);

    if (l == NULL || now.ms >= l->row.expires_at.ms || !user_is_in(l->user) ||
        (l->row.email[0] != '\0' && strcmp(l->row.email, l->user->row.email) != 0))
        return why_set(reterr, ERR_NOTFOUND, NULL,
                       "this link is not valid (any more), each can be used once: ask for a new one");
    *ret = l;
    return ERR_OK;
}

enum err accounts_look_link(const struct accounts *a, struct wall now, const struct digest *digest,
                            enum link_purpose *ret_purpose, struct user_id *ret_user, struct why *reterr)
{
    struct once *l;
    enum err err = once_find(a, now, digest, &l, reterr);

    if (err != ERR_OK)
        return err;
    *ret_purpose = l->row.purpose;
    *ret_user = l->row.user;
    return ERR_OK;
}

static enum err use_confirm(struct accounts *a, struct wall now, struct once *l, struct accounts_out *out,
                            struct why *reterr)
{
    struct user *u = l->user;
    struct once *next;
    enum err err = accounts_confirm_email(a, now, l->row.user, out, reterr);

    if (err != ERR_OK)
        return err;
    DL_FOREACH_SAFE(u->links, l, next) {
        if (l->row.purpose == LINK_CONFIRM)
            once_end(a, l, out);
    }
    return ERR_OK;
}

static enum err use_password(struct accounts *a, struct wall now, struct once *l, const char *password,
                             struct accounts_out *out, struct why *reterr)
{
    struct user_id user = l->row.user;
    bool is_mailed = l->row.email[0] != '\0';
    enum err err = accounts_set_password(a, user, password, 0, out, reterr); /* all links go with it */

    /* When somebody else has confirmed the same address meanwhile, it stays theirs; the password is right all the same. */
    if (err == ERR_OK && is_mailed && accounts_confirm_email(a, now, user, out, NULL) != ERR_OK)
        return ERR_OK;
    return err;
}

enum err accounts_use_link(struct accounts *a, struct wall now, const struct digest *digest,
                           const char *password, struct accounts_out *out, struct user_id *ret,
                           struct why *reterr)
{
    struct once *l;
    struct user_id user;
    enum err err = once_find(a, now, digest, &l, reterr);

    if (err != ERR_OK)
        return err;
    user = l->row.user;
    err = l->row.purpose == LINK_CONFIRM ? use_confirm(a, now, l, out, reterr)
                                         : use_password(a, now, l, password, out, reterr);
    if (err == ERR_OK)
        *ret = user;
    return err;
}
