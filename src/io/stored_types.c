/* The element types of files, the widening of those that have no counterpart in memory, and putting elements
 * that lie otherwise in order. */
#include "io/safetensors.h"

#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "elements are copied as they stand in files");

/* IEEE 754 half to single: the exponent is rebased, and subnormal halves become normal. */
static uint32_t float_bits_of_half(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 31) return sign | 0x7f800000 | fraction << 13;
    if (exponent > 0) return sign | (exponent + 112) << 23 | fraction << 13;
    if (fraction == 0) return sign;
    exponent = 113;
    while (!(fraction & 1024)) fraction <<= 1, exponent--;
    return sign | exponent << 23 | (fraction & 1023) << 13;
}

/* Forwards, each element loaded before anything is written: so `from` may be the tail of `to`. */
#define WIDEN(function, stored, wide, expression)                                                            \
    static void function(void *to, const void *from, int64_t count)                                          \
    {                                                                                                        \
        for (int64_t i = 0; i < count; i++) {                                                                \
            stored x;                                                                                        \
            memcpy(&x, (const char *)from + i * (int64_t)sizeof x, sizeof x);                                \
            wide y = expression;                                                                             \
            memcpy((char *)to + i * (int64_t)sizeof y, &y, sizeof y);                                        \
        }                                                                                                    \
    }
WIDEN(widen_f16, uint16_t, uint32_t, float_bits_of_half(x))
WIDEN(widen_i8, int8_t, int32_t, x)
WIDEN(widen_i16, int16_t, int32_t, x)
WIDEN(widen_u16, uint16_t, int32_t, x)
WIDEN(widen_u32, uint32_t, int64_t, x)
#undef WIDEN

/* The types of memory first, in the order of cj_dtype. */
static const cj__stored_type types[] = {
    [CJ_F32] = {"F32", 4, true, CJ_F32, NULL},
    [CJ_BF16] = {"BF16", 2, true, CJ_BF16, NULL},
    [CJ_F64] = {"F64", 8, true, CJ_F64, NULL},
    [CJ_I32] = {"I32", 4, true, CJ_I32, NULL},
    [CJ_I64] = {"I64", 8, true, CJ_I64, NULL},
    [CJ_U8] = {"U8", 1, true, CJ_U8, NULL},
    [CJ_BOOL] = {"BOOL", 1, true, CJ_BOOL, NULL},
    {"F16", 2, true, CJ_F32, widen_f16},
    {"I8", 1, true, CJ_I32, widen_i8},
    {"I16", 2, true, CJ_I32, widen_i16},
    {"U16", 2, true, CJ_I32, widen_u16},
    {"U32", 4, true, CJ_I64, widen_u32},
    {"U64", 8, false, CJ_I64, NULL},
    {"C64", 8, false, CJ_F32, NULL},
    {"F8_E4M3", 1, false, CJ_F32, NULL},
    {"F8_E5M2", 1, false, CJ_F32, NULL},
    {"F8_E8M0", 1, false, CJ_F32, NULL},
    {"F8_E4M3FNUZ", 1, false, CJ_F32, NULL},
    {"F8_E5M2FNUZ", 1, false, CJ_F32, NULL},
};

const cj__stored_type *cj__stored_type_named(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0) return &types[i];
    return NULL;
}

const cj__stored_type *cj__stored_type_of(cj_dtype dtype)
{
    return (unsigned)dtype < CJ_DTYPE_COUNT ? &types[dtype] : NULL;
}

/* --- order --------------------------------------------------------------------------------------------- */

void cj__swap_elements(void *data, int64_t count, size_t size)
{
    unsigned char *at = data;
    for (int64_t i = 0; i < count; i++, at += size)
        for (size_t a = 0, b = size - 1; a < b; a++, b--) {
            unsigned char byte = at[a];
            at[a] = at[b];
            at[b] = byte;
        }
}

void cj__gather_elements(char *to, const char *from, cj_shape_t shape, const int64_t *strides, size_t size)
{
    int64_t index[CJ_MAX_RANK] = {0}, place = 0, count = cj_shape_count(shape);
    for (int64_t i = 0; i < count; i++) {
        memcpy(to + i * (int64_t)size, from + place * (int64_t)size, size);
        for (int64_t d = shape.rank - 1; d >= 0; d--) {
            place += strides[d];
            if (++index[d] < shape.dims[d]) break;
            place -= strides[d] * index[d];
            index[d] = 0;
        }
    }
}
