# A failure is a result: it is not tried again.
server a
launch 1 exit 3
until launch 1 done
show launch 1
