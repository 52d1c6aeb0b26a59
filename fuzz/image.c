/* Any bytes as a picture, PNG, PGM or PPM; one that is read is made small and grey. */
#include "support/input.h"

#include "cajal/io.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cj_image image, small;
    if (cj_image_read_memory(&image, data, size, "fuzz") != CJ_OK) return 0;
    if (image.height < 1 || image.width < 1 || (image.channels != 1 && image.channels != 3)) abort();
    if (image.height * image.width <= 1 << 16 && cj_image_convert(&small, &image, 8, 9, 1) == CJ_OK)
        cj_image_free(&small);
    cj_image_free(&image);
    return 0;
}
