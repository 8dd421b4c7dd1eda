# The cloud made it and the answer said that nobody knows: the list shows it, and no second one is bought.
cloud 1
record a
next 500-after
on a
advance 2m
off a
advance 10s
