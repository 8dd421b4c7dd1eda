# Removed tests belong to their launch: when it is stopped they are stopped too, and cannot be put back.
server a
launch 3 take 1m by 1
launch 1 take 1s by 1
until run 1 running
queue clear
stop launch 1
queue undo
until launch 2 done
show launch 1
