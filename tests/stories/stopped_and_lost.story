# A run that was being stopped is never tried again, not even when its server is lost.
server a
server b
launch 1 take 1m lease 10s
until run 1 running
cut a
stop launch 1
until launch 1 done
show launch 1
