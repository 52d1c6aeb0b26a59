# The command, its download helper, and the programs around the library: tests, benchmarks, examples, fuzzers.
file(GLOB cli_sources CONFIGURE_DEPENDS cli/*.c)
if(cli_sources)
    add_executable(cajal_command ${cli_sources})
    target_include_directories(cajal_command PRIVATE cli)
    target_link_libraries(cajal_command PRIVATE cajal_static cajal_optional)
    # From the installed command to its helper, so that a folder that is moved as a whole still works.
    file(RELATIVE_PATH helper_folder ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBEXECDIR}/cajal)
    target_compile_definitions(cajal_command PRIVATE CJ_HELPER_FOLDER="${helper_folder}")
    set_target_properties(cajal_command PROPERTIES OUTPUT_NAME cajal RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
endif()

# The manual pages and the shells' completion, written by programs that know the command's tables; where what was
# compiled cannot run, they are left out.
if(cli_sources AND (NOT CMAKE_CROSSCOMPILING OR CMAKE_CROSSCOMPILING_EMULATOR))
    foreach(writer manual completion)
        file(GLOB sources CONFIGURE_DEPENDS cli/${writer}/*.c)
        add_executable(cajal-${writer} ${sources} cli/tables.c)
        target_include_directories(cajal-${writer} PRIVATE cli)
        target_link_libraries(cajal-${writer} PRIVATE cajal_static)
    endforeach()
    file(GLOB manual_texts CONFIGURE_DEPENDS docs/man/*.md)
    add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/manual/man1/cajal.1
        COMMAND ${CMAKE_COMMAND} -E rm -rf ${PROJECT_BINARY_DIR}/manual
        COMMAND cajal-manual ${PROJECT_SOURCE_DIR}/docs ../recipes/mnist-mlp.yaml ${PROJECT_BINARY_DIR}/manual
        DEPENDS cajal-manual ${manual_texts} docs/recipes.md recipes/mnist-mlp.yaml
        COMMENT "Writing manual pages" VERBATIM)
    add_custom_target(cajal_manual_pages ALL DEPENDS ${PROJECT_BINARY_DIR}/manual/man1/cajal.1)
    add_custom_command(OUTPUT ${PROJECT_BINARY_DIR}/completion/cajal.bash
        COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/completion
        COMMAND cajal-completion ${PROJECT_SOURCE_DIR}/cli/completion ${PROJECT_BINARY_DIR}/completion
        DEPENDS cajal-completion cli/completion/cajal.bash cli/completion/cajal.zsh
        COMMENT "Writing completion for shells" VERBATIM)
    add_custom_target(cajal_completion ALL DEPENDS ${PROJECT_BINARY_DIR}/completion/cajal.bash)
endif()

file(GLOB fetch_sources CONFIGURE_DEPENDS cli/fetch/*.c)
if(fetch_sources AND CURL_FOUND)
    add_executable(cajal-fetch ${fetch_sources} cli/clock.c)
    target_include_directories(cajal-fetch PRIVATE cli)
    target_link_libraries(cajal-fetch PRIVATE cajal_static PkgConfig::CURL)
    target_compile_definitions(cajal-fetch PRIVATE CJ_HAVE_CURL=1)
    if(ARCHIVE_FOUND)
        target_link_libraries(cajal-fetch PRIVATE PkgConfig::ARCHIVE)
        target_compile_definitions(cajal-fetch PRIVATE CJ_HAVE_ARCHIVE=1)
        target_compile_definitions(cajal_command PRIVATE CAJAL_ARCHIVE_VERSION="${ARCHIVE_VERSION}")
    endif()
    set_target_properties(cajal-fetch PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR})
    target_compile_definitions(cajal_command PRIVATE CAJAL_CURL_VERSION="${CURL_VERSION}")
endif()

# One program per file of `folder`, all linked with folder/support/*.c; the names come back in `programs`.
function(cajal_programs folder prefix)
    file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.c)
    file(GLOB support CONFIGURE_DEPENDS ${folder}/support/*.c)
    set(programs)
    foreach(source ${sources})
        cmake_path(GET source STEM name)
        add_executable(${prefix}${name} ${source} ${support})
        target_link_libraries(${prefix}${name} PRIVATE cajal_static)
        set_target_properties(${prefix}${name} PROPERTIES OUTPUT_NAME ${name}
            RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${folder})
        list(APPEND programs ${name})
    endforeach()
    set(programs ${programs} PARENT_SCOPE)
endfunction()

if(CAJAL_EXAMPLES)
    cajal_programs(examples example_)
endif()

if(CAJAL_BENCH)
    cajal_programs(bench bench_)
    foreach(name ${programs})
        target_sources(bench_${name} PRIVATE cli/workload.c cli/clock.c) # what `cajal bench` times as well
        target_include_directories(bench_${name} PRIVATE src bench cli)
        target_link_libraries(bench_${name} PRIVATE cajal_optional)
    endforeach()
endif()

if(CAJAL_TESTS)
    enable_testing()
    include(cmake/tests.cmake)
endif()
