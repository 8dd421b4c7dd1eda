# One run is stopped; the launch goes on with the others.
server a
launch 2 take 4s
until run 1 running
stop run 1
until launch 1 done
show launch 1
