# ctest: everything `make test` runs. Labels: unit, stories, fuzz, sim, api, e2e, web, lint.
#
# Most tests from outside wait for servers for three quarters of their time. So make test gives ctest two places a core
# (WRATA_TEST_PLACES, and twice as many jobs): what waits takes one of them, what computes takes both.
set(WRATA_TEST_PLACES 1 CACHE STRING "How many of ctest's jobs a test takes that computes")

set(PYTHON /usr/bin/python3)
pkg_check_modules(CMOCKA IMPORTED_TARGET cmocka)

# Helpers shared by tests: tests/lib/*.c.
file(GLOB lib_sources CONFIGURE_DEPENDS tests/lib/*.c)
set(TEST_LIB "")
if(lib_sources)
    add_library(wrata_testlib STATIC ${lib_sources})
    target_include_directories(wrata_testlib PRIVATE tests)
    if(CMOCKA_FOUND)
        target_link_libraries(wrata_testlib PRIVATE PkgConfig::CMOCKA)
    endif()
    set(TEST_LIB wrata_testlib)
endif()

set(TEST_ENV
    "WRATA_BIN=${CMAKE_BINARY_DIR}/wrata"
    "WRATA_AGENT_DIR=${AGENT_DIR}"
    "WRATA_SOURCE=${CMAKE_SOURCE_DIR}"
    "WRATA_BUILD=${CMAKE_BINARY_DIR}"
    "ASAN_OPTIONS=abort_on_error=1:detect_stack_use_after_return=1:strict_string_checks=1"
    "UBSAN_OPTIONS=print_stacktrace=1"
    "PYTHONDONTWRITEBYTECODE=1")

# cmocka programs: every test_*.c of a folder is one executable and one ctest test.
function(cmocka_tests folder label timeout_s)
    file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${folder}/test_*.c)
    foreach(source IN LISTS sources)
        get_filename_component(name ${source} NAME_WE)
        set(target ${folder}_${name})
        add_executable(${target} ${source})
        target_include_directories(${target} PRIVATE tests .)
        # cmocka calls its functions through tables; prototypes there help nobody.
        target_compile_options(${target} PRIVATE -Wno-missing-prototypes)
        target_link_libraries(${target} PRIVATE ${TEST_LIB} PkgConfig::CMOCKA ${TEST_LIBS})
        add_test(NAME ${folder}/${name} COMMAND ${target})
        set_tests_properties(${folder}/${name} PROPERTIES LABELS ${label} TIMEOUT ${timeout_s} PROCESSORS ${WRATA_TEST_PLACES}
            WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} ENVIRONMENT "${TEST_ENV}")
    endforeach()
endfunction()

if(CMOCKA_FOUND)
    cmocka_tests(unit unit 600)
    cmocka_tests(stories stories 600)
else()
    message(STATUS "cmocka is missing (apt package libcmocka-dev): no unit tests in this build")
endif()

# Programs that end-to-end tests drive: each file is one.
file(GLOB program_sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/programs/*.c)
foreach(source IN LISTS program_sources)
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE ${TEST_LIBS})
endforeach()

# Fuzzers. Without libFuzzer each is a program that replays its corpus; with it, a fuzzer of the same name.
file(GLOB fuzz_sources CONFIGURE_DEPENDS fuzz/fuzz_*.c)
foreach(source IN LISTS fuzz_sources)
    get_filename_component(target ${source} NAME_WE)
    string(REGEX REPLACE "^fuzz_" "" name ${target})
    if(WRATA_FUZZ)
        add_executable(${target} ${source})
        target_link_options(${target} PRIVATE -fsanitize=fuzzer)
    else()
        add_executable(${target} ${source} fuzz/replay_main.c)
        add_test(NAME fuzz/${name} COMMAND ${target} ${CMAKE_SOURCE_DIR}/fuzz/corpus/${name})
        set_tests_properties(fuzz/${name} PROPERTIES LABELS fuzz TIMEOUT 300 PROCESSORS ${WRATA_TEST_PLACES} ENVIRONMENT "${TEST_ENV}")
    endif()
    target_compile_options(${target} PRIVATE -Wno-missing-prototypes)
    target_include_directories(${target} PRIVATE tests .)
    target_link_libraries(${target} PRIVATE ${TEST_LIBS})
endforeach()

# The simulator says itself which seeds a test run takes: sim/tests.cmake, when there is one.
include(${CMAKE_SOURCE_DIR}/sim/tests.cmake OPTIONAL)

# Python tests drive the built program from outside, as many at a time as ctest was given jobs: each has folders and ports
# of its own, and waits more than it works. One that cannot have others beside it says so itself, in a line
# "# ctest: RESOURCE_LOCK hosts" (taking turns with those of that word) or "# ctest: RUN_SERIAL ON" (it measures milliseconds);
# "# ctest: COMPUTES ON" says that it computes rather than waits.
function(python_tests folder timeout_s)
    file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/${folder}/test_*.py)
    foreach(script IN LISTS scripts)
        get_filename_component(name ${script} NAME_WE)
        add_test(NAME ${folder}/${name} COMMAND ${PYTHON} ${script})
        set_tests_properties(${folder}/${name} PROPERTIES LABELS ${folder} TIMEOUT ${timeout_s}
            SKIP_RETURN_CODE 77 WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} ENVIRONMENT "${TEST_ENV}")
        file(STRINGS ${script} wishes REGEX "^# ctest: ")
        foreach(wish IN LISTS wishes)
            string(REGEX REPLACE "^# ctest: ([A-Z_]+) (.+)$" "\\1;\\2" wish "${wish}")
            string(REPLACE "COMPUTES;ON" "PROCESSORS;${WRATA_TEST_PLACES}" wish "${wish}")
            set_tests_properties(${folder}/${name} PROPERTIES ${wish})
        endforeach()
    endforeach()
endfunction()

python_tests(api 600)
python_tests(e2e 600)

if(NODE AND EXISTS ${CMAKE_SOURCE_DIR}/web/package.json)
    file(GLOB web_tests CONFIGURE_DEPENDS web/test/*.test.mjs)
    foreach(script IN LISTS web_tests)
        get_filename_component(name ${script} NAME_WE)
        add_test(NAME web/${name} COMMAND ${NODE} --test ${script})
        set_tests_properties(web/${name} PROPERTIES LABELS web TIMEOUT 900 PROCESSORS ${WRATA_TEST_PLACES} RESOURCE_LOCK browser SKIP_RETURN_CODE 77
            WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/web
            ENVIRONMENT "${TEST_ENV}")
    endforeach()
endif()

# Lint that is quick enough for every run; `make lint` adds clang-tidy.
if(TARGET wrata-tidy)
    add_test(NAME lint/tidy COMMAND wrata-tidy ${CMAKE_SOURCE_DIR})
    add_test(NAME lint/tidy_catches COMMAND ${CMAKE_SOURCE_DIR}/tools/tidy-test.sh $<TARGET_FILE:wrata-tidy>)
    set_tests_properties(lint/tidy lint/tidy_catches PROPERTIES LABELS lint TIMEOUT 300 PROCESSORS ${WRATA_TEST_PLACES}
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
endif()
foreach(check format cppcheck)
    add_test(NAME lint/${check} COMMAND ${CMAKE_SOURCE_DIR}/scripts/lint.sh ${check})
    set_tests_properties(lint/${check} PROPERTIES LABELS lint TIMEOUT 600 PROCESSORS ${WRATA_TEST_PLACES} SKIP_RETURN_CODE 77
        WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} ENVIRONMENT "WRATA_BUILD=${CMAKE_BINARY_DIR}")
endforeach()
