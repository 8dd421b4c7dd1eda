# Tests are moved: what waits no more is passed over, the moved ones keep their order, and what comes back after a restart is
# the order that was made.
server a
launch 6 take 1s by 1
until run 1 running
queue show
queue move 6,4 front
queue show
queue move 2,1,5 end
queue show
queue move 5,4 before 2        # test 2 is before 5 now
queue show
queue move 4,5 before 5        # around itself: the block goes where 5 stands
queue show
queue move 3 before 1          # it runs: no place in the queue any more
kill engine
boot
queue show
until launch 1 done
