# The last server is never taken out: it rests longer and longer, until it works again.
server only
advance 1s
sick only
launch 2 take 3s retries 9
advance 6s
show server only
why test 1
well only
until launch 1 done
show launch 1
