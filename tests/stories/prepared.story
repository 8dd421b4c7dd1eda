# what is done before a run begins is shown, unless it is over in an instant
server a
advance 1s
launch 2 take 1s prepare 4s
until run 1 preparing
show launch 1
advance 2s
# a restart of the controller forgets nothing of it
kill engine
advance 300ms
boot
until run 1 running
until launch 1 done
