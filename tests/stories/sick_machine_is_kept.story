# A machine that was taken out is kept for an hour, for who wants to look at it, and then destroyed.
server well
cloud
record c1
on c1
advance 60s
sick c1
launch 8 take 2s
until launch 1 done
show server c1
advance 50m
show server c1
advance 11m
show server c1
