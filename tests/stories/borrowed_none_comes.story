# None of the servers that a launch was to have comes: after half an hour it is stopped, and says why.
cloud 1
next refuses
launch 2 take 1s book 3
advance 29m
why test 1
until launch 1 done
show launch 1
next refuses
launch 1 take 1s book 1        # also when wrata is started anew meanwhile
advance 5m
kill engine
boot
until launch 2 done
show launch 2
