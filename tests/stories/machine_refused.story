# The account is full: one call, and the reason.
cloud
record a
next refuses
on a
advance 2m
