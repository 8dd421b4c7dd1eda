# Longest predicted first; what is unknown counts as the mean of the known.
server a
launch 4 take 1s soonest 1s 9s 0s 3s
until launch 1 done
