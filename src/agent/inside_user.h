/* inside_user.h - whom a run is in its container, by the image's own /etc/passwd and /etc/group; whose its files are. */
#ifndef WRATA_AGENT_INSIDE_USER_H
#define WRATA_AGENT_INSIDE_USER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define INSIDE_GROUPS_MAX 64u

struct inside_user {
    uid_t uid;
    gid_t gid;
    gid_t groups[INSIDE_GROUPS_MAX];
    size_t n_groups;
    char home[256]; /* "/" for one that the image does not know */
};

/* "1000", "nobody", "1000:1000", "name:group"; "" is root. As docker has it: a number need not be known, then its group is 0;
 * who is known has the groups that list it, unless one is named. passwd, group: the files' texts. Pure.
 * False: there is no such user, and ret_why (size bytes) says so. */
bool inside_user_find(const char *user, const char *passwd, const char *group, struct inside_user *ret,
                      char *ret_why, size_t size);

/* Make a folder and all below it uid's and gid's; links themselves, not what they lead to; other file systems are left alone.
 * Returns how many could not be, errno of the first in *ret_errno. */
size_t inside_own(const char *folder, uid_t uid, gid_t gid, int *ret_errno);

/* Folders of the image above a mount may be closed to all but root: let everybody through, not more. */
void inside_open_way(const char *path);

#endif
