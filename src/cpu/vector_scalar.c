/* Vector functions for any processor. */
#define VECTOR_TABLE cj__vector_scalar
#include "cpu/vector.inc"
