# Two launches share a server's slots, the second does not wait for the end of the first.
server a 2
launch 4 take 5s
launch 4 take 5s
until launch 1 done
until launch 2 done
