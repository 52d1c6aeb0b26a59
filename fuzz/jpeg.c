/* Any bytes as a JPEG: read whole, and fitted, for which it may be decoded at a part of its size. */
#include "support/input.h"

#include "cajal/image.h"

static void check(cj_image *image)
{
    int64_t sum = 0;
    if (image->height < 1 || image->width < 1 || (image->channels != 1 && image->channels != 3)) abort();
    for (int64_t i = 0; i < image->height * image->width * image->channels; i++) sum += image->pixels[i];
    if (sum < 0) abort();
    cj_image_free(image);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cj_image image;
    cj_image_fit_options small = {sizeof small, 9, 8, 1, 0.8}, wide = {sizeof wide, 3, 40, 3, 0};
    if (size < 3 || data[0] != 0xff || data[1] != 0xd8) return 0;
    if (cj_image_read_memory(&image, data, size, "fuzz") == CJ_OK) check(&image);
    if (cj_image_read_fit_memory(&image, data, size, "fuzz", &small) == CJ_OK) check(&image);
    if (cj_image_read_fit_memory(&image, data, size, "fuzz", &wide) == CJ_OK) check(&image);
    return 0;
}
