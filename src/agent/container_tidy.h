/* container_tidy.h - what containers leave: containers themselves, their folders, files that are not the agent's any more. For
 * helper processes, `wrata-agent container VERB`. */
#ifndef WRATA_AGENT_CONTAINER_TIDY_H
#define WRATA_AGENT_CONTAINER_TIDY_H

/* sweep MARK INCARNATION   remove all that other incarnations of the agent left
 * remove NAME...           containers
 * mend MARK INCARNATION NOTE           give the agent its files back where a note says that they are lent
 * clear MARK INCARNATION NOTE FOLDER   the same, then remove the folder */
int container_sweep_main(int argc, char **argv);
int container_remove_main(int argc, char **argv);
int container_mend_main(int argc, char **argv);
int container_clear_main(int argc, char **argv);

/* `wrata-agent container VERB ...`, with the words behind `container`. */
int container_main(int argc, char **argv);

#endif
