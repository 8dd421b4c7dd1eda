/* queue.c - what a file looks like that nothing is wrong with. */
#include "engine/queue.h"

#include <string.h>

#include "base/mem.h"
#include "model/test.h"

/* A comment may say strcpy(a, b), and so may a string; a member may be called open. */
const char *queue_name(const struct queue *q)
{
    q->ops->open(q);
    return "do not system(\"rm\")";
}
