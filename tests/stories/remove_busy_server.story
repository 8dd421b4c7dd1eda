# Not without force; by force its run is stopped first, then the test moves.
server a
server b
launch 1 take 20s on a b
until run 1 running
remove a
remove a force
until launch 1 done
show launch 1
