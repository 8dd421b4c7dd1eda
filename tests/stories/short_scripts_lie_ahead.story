# Once the mean is known and short, a server gets work in advance; a second server takes what lies there.
server a
advance 1s
launch 12 take 5ms
until launch 1 done
