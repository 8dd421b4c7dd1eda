/* artifacts.h - the files that a run leaves to be kept, found and sent: a process of its own, `wrata-agent artifacts`.
 *
 * It runs in the work tree when the run's processes are gone, and ends when the controller says that all is on its disk.
 * What it says on standard output stands at the end of the run's log. */
#ifndef WRATA_AGENT_ARTIFACTS_H
#define WRATA_AGENT_ARTIFACTS_H

#include <stdint.h>

#include "base/mem.h"
#include "wire/frame.h"

#define ARTIFACTS_LIMIT_MS 600000 /* to find and send all, cuts of the link included */
#define ARTIFACTS_LOOKED_AT_MAX 500000u

/* argv: the agent's folder, the run, when it began (nanoseconds of the clock that stamps files), most bytes of a file, of all,
 * most files; then pairs of a glob and the most bytes of a file that it takes. Files that are older than the run are of
 * another one and stay. Links are not followed, what is no plain file is passed over, and .git. Returns the exit status. */
int artifacts_main(int argc, char **argv);

/* The command that takes the artifacts of a run, all but its begin; NULL: it has none. malloc'ed, each word too. */
OWNED char **artifacts_command(const struct frame_run_spec *spec, const char *dir, int64_t began_ns);
void artifacts_command_free(char **command); /* NULL is fine */

#endif
