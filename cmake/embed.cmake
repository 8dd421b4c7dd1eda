# Files that travel inside the program: migrations, the built page, the agents, the adapters.
#
# Included by CMakeLists.txt it makes the library wrata_embed; run with `cmake -DWHAT=... -P` it is the
# generator behind it. Text becomes C arrays, large binaries become .incbin.

if(NOT CMAKE_SCRIPT_MODE_FILE)
    set(EMBED ${CMAKE_COMMAND} -DWHAT=@ -DSRC=${CMAKE_SOURCE_DIR} -DGEN=${GEN} -P ${CMAKE_CURRENT_LIST_FILE})

    # embed_rule(<what> <output>... DEPENDS <files>): run the generator below when a file changed.
    function(embed_rule what)
        cmake_parse_arguments(A "" "" "OUTPUT;DEPENDS" ${ARGN})
        list(TRANSFORM A_OUTPUT PREPEND ${GEN}/)
        list(TRANSFORM EMBED REPLACE "=@$" "=${what}" OUTPUT_VARIABLE command)
        add_custom_command(OUTPUT ${A_OUTPUT} COMMAND ${command}
            DEPENDS ${A_DEPENDS} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
            COMMENT "Embedding ${what}" VERBATIM)
    endfunction()

    # A removed file changes no other file's time: keep the list itself as a dependency.
    function(embed_list ret name)
        set(file ${GEN}/${name}.list)
        string(JOIN "\n" text ${ARGN})
        if(EXISTS ${file})
            file(READ ${file} old)
        endif()
        if(NOT EXISTS ${file} OR NOT "${old}" STREQUAL "${text}")
            file(WRITE ${file} "${text}")
        endif()
        set(${ret} ${file} ${ARGN} PARENT_SCOPE)
    endfunction()

    file(GLOB migrations CONFIGURE_DEPENDS src/store/migrations/*.sql)
    embed_list(migration_deps migrations ${migrations})
    embed_rule(migrations OUTPUT embed_migrations.c DEPENDS ${migration_deps})

    file(GLOB adapters CONFIGURE_DEPENDS adapters/*/wrata_*.rb adapters/*/wrata_*.py)
    embed_list(adapter_deps adapters ${adapters})
    embed_rule(adapters OUTPUT embed_adapters.c embed_adapters.h DEPENDS ${adapter_deps})

    file(GLOB mails CONFIGURE_DEPENDS src/notify/templates/*.txt src/notify/templates/*.html)
    embed_list(mail_deps mails ${mails})
    embed_rule(mails OUTPUT embed_mails.c DEPENDS ${mail_deps})

    # The page is built in web/ itself, once for all build folders: scripts/build-web.sh looks whether it must.
    set(page_deps "")
    find_program(NODE node)
    find_program(NPM npm)
    if(WRATA_WEB AND NODE AND NPM AND EXISTS ${CMAKE_SOURCE_DIR}/web/build.mjs)
        file(GLOB page_sources LIST_DIRECTORIES false CONFIGURE_DEPENDS web/*)
        file(GLOB page_folders LIST_DIRECTORIES true CONFIGURE_DEPENDS web/*)
        list(FILTER page_folders EXCLUDE REGEX "/web/(node_modules|dist|test)$")
        foreach(folder IN LISTS page_folders)
            if(IS_DIRECTORY ${folder})
                file(GLOB_RECURSE files CONFIGURE_DEPENDS ${folder}/*)
                list(APPEND page_sources ${files})
            endif()
        endforeach()
        embed_list(page_source_deps page_sources ${page_sources})
        add_custom_command(OUTPUT ${GEN}/web.stamp
            COMMAND ${CMAKE_SOURCE_DIR}/scripts/build-web.sh
            COMMAND ${CMAKE_COMMAND} -E touch ${GEN}/web.stamp
            DEPENDS ${page_source_deps} ${CMAKE_SOURCE_DIR}/scripts/build-web.sh
            COMMENT "Building the web page" VERBATIM)
        set(page_deps ${GEN}/web.stamp)
    else()
        file(GLOB_RECURSE page_built CONFIGURE_DEPENDS web/dist/*)
        embed_list(page_deps page_built ${page_built})
    endif()
    embed_rule(web OUTPUT embed_web.c embed_web_data.S DEPENDS ${page_deps})
    return()
endif()

# ---- the generator -------------------------------------------------------------------------------------------

cmake_minimum_required(VERSION 3.25)

# The bytes of a file as "0x..,0x..,\n".
function(hex_of ret file)
    file(READ ${file} hex HEX)
    string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," hex "${hex}")
    set(${ret} "${hex}" PARENT_SCOPE)
endfunction()

function(make_migrations)
    file(GLOB files ${SRC}/src/store/migrations/*.sql)
    list(SORT files)
    set(arrays "")
    set(rows "")
    set(last 0)
    foreach(file IN LISTS files)
        get_filename_component(name ${file} NAME)
        if(NOT name MATCHES "^([0-9][0-9][0-9][0-9])_([a-z0-9_]+)\\.sql$")
            message(FATAL_ERROR "src/store/migrations/${name}: the name must be NNNN_words.sql")
        endif()
        set(digits ${CMAKE_MATCH_1})
        set(title ${CMAKE_MATCH_2})
        string(REGEX REPLACE "^0+" "" number ${digits})
        math(EXPR next "${last} + 1")
        if(NOT "${number}" STREQUAL "${next}")
            message(FATAL_ERROR "src/store/migrations/${name}: number ${next} comes next; no gaps, no doubles")
        endif()
        set(last ${number})
        hex_of(hex ${file})
        string(APPEND arrays "static const char sql_${digits}[] = {\n${hex}0};\n")
        string(APPEND rows "    {${number}, \"${title}\", sql_${digits}},\n")
    endforeach()
    file(WRITE ${GEN}/embed_migrations.c
        "/* Made by cmake/embed.cmake from src/store/migrations/. */\n#include \"store/migrations.h\"\n\n"
        "${arrays}\nconst struct migration migrations[] = {\n${rows}    {0, 0, 0},\n};\n"
        "const unsigned int migrations_count = ${last};\n")
