/* inside.h - `wrata-agent inside`: the first process of a container.
 *
 * It asks for its order over the socket in BOX_INSIDE, becomes parent of the image's hook and of the script, collects orphans,
 * and ends all of it when the script ends, when it is told to, and at once when nobody is at the other end any more: an
 * agent that dies leaves nothing running. What it says, a line each:
 *
 *     failed TEXT                           the script could not be started; why, for people
 *     began                                 it was
 *     gone                                  it has ended, and so has everything else in here
 *     exited HOW CODE USER SYSTEM RSS OOM TIME   how it ended: 0 and an exit status, 1 and a signal; microseconds, KiB; did the
 *                                           memory limit end something (0, 1, or 2: nobody knows); microseconds since its begin
 *     kept TEXT                             before that: lent folders could not be given back
 *
 * and what it is told, a byte each: 'T' end gracefully, 'K' at once. */
#ifndef WRATA_AGENT_INSIDE_H
#define WRATA_AGENT_INSIDE_H

#define INSIDE_HOOK_LIMIT_MS 600000

int inside_main(void);

#endif
