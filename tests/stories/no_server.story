# A test that cannot start says why.
launch 1
why test 1
server a
cut a
advance 3s
why test 1
heal a
until launch 1 done
