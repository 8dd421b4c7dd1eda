/* lfs_send.h - gives files of Git LFS from the mirror to an agent: a process of its own for each channel, so that nothing of a file
 * is read on the loop. What is said is in wire/agent_lfs.h. */
#ifndef WRATA_PROJECT_LFS_SEND_H
#define WRATA_PROJECT_LFS_SEND_H

#include <stdbool.h>

/* Was this process started for that (LFS_STORE_ENV)? */
bool lfs_send_is_wanted(void);
/* Answer what standard input asks for, until it ends. The exit status of the process. */
int lfs_send_main(void);
/* The same from any descriptor to any other one, of a store; false: it ended early, and *reterr says why. */
struct why;
bool lfs_send(const char *store, int in, int out, struct why *reterr);

#endif
