# Power is lost in mid-run and stays off: the test goes to the other server when the lease has ended.
server a
server b
launch 1 take 20s lease 30s
until run 1 running
power off a 10m
advance 20s
why test 1
until launch 1 done
show launch 1
