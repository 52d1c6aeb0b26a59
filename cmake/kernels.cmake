# Kernels exist once for each instruction set: src/cpu/vector_ISA.c is compiled under that set's flags.
set_source_files_properties(src/cpu/vector_scalar.c PROPERTIES COMPILE_OPTIONS "-O3;-fno-trapping-math")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    set_source_files_properties(src/cpu/vector_avx2.c PROPERTIES
        COMPILE_OPTIONS "-O3;-fno-trapping-math;-mavx2;-mfma")
    set_source_files_properties(src/cpu/vector_avx512.c PROPERTIES
        COMPILE_OPTIONS "-O3;-fno-trapping-math;-mavx2;-mfma;-mavx512f;-mavx512bw;-mavx512dq;-mavx512vl;-mprefer-vector-width=512")
endif()
