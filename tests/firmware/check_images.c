/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads images from standard input, each behind its length, checks each in a block of memory of
 * just its size, and prints the error and what was found. The accelerator's numbers are the
 * arguments. */

#include "celosia.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char **arguments)
{
    struct celosia device;
    uint8_t length[4];

    if (count != 5)
        return 2;
    memset(&device, 0, sizeof device);
    device.open = true;
    device.config = (uint32_t)strtoul(arguments[1], NULL, 0);
    device.scratch_bytes = (uint32_t)strtoul(arguments[2], NULL, 0);
    device.weight_bytes = (uint32_t)strtoul(arguments[3], NULL, 0);
    device.parameter_bytes = (uint32_t)strtoul(arguments[4], NULL, 0);
    while (fread(length, 1, 4, stdin) == 4) {
        uint32_t bytes = (uint32_t)length[0] | (uint32_t)length[1] << 8 |
                         (uint32_t)length[2] << 16 | (uint32_t)length[3] << 24;
        uint8_t *image = malloc(bytes);
        struct celosia_source source = celosia_memory(image, bytes);
        struct celosia_model model;
        enum celosia_error error;

        if (fread(image, 1, bytes, stdin) != bytes)
            return 3;
        error = celosia_check(&device, &source, &model);
        printf("%d", (int)error);
        if (error == CELOSIA_OK) {
            unsigned i;

            printf(" %d", model.external);
            for (i = 0; i < (unsigned)model.inputs + model.outputs; i++)
                printf(" %lu", (unsigned long)model.tensor[i].elements);
        }
        printf("\n");
        free(image);
    }
    return 0;
}
