# Tests: one cmocka program per tests/test_*.c, named after its file, and a replay of each fuzzer's corpus.
# A line ` * labels: slow threads` in the first comment of a test sorts it: `slow` stays out of
# `scripts/test --quick`, `long` runs under `--all` only, `threads` runs under the tsan preset.
function(cajal_read_labels source)
    file(STRINGS ${source} line LIMIT_INPUT 2000 LIMIT_COUNT 1 REGEX "^ \\* labels:")
    string(REGEX REPLACE "^ \\* labels: *" "" labels "${line}")
    string(REGEX REPLACE " *\\*/ *$" "" labels "${labels}")
    string(REPLACE " " ";" labels "${labels}")
    set(labels ${labels} PARENT_SCOPE)
endfunction()

file(GLOB test_programs CONFIGURE_DEPENDS tests/test_*.c)
file(GLOB test_support CONFIGURE_DEPENDS tests/*.c)
list(REMOVE_ITEM test_support ${test_programs} "")
if(CMOCKA_FOUND AND test_programs)
    add_library(cajal_test_support STATIC EXCLUDE_FROM_ALL ${test_support})
    target_include_directories(cajal_test_support PUBLIC include src tests)
    target_link_libraries(cajal_test_support PUBLIC cajal_static cajal_optional PkgConfig::CMOCKA)
    target_compile_definitions(cajal_test_support PUBLIC CJ_TEST_COMMAND="${PROJECT_BINARY_DIR}/cajal"
        CJ_TEST_SOURCE="${PROJECT_SOURCE_DIR}" CJ_TEST_BUILD="${PROJECT_BINARY_DIR}")
    if(avx512bf16 IN_LIST cajal_isas) # AMX emulated
        set_source_files_properties(tests/amx_emulated.c PROPERTIES COMPILE_OPTIONS "${cajal_isa_flags_avx512bf16};-O3")
    endif()
    # Arithmetic number by number: what is not unrolled takes most of a test's time.
    set_source_files_properties(tests/split_portable.c PROPERTIES COMPILE_OPTIONS -O3)
    foreach(source ${test_programs})
        cmake_path(GET source STEM program)
        string(REGEX REPLACE "^test_" "" name ${program})
        add_executable(${program} ${source})
        target_link_libraries(${program} PRIVATE cajal_test_support)
        set_target_properties(${program} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
        add_test(NAME ${name} COMMAND ${program} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
        cajal_read_labels(${source})
        set_tests_properties(${name} PROPERTIES LABELS "${labels}" TIMEOUT 900)
        if("slow" IN_LIST labels)
            set_tests_properties(${name} PROPERTIES COST 100) # begun first, so that none is waited for alone
        endif()
    endforeach()
endif()

# With CAJAL_FUZZERS the programs are libFuzzer's; otherwise a small main gives them each file of the corpus.
file(GLOB fuzz_programs CONFIGURE_DEPENDS fuzz/*.c)
foreach(source ${fuzz_programs})
    cmake_path(GET source STEM name)
    add_executable(fuzz_${name} ${source} fuzz/support/input.c)
    target_include_directories(fuzz_${name} PRIVATE src fuzz)
    target_link_libraries(fuzz_${name} PRIVATE cajal_static cajal_optional)
    set_target_properties(fuzz_${name} PROPERTIES OUTPUT_NAME ${name}
        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
    if(CAJAL_FUZZERS)
        target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    else()
        target_sources(fuzz_${name} PRIVATE fuzz/support/replay.c)
        add_test(NAME replay_${name} COMMAND fuzz_${name} ${PROJECT_SOURCE_DIR}/fuzz/corpus/${name})
        set_tests_properties(replay_${name} PROPERTIES LABELS fuzz TIMEOUT 900)
    endif()
endforeach()
