/* notices.h - what notices.c and notice_read.c share: a mail on its way from what was taken to what waits to be sent. */
#ifndef WRATA_SERVER_NOTICES_H
#define WRATA_SERVER_NOTICES_H

#include "base/mem.h"
#include "notify/notice.h"
#include "notify/notice_text.h"
#include "store/store.h"

/* What one mail tells, to whom; the same words to each. */
struct telling {
    struct notices *notices;
    enum notice_kind kind;
    struct user_id user;
    struct arena arena;
    const char *login;
    struct mail_choices choices; /* of `user` */
    const char *const *to;       /* n_to addresses */
    uint32_t n_to;
    struct notice_site site;
    /* written by the job */
    bool is_wanted;
    const char *template_kind;
    const char *subject;
    const char *text;
    const char *html;
    enum err err; /* the store's */
    struct why why;
};

/* On a reader thread: read what is taken and write the mail, into the arena. */
void notice_read_job(struct reader *r, void *telling);

#endif
