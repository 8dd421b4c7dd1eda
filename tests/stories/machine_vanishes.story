# The machine of a server vanishes while it runs something: that is known when the list has lacked it for long, and the test runs elsewhere.
cloud
record a
on a
advance 60s
launch 1 take 30s lease 300s
advance 5s
vanish 1
server b
advance 5m
show launch 1
