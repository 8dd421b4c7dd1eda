# A paused queue starts nothing new: what runs goes on, what lies ahead comes back, others get the slots, also after a restart.
server a
advance 1s
launch 30 take 5ms
until run 12 running
queue pause
advance 1s
queue show
why test 30
launch 2 take 1s
why test 31
launch 1 take 1s by 2          # somebody else's goes on
advance 2s
show launch 3
kill engine
boot
advance 2s
queue show
queue pause                    # it is so already
queue resume
queue resume
until launch 1 done
until launch 2 done
