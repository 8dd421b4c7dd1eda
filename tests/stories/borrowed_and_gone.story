# The only server of a launch vanishes while it runs: at the next look, half an hour later, the launch is stopped.
cloud
launch 2 take 5m book 1
until run 1 running
vanish 1
until launch 1 done
show launch 1
