# Shuffled by a seed, sorted by length, and without duplicates: the first of those that are alike stays.
launch 5 by 1 soonest 1s 9s 0s 3s 5s
queue show
queue shuffle 7
queue show
queue sort
queue show
launch 3 by 1 same front
queue dedupe                   # t1 of the first launch is like those of the second, too: they differ in nothing
queue show
queue undo
queue show
