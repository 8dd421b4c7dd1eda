# A launch gets servers of its own: what is free, and machines that are switched on for it. They run its tests alone, and
# go back with its end, wherever wrata dies: free again, and off when they were off before.
cloud
record c1
record c2
on c1
advance 2m
launch 4 take 30s book 2
launch 1 take 1s               # of the same user: not on its servers
why test 1
why test 5
until run 1 running
kill engine
boot
why test 5
until launch 1 done
show launch 1
until launch 2 done
show launch 2
advance 2m
launch 1 take 1s book 1        # stopped: they go back all the same
stop launch 3
advance 3m
launch 1 take 1s book 9 by 2   # as many as there can be
until launch 4 done
