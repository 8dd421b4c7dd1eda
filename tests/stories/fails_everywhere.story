# One is busy, so the other one is blamed for a project that fails everywhere; when the first has tried it, too, it is put back.
server a
server b
advance 1s
launch 1 take 20s on b
launch 6 project 7 retries 2
advance 8s
show server a
until launch 2 done
show server a
show server b
# The next launch of that project makes nobody sick, either.
launch 8 project 7 retries 0
until launch 3 done
show server a
show server b
launch 2 take 1s
until launch 4 done
