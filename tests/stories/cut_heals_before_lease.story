# A link that carries nothing for 12 s: shown as lost, and the run goes on as if nothing had happened.
server a
launch 1 take 30s lease 30s
until run 1 running
cut a
advance 12s
heal a
until launch 1 done
show launch 1
