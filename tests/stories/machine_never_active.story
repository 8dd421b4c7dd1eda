# It never becomes active: after its time it is destroyed, and it is said.
cloud
record a
next never-active
on a
advance 6m
