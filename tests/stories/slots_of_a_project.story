# docs may have two slots of each machine, and there are three
server a 3
advance 1s
launch 5 take 10s project 1 slots 2
why test 3
# another project takes the third slot meanwhile
launch 1 take 2s project 2
until launch 2 done
# the machine is idle, and docs may not have more of it: it looks again as soon as one has ended
until run 1 done
why test 4
# another machine takes at once what it may
server b 4
until run 6 running
until launch 1 done
