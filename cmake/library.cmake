# libcajal, compiled once and packed twice. cmake/kernels.cmake, where present, may take files out of
# `cajal_sources` and add objects built with flags of their own to `cajal_kernel_objects`.
file(GLOB_RECURSE cajal_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.c)
set(cajal_kernel_objects)
include(CheckLinkerFlag)
include(cmake/kernels.cmake OPTIONAL)
# Loops over pixels that the compiler makes vectors of.
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/image/resize.c PROPERTIES COMPILE_OPTIONS
    $<IF:$<CONFIG:Debug>,-O1,-O3>)
# Rooms that no inner loop runs in are compiled to be small, and of the ops what only draws, and of the data what
# knows of sets rather than of rows.
set(cold_rooms compile explain graph io model models nn recipe run train)
list(TRANSFORM cold_rooms REPLACE "(.+)" "${PROJECT_SOURCE_DIR}/src/\\1/*.c" OUTPUT_VARIABLE cold_files)
file(GLOB cold CONFIGURE_DEPENDS ${cold_files} ${PROJECT_SOURCE_DIR}/src/ops/infer*.c
    ${PROJECT_SOURCE_DIR}/src/ops/scan.c ${PROJECT_SOURCE_DIR}/src/data/dataset.c
    ${PROJECT_SOURCE_DIR}/src/data/preprocessing*.c ${PROJECT_SOURCE_DIR}/src/data/sets.c
    ${PROJECT_SOURCE_DIR}/src/data/source.c ${PROJECT_SOURCE_DIR}/src/data/table.c)
list(REMOVE_ITEM cold ${PROJECT_SOURCE_DIR}/src/model/initialise.c ${PROJECT_SOURCE_DIR}/src/train/whiten.c)
set_source_files_properties(${cold} PROPERTIES COMPILE_OPTIONS $<$<CONFIG:Release>:-Os>)

add_library(cajal_objects OBJECT ${cajal_sources})
target_include_directories(cajal_objects PUBLIC include src)
target_compile_definitions(cajal_objects PRIVATE CJ_BUILDING_LIBRARY)
target_link_libraries(cajal_objects PRIVATE cajal_optional)
set_target_properties(cajal_objects PROPERTIES POSITION_INDEPENDENT_CODE ON)

function(cajal_pack target)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:cajal_objects> ${cajal_kernel_objects})
    target_include_directories(${target} PUBLIC
        $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    set_target_properties(${target} PROPERTIES OUTPUT_NAME cajal)
endfunction()

add_library(cajal_static STATIC)
cajal_pack(cajal_static)
target_link_libraries(cajal_static INTERFACE
    "$<BUILD_INTERFACE:cajal_optional;Threads::Threads;m>" "$<INSTALL_INTERFACE:${cajal_system_libraries}>")
set_target_properties(cajal_static PROPERTIES EXPORT_NAME static)
add_library(cajal::static ALIAS cajal_static)

if(CAJAL_SHARED)
    set(cajal_symbols ${PROJECT_SOURCE_DIR}/cmake/libcajal.map)
    add_library(cajal_shared SHARED)
    cajal_pack(cajal_shared)
    target_link_libraries(cajal_shared PRIVATE cajal_optional Threads::Threads m)
    target_link_options(cajal_shared PRIVATE -Wl,--version-script=${cajal_symbols} -Wl,--no-undefined
        -Wl,--as-needed -Wl,-Bsymbolic-functions) # the library's calls of itself are direct
    # Addresses that the loader shifts, in a bit map where the linker can write one (glibc 2.36 reads it).
    check_linker_flag(C -Wl,-z,pack-relative-relocs cajal_linker_packs)
    if(cajal_linker_packs)
        target_link_options(cajal_shared PRIVATE -Wl,-z,pack-relative-relocs)
    endif()
    set_target_properties(cajal_shared PROPERTIES EXPORT_NAME cajal LINK_DEPENDS ${cajal_symbols}
        VERSION ${PROJECT_VERSION} SOVERSION ${PROJECT_VERSION_MAJOR})
    add_library(cajal::cajal ALIAS cajal_shared)
endif()
