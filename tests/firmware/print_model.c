/* SPDX-License-Identifier: BSD-2-Clause */
/* Prints what model.h says, parts ended by a byte of 0xFF. */

#include "celosia.h"
#include "model.h"

#include <stdio.h>

static const struct celosia_model model = MODEL;

static void print_tensor(const struct celosia_tensor *tensor)
{
    unsigned i;

    printf("%lu %lu %u %d", (unsigned long)tensor->address, (unsigned long)tensor->elements,
           tensor->rank, tensor->zero_point);
    for (i = 0; i < CELOSIA_MAX_RANK; i++)
        printf(" %lu", (unsigned long)tensor->size[i]);
    for (i = 0; i < CELOSIA_MAX_RANK; i++)
        printf(" %lu", (unsigned long)tensor->stride[i]);
    printf("\xff");
}

int main(void)
{
    printf("%s\xff", MODEL_NAME);
    printf("%lu %lu %lu %lu %lu %lu %lu %d %d %d %lu\xff", (unsigned long)model.image_bytes,
           (unsigned long)model.image_checksum, (unsigned long)model.fingerprint,
           (unsigned long)model.entry, (unsigned long)model.instructions,
           (unsigned long)model.profile, (unsigned long)model.cycles, model.external,
           model.inputs, model.outputs, (unsigned long)MODEL_CLOCK_HZ);
    print_tensor(&model.tensor[0]);
    print_tensor(&model.tensor[1]);
    printf("%s\xff%s\xff", MODEL_INPUT_0_NAME, MODEL_OUTPUT_0_NAME);
#ifdef MODEL_INPUT_0_INVERSE_MULTIPLIER
    printf("%.9g %ld %d %ld %d\xff", (double)MODEL_INPUT_0_SCALE, MODEL_INPUT_0_MULTIPLIER,
           MODEL_INPUT_0_SHIFT, MODEL_INPUT_0_INVERSE_MULTIPLIER, MODEL_INPUT_0_INVERSE_SHIFT);
#endif
#ifdef MODEL_LABELS
    {
        static const char *const labels[MODEL_LABEL_COUNT] = MODEL_LABELS;
        unsigned i;

        for (i = 0; i < MODEL_LABEL_COUNT; i++)
            printf("%s\xff", labels[i]);
    }
#endif
#ifdef MODEL_OUTPUT_0_SOFTMAX
    {
        int8_t values[256] = {0};

        celosia_softmax(values, values, MODEL_OUTPUT_0_SOFTMAX);
    }
#endif
    return 0;
}
