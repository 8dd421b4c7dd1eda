# The controller is killed while the call is under way: after the start it looks before it makes another one.
cloud
record a
next lost
on a
advance 5050ms
kill engine
boot
advance 2m
off a
advance 10s
