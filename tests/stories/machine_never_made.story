# It made nothing, and the answer said that nobody knows: only when the list has lacked it for long is it tried again.
cloud
record a
next 500-before
on a
advance 3m
off a
advance 10s
