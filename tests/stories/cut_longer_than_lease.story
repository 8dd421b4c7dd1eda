# The agent kills the run before the lease ends here; only then another server gets the test.
server a
server b
launch 1 take 60s lease 20s on a b
until run 1 running
cut a
advance 40s
heal a
until launch 1 done
show launch 1
