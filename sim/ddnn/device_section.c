/* Inference of a binary device section. With -ffp-contract=off its results are FogFleet's to the bit. */
#define DEVICE_SECTION_PARAMETERS
#include "device_section.h"
#include <string.h>

#if BLOCKS > 1
static uint8_t maps[WORKING_BYTES / MAP_BYTES][MAP_BYTES];
#define OUTPUT(block) ((block) == BLOCKS - 1 ? features : maps[(block) & 1])
#else
#define OUTPUT(block) features
#endif

static int bit(const uint8_t *bits, int32_t at) { return bits[at >> 3] >> (at & 7) & 1; }

/* One input of a block: a byte of the image, or +1 or -1 out of a bit-packed map. */
static int32_t input(const uint8_t *in, int block, int32_t at) { return block == 0 ? in[at] : 2 * bit(in, at) - 1; }

/* Sum of the 3x3 neighbourhood of (row, column) under the kernel that starts at bit `kernel`. */
static int32_t convolve(const uint8_t *in, int block, int32_t size, int32_t kernel, int32_t row, int32_t column)
{
    int32_t sum = 0;
    for (int32_t c = 0; c < FILTERS[block]; c++)
        for (int32_t i = 0; i < 9; i++) {
            int32_t y = row + i / 3 - 1, x = column + i % 3 - 1;
            if (y < 0 || y >= size || x < 0 || x >= size)
                continue;
            int32_t value = input(in, block, (c * size + y) * size + x);
            sum += bit(KERNELS, kernel + 9 * c + i) ? value : -value;
        }
    return sum;
}

/* Highest sum of the 3x3 window around (row, column). */
static int32_t pooled(const uint8_t *in, int block, int32_t size, int32_t kernel, int32_t row, int32_t column)
{
    int32_t best = INT32_MIN;
    for (int32_t i = 0; i < 9; i++) {
        int32_t y = row + i / 3 - 1, x = column + i % 3 - 1;
        if (y < 0 || y >= size || x < 0 || x >= size)
            continue;
        int32_t sum = convolve(in, block, size, kernel, y, x);
        best = sum > best ? sum : best;
    }
    return best;
}

void device_section(const uint8_t *image, uint8_t *features, float *scores)
{
    const uint8_t *in = image;
    int32_t size = SIZE, kernel = 0, filter = 0, brightest = 1;
    for (int32_t i = 0; i < 3 * SIZE * SIZE; i++)
        brightest = image[i] > brightest ? image[i] : brightest;
    for (int block = 0; block < BLOCKS; block++) {
        uint8_t *out = OUTPUT(block);
        int32_t half = (size + 1) / 2, last = filter + FILTERS[block + 1], at = 0;
        memset(out, 0, (FILTERS[block + 1] * half * half + 7) / 8);
        for (; filter < last; filter++, kernel += 9 * FILTERS[block])
            for (int32_t i = 0; i < half * half; i++, at++) {
                float value = (float)pooled(in, block, size, kernel, i / half * 2, i % half * 2);
                if (block == 0)
                    value /= (float)brightest;
                value *= SCALES[filter];
                value += SHIFTS[filter];
                if (value >= 0)
                    out[at >> 3] |= (uint8_t)(1 << (at & 7));
            }
        in = out, size = half;
    }
#if CLASSES
    int32_t values = FILTERS[BLOCKS] * size * size;
    for (int c = 0; c < CLASSES; c++) {
        int32_t sum = 0;
        for (int32_t i = 0; i < values; i++)
            sum += bit(HEAD, c * values + i) == bit(in, i) ? 1 : -1;
        float value = (float)sum;
        value *= HEAD_SCALES[c];
        value += HEAD_SHIFTS[c];
        scores[c] = value;
    }
#else
    (void)scores;
#endif
}
