# A server whose disk is full fails every run; after the last retry the test is infrastructure.
server a
advance 1s
disk full a
launch 1 retries 1
advance 500ms
why test 1
until launch 1 done
show launch 1
