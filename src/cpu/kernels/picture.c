/* Pictures of bytes, resized and stretched. Colours go by four lanes of which three are kept; the last pixel
 * of a row is read and written by itself, since there is nothing behind it. */
#include "cpu/picture.h"
#include "cpu/simd.h"

enum { COLOURS = 3, LANES = 4 };

/* Four lanes at once; compilers do not find them by themselves. */
typedef float four __attribute__((vector_size(16)));
typedef int32_t four_integers __attribute__((vector_size(16)));
typedef uint32_t four_unsigned __attribute__((vector_size(16)));

static inline four_integers widened(const uint8_t *bytes)
{
#if CJ__ISA_NUMBER >= CJ__NUMBER_avx2
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return (four_integers)_mm_cvtepu8_epi32(_mm_cvtsi32_si128((int)word));
#else
    return (four_integers){bytes[0], bytes[1], bytes[2], bytes[3]};
#endif
}

/* Of numbers from 0 to 255. */
static inline uint32_t narrowed(four_integers x)
{
#if CJ__ISA_NUMBER >= CJ__NUMBER_avx2
    __m128i words = _mm_packs_epi32((__m128i)x, (__m128i)x);
    return (uint32_t)_mm_cvtsi128_si32(_mm_packus_epi16(words, words));
#else
    const uint8_t bytes[LANES] = {(uint8_t)x[0], (uint8_t)x[1], (uint8_t)x[2], (uint8_t)x[3]};
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
#endif
}

/* --- weighted means ------------------------------------------------------------------------------------ */

static inline void mix_one(int64_t taps, const float *weights, const uint8_t *pixel, int64_t channels,
                           float *sums)
{
    for (int64_t k = 0; k < taps; k++, pixel += channels)
        for (int64_t c = 0; c < channels; c++) sums[c] += weights[k] * (float)pixel[c];
}

/* `rest`: pixels from the first on, of which the last is not followed by a byte that may be read. */
static inline uint32_t mix_colours(int64_t taps, const float *weights, const uint8_t *pixel, int64_t rest)
{
    int64_t within = taps < rest ? taps : rest - 1;
    four sums = {0.5F, 0.5F, 0.5F, 0.5F};
    for (int64_t k = 0; k < within; k++, pixel += COLOURS)
        sums += weights[k] * __builtin_convertvector(widened(pixel), four);
    if (within < taps) {
        four last = {(float)pixel[0], (float)pixel[1], (float)pixel[2], 0};
        sums += weights[within] * last;
    }
    return narrowed(__builtin_convertvector(sums, four_integers));
}

static void mix_pixels(int64_t count, int64_t most, const int64_t *first, const int64_t *taps,
                       const float *weights, const uint8_t *in, int64_t width, int64_t channels, uint8_t *out)
{
    for (int64_t i = 0; channels == COLOURS && i < count; i++, out += COLOURS) {
        uint32_t bytes = mix_colours(taps[i], weights + i * most, in + first[i] * COLOURS, width - first[i]);
        memcpy(out, &bytes, i + 1 < count ? LANES : COLOURS);
    }
    for (int64_t i = 0; channels != COLOURS && i < count; i++) {
        float sum = 0.5F;
        mix_one(taps[i], weights + i * most, in + first[i], 1, &sum);
        out[i] = (uint8_t)(int32_t)sum;
    }
}

static void add_bytes(int64_t n, float weight, const uint8_t *restrict in, float *restrict sums)
{
    for (int64_t i = 0; i < n; i++) sums[i] += weight * (float)in[i];
}

static void to_bytes(int64_t n, const float *restrict sums, uint8_t *restrict out)
{
    for (int64_t i = 0; i < n; i++) out[i] = (uint8_t)(int32_t)sums[i];
}

/* --- in fixed point ------------------------------------------------------------------------------------ */

static void blend_rows(int64_t n, uint32_t weight, const uint8_t *restrict a, const uint8_t *restrict b,
                       uint32_t *restrict out)
{
    for (int64_t i = 0; i < n; i++) out[i] = a[i] * (CJ__STRETCH_ONE - weight) + b[i] * weight;
}

enum { BLEND_BITS = 2 * CJ__STRETCH_BITS };

static inline uint32_t blend(uint32_t a, uint32_t b, uint32_t weight)
{
    return (a * (CJ__STRETCH_ONE - weight) + b * weight + (1u << (BLEND_BITS - 1))) >> BLEND_BITS;
}

static inline four_unsigned load(const uint32_t *from)
{
    four_unsigned x;
    memcpy(&x, from, sizeof x);
    return x;
}

static inline uint32_t blend_colours(const uint32_t *from, uint32_t weight)
{
    four_unsigned a = load(from), b = load(from + COLOURS);
    four_unsigned sum = a * (CJ__STRETCH_ONE - weight) + b * weight + (1u << (BLEND_BITS - 1));
    return narrowed((four_integers)(sum >> BLEND_BITS));
}

static void blend_pixels(int64_t count, const int32_t *at, const uint32_t *weights, const uint32_t *from,
                         int64_t channels, uint8_t *out)
{
    for (int64_t i = 0; channels == COLOURS && i < count; i++, out += COLOURS) {
        uint32_t bytes = blend_colours(from + at[i] * COLOURS, weights[i]);
        memcpy(out, &bytes, i + 1 < count ? LANES : COLOURS);
    }
    for (int64_t i = 0; channels != COLOURS && i < count; i++)
        for (int64_t c = 0; c < channels; c++)
            out[i * channels + c] =
                (uint8_t)blend(from[at[i] * channels + c], from[(at[i] + 1) * channels + c], weights[i]);
}

const cj__picture_table CJ__NAME(cj__picture) = {mix_pixels, add_bytes, to_bytes, blend_rows, blend_pixels};
