# Two losses within an hour, each with all that it had in its slots.
server shaky 2
server steady
advance 1s
launch 8 take 40s retries 1 lease 30s
advance 5s
power off shaky 10s
advance 60s
show server shaky
kill agent shaky
advance 30s
show server shaky
until launch 1 done
show launch 1
resume shaky
launch 3 take 1s
until launch 2 done
show server shaky
