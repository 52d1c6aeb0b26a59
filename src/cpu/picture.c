/* Which functions for pictures: those of the instruction set that programs are compiled for. */
#include "cpu/picture.h"
#include "cpu/isa.h"

static const cj__picture_table *const tables[CJ__ISA_COUNT] = {
    [CJ__ISA_SCALAR] = &cj__picture_scalar,
    CJ__IF_NEON([CJ__ISA_NEON] = &cj__picture_neon, ) CJ__IF_AVX2([CJ__ISA_AVX2] = &cj__picture_avx2, )
        CJ__IF_AVX512([CJ__ISA_AVX512] = &cj__picture_avx512, )};

const cj__picture_table *cj__picture_functions(void)
{
    cj__isa isa;
    return cj__isa_choose(&isa) == CJ_OK ? tables[cj__isa_vectors(isa)] : &cj__picture_scalar;
}
