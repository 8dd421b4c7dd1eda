# Who acts on a queue as it was is refused when people changed it meanwhile, not when a server took a test from it.
server a
launch 4 take 1s by 1
queue show
until run 1 running
queue as seen
queue move 4 front
queue as seen
queue delete 3
queue show
