# Short scripts lie ahead at both servers; the one that runs dry gets what has not started at the other.
server a
server b
advance 1s
launch 9 take 8ms
until launch 1 done
