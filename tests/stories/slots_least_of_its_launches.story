# the least of what the launches of a project say holds for all of them, as long as it is not over
server a 4
advance 1s
launch 6 take 4s project 1
launch 1 take 2s project 1 slots 1 by 2
why test 5
why test 7
# all of the first are over before the one that wants to be alone begins, and nothing joins it
until run 5 running
why test 6
until launch 1 done
