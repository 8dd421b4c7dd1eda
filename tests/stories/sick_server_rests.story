# The sick server rests longer and longer, the other one does the work.
server sick
server well
advance 1s
disk full sick
launch 6 take 3s
until launch 1 done
show launch 1
