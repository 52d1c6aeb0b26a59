/* How a reduction sees its operand: shared by fusion, which joins reductions to chains, and by the kernels.
 */
#include "compile/chain.h"

bool cj__folding_of(cj_shape_t x, uint32_t axes, cj__folding *folding)
{
    int64_t first = 0, kept = 0;
    while (first < x.rank && (axes >> first & 1)) first++;
    while (kept < x.rank && !(axes >> kept & 1)) kept++;
    int64_t middle = first ? first : kept;
    uint32_t low = (1u << middle) - 1, all = (1u << x.rank) - 1;
    *folding = (cj__folding){1, 1, 1, first == 0};
    for (int64_t i = 0; i < x.rank; i++) *(i < middle ? &folding->rows : &folding->columns) *= x.dims[i];
    if (first == x.rank) { /* everything: one row */
        *folding = (cj__folding){1, folding->rows, 1, true};
        return true;
    }
    return axes == (first ? low : all & ~low);
}
