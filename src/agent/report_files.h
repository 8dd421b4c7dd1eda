/* report_files.h - the files that a run's framework left behind, read for it: a process of its own, `wrata-agent reports`. */
#ifndef WRATA_AGENT_REPORT_FILES_H
#define WRATA_AGENT_REPORT_FILES_H

#define REPORT_FILES_MAX 1000u
#define REPORT_FILE_BYTES_MAX MIB(64)
#define REPORT_LOOKED_AT_MAX 500000u /* entries of folders */

/* argv: when the run began (nanoseconds of the clock that stamps files), "whole" or "cut", then globs of the present folder:
 * * ? [..] within a name, ** over folders. Only files that are not older are read. Links are not followed, .git is passed
 * over. Writes lines of the results channel to descriptor 3. Returns the exit status. */
int report_files_main(int argc, char **argv);

#endif
