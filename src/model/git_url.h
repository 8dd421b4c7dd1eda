/* git_url.h - are two urls of git repositories the same one? Pure. */
#ifndef WRATA_MODEL_GIT_URL_H
#define WRATA_MODEL_GIT_URL_H

#include <stdbool.h>
#include <stddef.h>

/* The repository that an url names, whatever the way to it: "github.com/owner/name" of https://me:pw@GitHub.com/owner/name.git,
 * git@github.com:owner/name, ssh://git@github.com:22/owner/name/ and, with github.com as git_host, owner/name. A port that
 * is not the scheme's own stays, but for ssh, whose port says nothing of the others. Folders are their path: "/srv/git/docs".
 * Names and passwords are not in it. false: it is none of these, or longer than size. git_host NULL: no owner/name. */
bool git_url_key(const char *url, const char *git_host, char *out, size_t size);

#endif
