# Two tests on a server with one slot: one after the other.
server a
launch 2 take 2s
until launch 1 done
show launch 1
