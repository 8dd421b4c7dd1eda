# A launch at the front goes before all that wait, as given; one at the end after them.
server a
launch 2 take 1s by 1
launch 2 take 1s by 1 front
launch 1 take 1s by 1
queue show
until launch 3 done
