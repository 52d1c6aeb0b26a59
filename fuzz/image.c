/* Any bytes as a picture, PNG, PGM or PPM; one that is read is made small and grey. */
#include "support/input.h"

#include "cajal/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cj_image image, small;
    const cj_image_fit_options grey = {.size = sizeof grey, .height = 8, .width = 9, .channels = 1};
    if (cj_image_read_memory(&image, data, size, "fuzz") != CJ_OK) return 0;
    if (image.height < 1 || image.width < 1 || (image.channels != 1 && image.channels != 3)) abort();
    if (image.height * image.width <= 1 << 16 && cj_image_fit(&small, &image, &grey) == CJ_OK)
        cj_image_free(&small);
    cj_image_free(&image);
    return 0;
}
