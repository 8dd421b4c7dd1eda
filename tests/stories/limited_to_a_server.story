server a
server b
advance 1s
launch 2 take 2s on b
why test 2
until launch 1 done
