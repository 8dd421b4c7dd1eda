# The controller is killed in mid-launch and comes back: runs went on, every test is counted once.
server a
launch 3 take 5s
until run 1 running
kill engine
advance 3s
boot
until launch 1 done
show launch 1
