# Two users share a server's slots: the second does not wait for the end of the first's queue. A launch of the first user
# waits behind the first's other tests all the same.
server a 2
launch 3 take 5s by 1
launch 1 take 5s by 1
launch 3 take 5s by 2
until launch 2 done
until launch 3 done
