# who may have how much of a server is known after a restart, and what an agent still executes counts
server a 3
advance 1s
launch 4 take 60s lease 30s project 1 slots 2
until run 2 running
kill engine
advance 2s
boot
advance 2s
why test 3
stop run 1
until run 3 running
why test 4
until launch 1 done
