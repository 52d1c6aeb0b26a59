/* The base header from C++17: statuses, shapes and the allocator hook, without the C-only macros.
 * standard: c++17 */
#include <cajal/cajal.h>

#include <cstdlib>
#include <cstring>

int main()
{
    cj_shape_t shape = {};
    shape.rank = 2;
    shape.dims[0] = 128;
    shape.dims[1] = 784;
    bool counted = cj_shape_count(shape) == 128 * 784 && cj_shape_equal(shape, shape);
    bool named = std::strcmp(cj_status_name(CJ_OK), "ok") == 0 && cj_dtype_size(CJ_F32) == 4;
    return counted && named && std::strcmp(cj_version(), CJ_VERSION) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
