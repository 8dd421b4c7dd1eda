# The link breaks in mid-run and is made anew: no attempt is lost.
server a
launch 1 take 10s
until run 1 running
break a
until launch 1 done
show launch 1
