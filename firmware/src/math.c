/* SPDX-License-Identifier: BSD-2-Clause */
/* Integer arithmetic of TensorFlow Lite's reference kernels around a model: the fixed-point
 * primitives of gemmlowp in the form with two roundings, and the int8 softmax. The same as
 * gen/celosia/arithmetic/fixed_point.py and softmax.py, byte for byte. */

#include "celosia.h"

/* Rescaled differences to the maximum are Q5.26, exponentials Q0.31, their sum Q12.19. */
#define QUARTER (1 << 24)
#define SUM_INTEGER_BITS 12
#define EXP_MINUS_EIGHTH 1895147668
#define THIRD 715827883
#define TWO_48_BY_17 1515870810
#define MINUS_32_BY_17 (-1010580540)

/* floor(x / 2^shift): C leaves right shifts of negative numbers to the compiler. */
static int32_t floor_shift(int32_t x, int shift)
{
    return x < 0 ? ~(~x >> shift) : x >> shift;
}

/* round(a * b / 2^31), halves up; -2^31 * -2^31 saturates. */
static int32_t high_mul(int32_t a, int32_t b)
{
    int64_t product = (int64_t)a * b + (1 << 30);
    int64_t high = product < 0 ? ~(~product >> 31) : product >> 31;

    return high > INT32_MAX ? INT32_MAX : (int32_t)high;
}

/* round(x / 2^shift), halves away from zero. */
static int32_t rounding_shift(int32_t x, int shift)
{
    int32_t floor, threshold, remainder;

    if (shift > 31)
        return 0;
    remainder = (int32_t)((uint32_t)x & ((1u << shift) - 1));
    threshold = (int32_t)(((1u << shift) - 1) >> 1) + (x < 0);
    floor = floor_shift(x, shift);
    return floor + (remainder > threshold);
}

/* The low 32 bits, as an int32 that overflows holds them. */
static int32_t wrap(uint32_t x)
{
    return x > INT32_MAX ? -(int32_t)~x - 1 : (int32_t)x;
}

int32_t celosia_multiply(int32_t x, int32_t multiplier, int shift)
{
    if (shift > 0)
        x = wrap((uint32_t)x << shift);
    return rounding_shift(high_mul(x, multiplier), shift < 0 ? -shift : 0);
}

int8_t celosia_requantize(int32_t x, int32_t multiplier, int shift, int32_t zero_point)
{
    int32_t scaled = celosia_multiply(x, multiplier, shift);
    int32_t y = wrap((uint32_t)scaled + (uint32_t)zero_point);

    return (int8_t)(y < -128 ? -128 : y > 127 ? 127 : y);
}

int8_t celosia_pixel(uint8_t pixel)
{
    return (int8_t)(pixel - 128);
}

uint32_t celosia_argmax(const int8_t *values, uint32_t count)
{
    uint32_t best = 0;
    uint32_t i;

    for (i = 1; i < count; i++)
        if (values[i] > values[best])
            best = i;
    return best;
}

/* exp of a Q5.26 value <= 0 as Q0.31: a Taylor polynomial of degree 4 around -1/8 for what lies
 * within a quarter, and a factor for each further bit. */
static int32_t exponential(int32_t x)
{
    static const int32_t factors[] = {1672461947, 1302514674, 790015084, 290630308,
                                      39332535,   720401,     242};
    int32_t fraction, a, a2, a3, quarter_a4, higher, result, remainder;
    unsigned bit;

    if (x == 0)
        return INT32_MAX;
    fraction = (int32_t)((uint32_t)x & (QUARTER - 1)) - QUARTER;
    a = fraction * 32 + (1 << 28);
    a2 = high_mul(a, a);
    a3 = high_mul(a2, a);
    quarter_a4 = rounding_shift(high_mul(a2, a2), 2);
    higher = rounding_shift(high_mul(quarter_a4 + a3, THIRD) + a2, 1);
    result = EXP_MINUS_EIGHTH + high_mul(EXP_MINUS_EIGHTH, a + higher);
    remainder = fraction - x;
    for (bit = 0; bit < sizeof factors / sizeof factors[0]; bit++)
        if (remainder >> (24 + bit) & 1)
            result = high_mul(result, factors[bit]);
    return result;
}

/* 1 / (1 + a) for Q0.31 values in [0, 1): three Newton steps in Q2.29. */
static int32_t one_over_one_plus(int32_t a)
{
    int32_t half = (int32_t)(((uint32_t)a + INT32_MAX + 1u) >> 1);
    int32_t x = TWO_48_BY_17 + high_mul(half, MINUS_32_BY_17);
    int i;

    for (i = 0; i < 3; i++) {
        int32_t error = (1 << 29) - high_mul(half, x);

        x += high_mul(x, error) * 4;
    }
    return x > INT32_MAX / 2 ? INT32_MAX : x * 2;
}

void celosia_softmax(const int8_t *input, int8_t *output, uint32_t count, int32_t multiplier,
                     int shift, int32_t least_difference)
{
    int32_t largest = input[celosia_argmax(input, count)];
    int32_t sum = 0, scale;
    int zeros = 0;
    uint32_t i;

    for (i = 0; i < count; i++) {
        int32_t difference = input[i] - largest;

        if (difference >= least_difference)
            sum += rounding_shift(exponential(celosia_multiply(difference, multiplier, shift)),
                                  SUM_INTEGER_BITS);
    }
    while (!((uint32_t)sum << zeros & 0x80000000u))
        zeros++;
    scale = one_over_one_plus((int32_t)(((uint32_t)sum << zeros) - 0x80000000u));
    for (i = 0; i < count; i++) {
        int32_t difference = input[i] - largest;
        int32_t y = 0;

        if (difference >= least_difference) {
            y = exponential(celosia_multiply(difference, multiplier, shift));
            y = rounding_shift(high_mul(scale, y), SUM_INTEGER_BITS - zeros + 31 - 8);
        }
        output[i] = (int8_t)(y > 255 ? 127 : y - 128);
    }
}
