/* migrations.h - the numbered SQL files of src/store/migrations/, embedded in the program.
 *
 * Numbers start at 1 without gaps: the build refuses anything else. A migration that was released
 * is never edited; the next one repairs it. */
#ifndef WRATA_STORE_MIGRATIONS_H
#define WRATA_STORE_MIGRATIONS_H

struct migration {
    int number;
    const char *name; /* the words of the file's name, "first_tables" */
    const char *sql;  /* the whole file, NUL-ended */
};

extern const struct migration migrations[]; /* in order; the row after the last has number 0 */
extern const unsigned int migrations_count;

#endif