endfunction()

function(make_adapters)
    file(GLOB files ${SRC}/adapters/*/wrata_*.rb ${SRC}/adapters/*/wrata_*.py)
    list(SORT files)
    set(names "")
    set(c "/* Made by cmake/embed.cmake from adapters/. */\n#include \"embed_adapters.h\"\n")
    set(h "/* Made by cmake/embed.cmake from adapters/: each adapter's source, one NUL after it. */\n")
    string(APPEND h "#ifndef EMBED_ADAPTERS_H\n#define EMBED_ADAPTERS_H\n\n")
    foreach(file IN LISTS files)
        get_filename_component(name ${file} NAME)
        string(REGEX REPLACE "^wrata_" "" name ${name})
        string(MAKE_C_IDENTIFIER ${name} name)
        file(SIZE ${file} size)
        hex_of(hex ${file})
        list(APPEND names ${name})
        string(APPEND c "\nconst unsigned char adapter_${name}[] = {\n${hex}0};\n"
            "const unsigned int adapter_${name}_len = ${size};\n")
    endforeach()
    foreach(name rspec_rb warm_rb pytest_py) # a tree without an adapter still builds
        if(NOT name IN_LIST names)
            list(APPEND names ${name})
            string(APPEND c "\nconst unsigned char adapter_${name}[] = {0};\n"
                "const unsigned int adapter_${name}_len = 0;\n")
        endif()
    endforeach()
    foreach(name IN LISTS names)
        string(APPEND h "extern const unsigned char adapter_${name}[];\n"
            "extern const unsigned int adapter_${name}_len;\n")
    endforeach()
    string(APPEND h "\n#endif\n")
    file(WRITE ${GEN}/embed_adapters.c "${c}")
    file(WRITE ${GEN}/embed_adapters.h "${h}")
endfunction()

# KIND.txt, and KIND.html where there is one.
function(make_mails)
    file(GLOB files ${SRC}/src/notify/templates/*.txt)
    list(SORT files)
    set(arrays "")
    set(rows "")
    set(n 0)
    foreach(file IN LISTS files)
        get_filename_component(kind ${file} NAME_WE)
        hex_of(text ${file})
        set(html "")
        if(EXISTS ${SRC}/src/notify/templates/${kind}.html)
            hex_of(html ${SRC}/src/notify/templates/${kind}.html)
        endif()
        string(APPEND arrays "static const char text_${kind}[] = {\n${text}0};\n"
            "static const char html_${kind}[] = {\n${html}0};\n")
        string(APPEND rows "    {\"${kind}\", text_${kind}, html_${kind}},\n")
        math(EXPR n "${n} + 1")
    endforeach()
    file(WRITE ${GEN}/embed_mails.c
        "/* Made by cmake/embed.cmake from src/notify/templates/. */\n#include \"notify/template.h\"\n\n"
        "${arrays}\nconst struct mail_template mail_templates[] = {\n${rows}    {0, 0, 0},\n};\n"
        "const unsigned int mail_templates_count = ${n};\n")
