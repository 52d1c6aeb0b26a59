/* The tile instructions of AMX over memory, as Intel's manual defines them (Intel 64 and IA-32 Architectures
 * Software Developer's Manual, volume 2, LDTILECFG and TDPBF16PS). The kernels call them by the names of the
 * compiler's intrinsics; what a real processor would fault on ends the program. Included by
 * amx_emulated.c through matmul_split_tiles.h. */
#include <math.h>
#include <stdlib.h>

enum { TILES = 8, TILE_ROWS = 16, TILE_BYTES = 64 };

static _Thread_local struct {
    bool configured;
    struct {
        int rows, bytes;
        union {
            float f32[TILE_ROWS][TILE_BYTES / 4];
            uint16_t bf16[TILE_ROWS][TILE_BYTES / 2];
        } data;
    } tiles[TILES];
} amx;

unsigned long cj_test_tile_products;

static void demand(bool truth)
{
    if (!truth) abort();
}

static void cj__load_tile_config(const void *config)
{
    const uint8_t *bytes = config;
    demand(bytes[0] == 1 && bytes[1] == 0);
    for (int i = 2; i < 16; i++) demand(bytes[i] == 0);
    for (int i = TILES; i < 16; i++)
        demand(bytes[16 + 2 * i] == 0 && bytes[17 + 2 * i] == 0 && bytes[48 + i] == 0);
    memset(&amx, 0, sizeof amx);
    for (int i = 0; i < TILES; i++) {
        amx.tiles[i].bytes = bytes[16 + 2 * i] | bytes[17 + 2 * i] << 8;
        amx.tiles[i].rows = bytes[48 + i];
        demand(amx.tiles[i].bytes <= TILE_BYTES && amx.tiles[i].rows <= TILE_ROWS);
    }
    amx.configured = true;
}

static void tile_release(void)
{
    memset(&amx, 0, sizeof amx);
}

static void tile_zero(int tile)
{
    demand(amx.configured);
    memset(&amx.tiles[tile].data, 0, sizeof amx.tiles[tile].data);
}

static void tile_load(int tile, const void *from, size_t stride)
{
    tile_zero(tile);
    for (int r = 0; r < amx.tiles[tile].rows; r++)
        memcpy(amx.tiles[tile].data.f32[r], (const char *)from + (size_t)r * stride,
               (size_t)amx.tiles[tile].bytes);
}

static void tile_store(int tile, void *to, size_t stride)
{
    demand(amx.configured);
    for (int r = 0; r < amx.tiles[tile].rows; r++)
        memcpy((char *)to + (size_t)r * stride, amx.tiles[tile].data.f32[r], (size_t)amx.tiles[tile].bytes);
}

static float widened(uint16_t bf16)
{
    uint32_t bits = (uint32_t)bf16 << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Even and odd elements of a row of A sum up apart, each addition fused with its product, then both join C.
 * Denormals are zeros, as in the state that kernels run in. */
static void tile_multiply(int c, int a, int b)
{
    demand(amx.configured && amx.tiles[a].bytes == 4 * amx.tiles[b].rows);
    demand(amx.tiles[c].rows == amx.tiles[a].rows && amx.tiles[c].bytes == amx.tiles[b].bytes);
    demand(c != a && c != b && a != b);
    cj_test_tile_products++;
    for (int m = 0; m < amx.tiles[c].rows; m++) {
        float even[16] = {0}, odd[16] = {0};
        for (int k = 0; k < amx.tiles[a].bytes / 4; k++) {
            const uint16_t *x = &amx.tiles[a].data.bf16[m][2 * k], *y = amx.tiles[b].data.bf16[k];
            float first = widened(x[0]), second = widened(x[1]);
            for (int n = 0; n < 16; n++) {
                even[n] = fmaf(first, widened(y[2 * n]), even[n]);
                odd[n] = fmaf(second, widened(y[2 * n + 1]), odd[n]);
            }
        }
        for (int n = 0; n < amx.tiles[c].bytes / 4; n++) amx.tiles[c].data.f32[m][n] += even[n] + odd[n];
    }
}

#define _tile_zero(tile)                tile_zero(tile)
#define _tile_loadd(tile, from, stride) tile_load(tile, from, (size_t)(stride))
#define _tile_stored(tile, to, stride)  tile_store(tile, to, (size_t)(stride))
#define _tile_dpbf16ps(c, a, b)         tile_multiply(c, a, b)
#define _tile_release()                 tile_release()
