# A booked server runs the tests of its user alone.
server a
server b
book a by 2
launch 2 take 5s by 1
launch 1 take 5s by 2
advance 30s
unbook a by 1
unbook a by 2
launch 2 take 1s by 1
advance 10s
