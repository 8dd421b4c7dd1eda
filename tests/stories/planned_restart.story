# A planned end says goodbye; the runs go on under their leases.
server a
launch 2 take 8s
until run 1 running
shutdown
advance 5s
boot
until launch 1 done
show launch 1