endfunction()

set(TYPE_html "text/html; charset=utf-8")
set(TYPE_js "text/javascript; charset=utf-8")
set(TYPE_mjs "text/javascript; charset=utf-8")
set(TYPE_css "text/css; charset=utf-8")
set(TYPE_json "application/json")
set(TYPE_map "application/json")
set(TYPE_webmanifest "application/manifest+json")
set(TYPE_svg "image/svg+xml")
set(TYPE_png "image/png")
set(TYPE_ico "image/x-icon")
set(TYPE_woff2 "font/woff2")
set(TYPE_txt "text/plain; charset=utf-8")

function(make_web)
    file(GLOB_RECURSE files RELATIVE ${SRC}/web/dist ${SRC}/web/dist/*)
    list(FILTER files EXCLUDE REGEX "^manifest.json$|\\.gz$") # beside each file lies what is sent of it
    list(SORT files)
    file(REMOVE_RECURSE ${GEN}/web)
    file(MAKE_DIRECTORY ${GEN}/web)
    set(asm "/* Made by cmake/embed.cmake from web/dist/. */\n    .section .rodata\n")
    set(externs "")
    set(rows "")
    set(n 0)
    foreach(file IN LISTS files)
        get_filename_component(ext ${file} LAST_EXT)
        string(REGEX REPLACE "^\\." "" ext "${ext}")
        set(type "application/octet-stream")
        if(DEFINED TYPE_${ext})
            set(type "${TYPE_${ext}}")
        endif()
        file(COPY_FILE ${SRC}/web/dist/${file}.gz ${GEN}/web/${n}.gz)
        file(SIZE ${GEN}/web/${n}.gz size)
        file(SHA256 ${SRC}/web/dist/${file} hash)
        string(SUBSTRING ${hash} 0 20 hash)
        string(APPEND asm "    .global web_data_${n}\n    .balign 16\nweb_data_${n}:\n"
            "    .incbin \"${GEN}/web/${n}.gz\"\n")
        string(APPEND externs "extern const unsigned char web_data_${n}[];\n")
        string(APPEND rows "    {\"/${file}\", \"${type}\", web_data_${n}, ${size}, \"\\\"${hash}\\\"\"},\n")
        math(EXPR n "${n} + 1")
    endforeach()
    string(APPEND asm "    .section .note.GNU-stack,\"\",%progbits\n")
    file(WRITE ${GEN}/embed_web_data.S "${asm}")
    file(WRITE ${GEN}/embed_web.c
        "/* Made by cmake/embed.cmake from web/dist/. */\n#include \"net/web_assets.h\"\n\n${externs}\n"
        "const struct web_asset web_assets[] = {\n${rows}    {0, 0, 0, 0, 0},\n};\n"
        "const unsigned int web_assets_count = ${n};\n")
endfunction()

# AGENTS is a list of name=path; a missing one becomes zero bytes.
function(make_agents)
    set(asm "/* Made by cmake/embed.cmake. */\n    .section .rodata\n")
    foreach(arch x86_64 aarch64)
        string(APPEND asm "    .global agent_${arch}_start\n    .global agent_${arch}_end\n    .balign 16\n"
            "agent_${arch}_start:\n")
        if(EXISTS ${GEN}/../agent/wrata-agent-${arch} AND ${arch} IN_LIST ARCHES)
            string(APPEND asm "    .incbin \"${GEN}/../agent/wrata-agent-${arch}\"\n")
        endif()
        string(APPEND asm "agent_${arch}_end:\n    .byte 0\n")
    endforeach()
    string(APPEND asm "    .section .note.GNU-stack,\"\",%progbits\n")
    file(WRITE ${GEN}/embed_agents.S "${asm}")
endfunction()

cmake_language(CALL make_${WHAT})
