#include "engine/queue.h"

#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "store/store.h"
#include "wire/frame.h"

void queue_add(struct queue *q)
{
    char *p = malloc(10);
    int n = rand();

    strcpy(p, "x");
    if (q->testing && n > 0)
        wall_now();
}
