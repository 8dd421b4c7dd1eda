# What is taken out can be put back for ten minutes, at its place, also after a restart; then it is done.
server a
launch 6 take 1m by 1
until run 1 running
queue delete 3,1,99
queue clear
queue show
kill engine
boot
queue undo 1                   # the first of the two
queue show
queue undo                     # the newest left
queue show
queue undo                     # nothing is left
queue delete 4,5
advance 10m
until launch 1 done
show launch 1
