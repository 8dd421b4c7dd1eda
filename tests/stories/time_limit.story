server a
launch 1 take 1m limit 3s
until launch 1 done
show launch 1
