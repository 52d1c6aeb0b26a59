# Kernels that exist once per instruction set. cajal_kernel(NAME isa...) compiles src/cpu/kernels/NAME.c once for each
# instruction set listed that this processor family has and the compiler knows, with -DCJ__ISA=<isa> and the flags of
# that instruction set alone; inside, CJ__NAME(symbol) gives each copy its own name (src/cpu/simd.h).
# CJ__HAVE_<ISA> tells the dispatching code which copies exist (CJ__IF_AVX2(x) and so on, src/cpu/isa.h).
include(CheckCCompilerFlag)

set(cajal_isa_flags_scalar "")
set(cajal_isa_flags_neon "")
set(cajal_isa_flags_avx2 -mavx2 -mfma)
set(cajal_isa_flags_avx512 ${cajal_isa_flags_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl)
set(cajal_isa_flags_avx512bf16 ${cajal_isa_flags_avx512} -mavx512bf16)
set(cajal_isa_flags_amx ${cajal_isa_flags_avx512bf16} -mamx-tile -mamx-bf16)

# The scalar kernels are always there; CAJAL_SCALAR=ON leaves out the others, which compile for minutes where each
# load is checked and no test needs them (the fuzz preset).
option(CAJAL_SCALAR "Build no kernels of particular instruction sets" OFF)
set(cajal_isas scalar)
if(CAJAL_SCALAR)
    # nothing more
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    foreach(isa avx2 avx512 avx512bf16 amx)
        string(JOIN " " CMAKE_REQUIRED_FLAGS ${cajal_isa_flags_${isa}})
        check_c_compiler_flag("" cajal_compiler_has_${isa})
        unset(CMAKE_REQUIRED_FLAGS)
        if(cajal_compiler_has_${isa})
            list(APPEND cajal_isas ${isa})
        endif()
    endforeach()
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
    list(APPEND cajal_isas neon)
endif()

foreach(isa ${cajal_isas})
    string(TOUPPER ${isa} upper)
    add_compile_definitions(CJ__HAVE_${upper}=1)
endforeach()

# What a kernel unrolls must become registers: -O3, and at least -O2 where one debugs. Plain C has few vectors
# to fill, and is kept small.
function(cajal_kernel name)
    foreach(isa ${ARGN})
        if(isa IN_LIST cajal_isas)
            if(isa STREQUAL scalar)
                set(level "-O2;-ftree-vectorize")
            else()
                set(level "$<IF:$<CONFIG:Debug>,-O2,-O3>")
            endif()
            set(copy ${PROJECT_BINARY_DIR}/kernels/${name}_${isa}.c)
            file(CONFIGURE OUTPUT ${copy} CONTENT "#include \"cpu/kernels/${name}.c\"\n")
            set_source_files_properties(${copy} PROPERTIES COMPILE_DEFINITIONS CJ__ISA=${isa}
                COMPILE_OPTIONS "${cajal_isa_flags_${isa}};-fno-trapping-math;${level}")
            list(APPEND cajal_sources ${copy})
        endif()
    endforeach()
    set(cajal_sources ${cajal_sources} PARENT_SCOPE)
endfunction()

list(FILTER cajal_sources EXCLUDE REGEX "/src/cpu/kernels/")

# One line per kernel file.
cajal_kernel(vector scalar neon avx2 avx512)
cajal_kernel(rows scalar neon avx2 avx512)
cajal_kernel(pool scalar neon avx2 avx512)
cajal_kernel(picture scalar neon avx2 avx512)
cajal_kernel(moments scalar neon avx2 avx512)
cajal_kernel(recurrence scalar neon avx2 avx512)
cajal_kernel(random scalar neon avx2 avx512)
cajal_kernel(matmul scalar neon avx2 avx512)
cajal_kernel(attention scalar neon avx2 avx512)
cajal_kernel(depthwise scalar neon avx2 avx512)
cajal_kernel(winograd scalar neon avx2 avx512)
cajal_kernel(matmul_split avx512bf16 amx)
