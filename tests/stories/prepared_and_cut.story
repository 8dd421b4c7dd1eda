# the code cannot come over a link that broke: the run waits on its server, and is made ready again on the next link
server a
advance 1s
launch 1 take 1s prepare 300ms lease 60s
until run 1 preparing
break a
until run 1 assigned
until launch 1 done
# stopped while it is made ready: it never began
launch 1 take 1s prepare 5s lease 60s
kill agent a
until run 3 preparing
stop run 3
until launch 2 done
show launch 2
