# Three runs in a row fail there, so it is out; what it failed does not count, and the other one does the work.
server sick
server well
advance 1s
sick sick
launch 6 take 3s retries 0
until launch 1 done
show launch 1
show server sick
launch 1 take 1s on sick
advance 1s
why test 7
resume sick
advance 5s
# Still sick: it takes three more, and the test that only it may run waits.
why test 7
show server sick
well sick
resume sick
launch 2 take 1s
until launch 2 done
until launch 3 done
show server sick
