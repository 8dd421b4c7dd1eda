# wrata-agent: one static file per processor, linked with musl, embedded in wrata.
#
# It is compiled in one command by musl's own compiler wrapper, because a C library cannot be swapped under
# CMake's compiler in the middle of a build. The wrapper hides /usr/include; what the agent needs from there
# (uthash, which is headers alone) is copied. cmake/check-agent.sh refuses a result that is not static or is
# larger than it may be: a compiler that ignores a specs file links glibc without a word.

file(GLOB agent_sources CONFIGURE_DEPENDS src/agent/*.c)
file(GLOB agent_shared CONFIGURE_DEPENDS src/base/*.c src/wire/frame*.c src/wire/agent_*.c
    src/wire/json_out.c src/report/*.c)
file(GLOB agent_headers CONFIGURE_DEPENDS src/agent/*.h src/base/*.h src/wire/*.h src/wire/*.def
    src/report/*.h)
set(AGENT_DIR ${CMAKE_BINARY_DIR}/agent)
set(AGENT_MAX_KIB 512)
file(MAKE_DIRECTORY ${AGENT_DIR} ${GEN}/uthash)
foreach(header uthash.h utlist.h utarray.h utstring.h)
    if(EXISTS /usr/include/${header})
        configure_file(/usr/include/${header} ${GEN}/uthash/${header} COPYONLY)
    endif()
endforeach()

set(agent_flags -std=gnu11 -Os -D_GNU_SOURCE -DWRATA_AGENT "-DWRATA_VERSION=\"${WRATA_VERSION}\"" ${WARNINGS}
    -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables
    -I${CMAKE_SOURCE_DIR}/src -I${GEN} -isystem ${GEN}/uthash)
set(agent_link -static -no-pie -s -Wl,--gc-sections -Wl,--build-id=none)
set(AGENT_ARCHES "")
set(AGENT_FILES "")

# agent_binary(<arch> COMPILE <compiler and flags> LINK <objects and libraries after the sources>)
function(agent_binary arch)
    cmake_parse_arguments(A "" "" "COMPILE;LINK" ${ARGN})
    set(out ${AGENT_DIR}/wrata-agent-${arch})
    add_custom_command(OUTPUT ${out}
        COMMAND ${A_COMPILE} ${agent_flags} ${agent_link} -o ${out}.new
            ${agent_sources} ${agent_shared} ${GEN}/embed_adapters.c ${A_LINK}
        COMMAND ${CMAKE_SOURCE_DIR}/cmake/check-agent.sh ${out}.new ${AGENT_MAX_KIB}
        COMMAND ${CMAKE_COMMAND} -E rename ${out}.new ${out}
        DEPENDS ${agent_sources} ${agent_shared} ${agent_headers} ${GEN}/embed_adapters.c ${GEN}/embed_adapters.h
            ${CMAKE_SOURCE_DIR}/cmake/check-agent.sh ${CMAKE_SOURCE_DIR}/cmake/agent.cmake
        COMMENT "Building wrata-agent for ${arch}" VERBATIM)
    set(AGENT_ARCHES ${AGENT_ARCHES} ${arch} PARENT_SCOPE)
    set(AGENT_FILES ${AGENT_FILES} ${out} PARENT_SCOPE)
endfunction()

find_program(MUSL_GCC musl-gcc)
find_program(CROSS_GCC aarch64-linux-gnu-gcc)
# Where scripts/install-deps.sh arm64 puts the C library, or where a multiarch musl-dev:arm64 lies.
find_path(CROSS_MUSL_INCLUDE stdio.h NO_DEFAULT_PATH
    PATHS ${CMAKE_SOURCE_DIR}/build/arm64-musl/usr/include/aarch64-linux-musl /usr/include/aarch64-linux-musl)
find_path(CROSS_MUSL_LIB libc.a NO_DEFAULT_PATH
    PATHS ${CMAKE_SOURCE_DIR}/build/arm64-musl/usr/lib/aarch64-linux-musl /usr/lib/aarch64-linux-musl)

if(agent_sources AND EXISTS ${CMAKE_SOURCE_DIR}/src/agent/main.c)
    if(MUSL_GCC)
        agent_binary(${CMAKE_SYSTEM_PROCESSOR} COMPILE ${MUSL_GCC})
        add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/wrata-agent
            COMMAND ${CMAKE_COMMAND} -E copy ${AGENT_DIR}/wrata-agent-${CMAKE_SYSTEM_PROCESSOR}
                ${CMAKE_BINARY_DIR}/wrata-agent
            DEPENDS ${AGENT_DIR}/wrata-agent-${CMAKE_SYSTEM_PROCESSOR} VERBATIM)
        list(APPEND AGENT_FILES ${CMAKE_BINARY_DIR}/wrata-agent)
    else()
        message(WARNING "musl-gcc is missing (apt package musl-tools): wrata is built without its agent")
    endif()
    if(CROSS_GCC AND CROSS_MUSL_INCLUDE AND CROSS_MUSL_LIB AND NOT CMAKE_SYSTEM_PROCESSOR STREQUAL "aarch64")
        execute_process(COMMAND ${CROSS_GCC} -print-file-name=include OUTPUT_VARIABLE cross_include
            OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
        # Everything is named, nothing is left to a specs file. -mno-outline-atomics: the helpers behind it
        # want glibc's auxiliary vector.
        agent_binary(aarch64
            COMPILE ${CROSS_GCC} -nostdinc -nostdlib -mno-outline-atomics -isystem ${CROSS_MUSL_INCLUDE}
                -isystem ${cross_include} ${CROSS_MUSL_LIB}/crt1.o ${CROSS_MUSL_LIB}/crti.o
            LINK ${CROSS_MUSL_LIB}/libc.a -lgcc ${CROSS_MUSL_LIB}/crtn.o)
    else()
        message(STATUS "No aarch64 agent: scripts/install-deps.sh arm64 installs what it needs")
    endif()
endif()
add_custom_target(agents ALL DEPENDS ${AGENT_FILES})

file(CONFIGURE OUTPUT ${GEN}/embed_agents.h @ONLY CONTENT
"/* The agents as files, embedded by cmake/embed.cmake; start == end when one was not built. */
#ifndef EMBED_AGENTS_H
#define EMBED_AGENTS_H

extern const unsigned char agent_x86_64_start[];
extern const unsigned char agent_x86_64_end[];
extern const unsigned char agent_aarch64_start[];
extern const unsigned char agent_aarch64_end[];

#endif
")
add_custom_command(OUTPUT ${GEN}/embed_agents.S
    COMMAND ${CMAKE_COMMAND} -DWHAT=agents -DSRC=${CMAKE_SOURCE_DIR} -DGEN=${GEN} "-DARCHES=${AGENT_ARCHES}"
        -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${AGENT_FILES} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
    COMMENT "Embedding agents" VERBATIM)
set_source_files_properties(${GEN}/embed_agents.S PROPERTIES OBJECT_DEPENDS "${AGENT_FILES}")

add_library(wrata_embed STATIC ${GEN}/embed_migrations.c ${GEN}/embed_web.c ${GEN}/embed_web_data.S
    ${GEN}/embed_agents.S ${GEN}/embed_mails.c)
set_source_files_properties(${GEN}/embed_web_data.S PROPERTIES OBJECT_DEPENDS ${GEN}/embed_web.c)

# The agent's own code on glibc, with the sanitizers of this build: what unit tests and the simulator link.
set(core_sources ${agent_sources})
list(FILTER core_sources EXCLUDE REGEX "/src/agent/main\\.c$")
add_library(wrata_agent_core STATIC ${core_sources} ${GEN}/embed_adapters.c ${GEN}/embed_adapters.h)

