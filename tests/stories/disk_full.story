# A full disk takes a server out; it comes back by itself when there is room.
server full
server roomy
advance 1s
launch 4 take 10s
room full 300 20000
advance 1s
room full 200 20000
show server full
why test 3
resume full
room full 400 20000
show server full
room full 600 20000
show server full
# Two per cent of a small disk are enough.
room full 30 1000
show server full
room full 10 1000
show server full
kill engine
boot
advance 2s
room full 700 1000
show server full
until launch 1 done
