# Ten thousand short worlds in two halves, and one rule broken on purpose that the checks must catch.
foreach(half 1:5000 5001:10000)
    string(REPLACE ":" "_" name ${half})
    add_test(NAME sim/seeds_${name} COMMAND wrata-sim --runs ${half} --steps 1000)
    set_tests_properties(sim/seeds_${name} PROPERTIES LABELS sim TIMEOUT 900)
endforeach()
add_test(NAME sim/broken_lease_is_caught
    COMMAND wrata-sim --runs 1:300 --break lease-grace)
set_tests_properties(sim/broken_lease_is_caught PROPERTIES LABELS sim TIMEOUT 300
    PASS_REGULAR_EXPRESSION "FAIL test [0-9]+ executes twice")
