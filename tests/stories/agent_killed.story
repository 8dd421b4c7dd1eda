# The agent dies with its script: certain loss, told by its successor, queued again at once.
server a
server b
launch 1 take 10s
until run 1 running
kill agent a
until launch 1 done
show launch 1
