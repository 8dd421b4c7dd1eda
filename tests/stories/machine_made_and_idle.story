# A machine is made, runs something, does nothing for too long, and goes.
cloud
record a
on a
advance 60s
launch 1 take 2s
advance 20s
show launch 1
advance 12m
