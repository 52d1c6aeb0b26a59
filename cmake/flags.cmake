# Compiler flags that hold for every target. Bits must repeat, so contraction is off everywhere and fused
# multiply-add exists only where an intrinsic writes it; nothing is ever built with -march=native.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_compile_definitions(_GNU_SOURCE $<$<CONFIG:Debug>:CJ_DEBUG=1>)
add_compile_options(-Wall -Wextra -Wpedantic $<$<BOOL:${CAJAL_WERROR}>:-Werror>
    -ffp-contract=off -fno-math-errno -fvisibility=hidden -ffunction-sections -fdata-sections)
add_link_options(-Wl,--gc-sections)

# Kernels written with intrinsics are unbearably slow at -O0, so debugging happens at -O1.
set(CMAKE_C_FLAGS_RELEASE "-O2 -DNDEBUG")
set(CMAKE_C_FLAGS_DEBUG "-O1 -g")

# The presets asan, tsan and fuzz name their sanitizers here.
set(CAJAL_SANITIZE "" CACHE STRING "Sanitizers to build with, as -fsanitize= takes them")
if(CAJAL_SANITIZE)
    add_compile_options(-fsanitize=${CAJAL_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_compile_options($<$<C_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>) # its manual: false alarms under sanitizers
    add_link_options(-fsanitize=${CAJAL_SANITIZE})
    add_compile_definitions(CJ__SANITIZED=1)
endif()
