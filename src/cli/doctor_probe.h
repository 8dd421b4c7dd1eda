/* doctor_probe.h - run a program for what it says, with a limit in time. */
#ifndef WRATA_CLI_DOCTOR_PROBE_H
#define WRATA_CLI_DOCTOR_PROBE_H

#include <stdbool.h>
#include <stddef.h>

/* Nothing on its input; the first line of its output, and of what it complains, into `line`. returns its exit code;
 * -1: it could not be started; -2: it did not end within ms (and was killed). */
int probe_run(const char *const *argv, int ms, char *line, size_t size);
bool probe_has(const char *program); /* in PATH */

#endif
