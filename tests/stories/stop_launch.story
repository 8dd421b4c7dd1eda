# Waiting tests are done at once, the running one when its process is gone.
server a
launch 3 take 1m
until run 1 running
stop launch 1
until launch 1 done
show launch 1
