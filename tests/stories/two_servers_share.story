# A free slot anywhere takes the next test.
server a 2
server b
launch 5 take 3s
until launch 1 done
