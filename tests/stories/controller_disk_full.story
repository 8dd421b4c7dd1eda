# While the controller's own disk is full nothing begins: what runs goes on, what lies ahead comes back, also after a restart.
server a 2
server b
advance 1s
launch 30 take 5ms
until run 12 running
controller full
advance 1s
why test 30
launch 2 take 1s by 2
why test 31
advance 1s
kill engine
boot                           # it is said before anything is placed
advance 2s
why test 31
queue pause
why test 30
queue resume
controller ok
until launch 1 done
until launch 2 done
