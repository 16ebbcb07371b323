/* SPDX-License-Identifier: BSD-2-Clause */
/* classify PORT BAUD IMAGE INPUTS [LABELS]
 *
 * Loads an image into the accelerator at a serial port, which includes its known-answer test, runs it
 * on each input of a file (raw 8-bit elements, one input behind the other) and prints the class with
 * the largest output. */

#include "celosia.h"
#include "linux_tty.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_LABELS 4096

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "classify: %s: %s\n", what, why);
    return 1;
}

static int fail_with(const char *what, enum celosia_error error)
{
    return fail(what, celosia_error_text(error));
}

static bool read_file(void *context, uint32_t offset, uint8_t *bytes, uint32_t count)
{
    FILE *file = context;

    return fseek(file, (long)offset, SEEK_SET) == 0 && fread(bytes, 1, count, file) == count;
}

/* The whole of a text file, of which `lines` then has the lines; their number, or -1. */
static int read_lines(const char *path, char **text, char **lines, int most)
{
    FILE *file = fopen(path, "rb");
    long bytes;
    int count = 0;
    char *line;

    if (!file)
        return -1;
    if (fseek(file, 0, SEEK_END) != 0 || (bytes = ftell(file)) < 0 ||
        fseek(file, 0, SEEK_SET) != 0 || (*text = calloc((size_t)bytes + 1, 1)) == NULL ||
        fread(*text, 1, (size_t)bytes, file) != (size_t)bytes)
        count = -1;
    (void)fclose(file);
    for (line = *text; count >= 0 && count < most && *line != '\0';) {
        lines[count++] = line;
        line += strcspn(line, "\r\n");
        if (*line == '\r')
            *line++ = '\0';
        if (*line == '\n')
            *line++ = '\0';
    }
    return count;
}

static uint32_t elements(const struct celosia_model *model, uint32_t first, uint32_t count)
{
    uint32_t sum = 0;

    while (count--)
        sum += model->tensor[first++].elements;
    return sum;
}

/* Runs all inputs of a file; `name` is its path. */
static int classify(struct celosia *device, const struct celosia_model *model, FILE *inputs,
                    const char *name, char *const *labels, int label_count)
{
    uint32_t input_bytes = elements(model, 0, model->inputs);
    uint32_t classes = model->tensor[model->inputs].elements;
    uint8_t *input = malloc(input_bytes);
    int8_t *output = malloc(elements(model, model->inputs, model->outputs));
    unsigned long number = 0;
    int code = input && output ? 0 : fail(name, "not enough memory");

    while (code == 0) {
        size_t got = fread(input, 1, input_bytes, inputs);
        enum celosia_error error;
        uint32_t best;

        if (got < input_bytes) {
            if (ferror(inputs))
                code = fail(name, strerror(errno));
            else if (got > 0 || number == 0)
                code = fail(name, "does not hold whole inputs of this model");
            break;
        }
        error = celosia_run(device, model, input, output);
        if (error != CELOSIA_OK) {
            code = fail_with(name, error);
            break;
        }
        best = celosia_argmax(output, classes);
        printf("%lu: class %lu", number++, (unsigned long)best);
        if (best < (uint32_t)label_count)
            printf(" %s", labels[best]);
        printf(", %lu cycles\n", (unsigned long)device->cycles);
    }
    free(input);
    free(output);
    return code;
}

static int with_device(struct celosia *device, char **arguments, char *const *labels,
                       int label_count)
{
    const char *image_name = arguments[3];
    struct celosia_source source;
    struct celosia_model model;
    enum celosia_error error = celosia_open(device);
    FILE *file;
    long bytes;
    int code;

    if (error != CELOSIA_OK)
        return fail_with(arguments[1], error);
    file = fopen(image_name, "rb");
    if (!file)
        return fail(image_name, strerror(errno));
    if (fseek(file, 0, SEEK_END) != 0 || (bytes = ftell(file)) < 0 || bytes > INT32_MAX) {
        (void)fclose(file);
        return fail(image_name, "cannot be read as an image");
    }
    source.read = read_file;
    source.context = file;
    source.bytes = (uint32_t)bytes;
    error = celosia_load(device, &source, &model);
    (void)fclose(file);
    if (error == CELOSIA_ERROR_SELF_TEST)
        fprintf(stderr, "classify: %s: the self-test failed at %s\n", image_name, device->failed);
    if (error != CELOSIA_OK)
        return fail_with(image_name, error);
    if (model.inputs == 0 || model.outputs == 0)
        return fail(image_name, "has no input or no output");
    if (device->tested)
        printf("self-test passed\n");
    if (model.external)
        printf("weights are read from the board's flash memory\n");
    file = fopen(arguments[4], "rb");
    if (!file)
        return fail(arguments[4], strerror(errno));
    code = classify(device, &model, file, arguments[4], labels, label_count);
    (void)fclose(file);
    return code;
}

int main(int count, char **arguments)
{
    static char *labels[MOST_LABELS];
    struct celosia device;
    struct celosia_tty tty;
    char *text = NULL;
    char *end = NULL;
    unsigned long baud;
    int label_count = 0;
    int code;

    if (count < 5 || count > 6) {
        fprintf(stderr, "usage: classify PORT BAUD IMAGE INPUTS [LABELS]\n");
        return 2;
    }
    baud = strtoul(arguments[2], &end, 10);
    if (*end != '\0' || baud == 0 || baud > INT32_MAX)
        return fail(arguments[2], "not a baud rate");
    if (count == 6)
        label_count = read_lines(arguments[5], &text, labels, MOST_LABELS);
    if (label_count < 0) {
        free(text);
        return fail(arguments[5], "cannot be read");
    }
    memset(&device, 0, sizeof device);
    if (!celosia_tty_open(&tty, &device, arguments[1], (uint32_t)baud)) {
        free(text);
        return fail(arguments[1], strerror(errno));
    }
    code = with_device(&device, arguments, labels, label_count);
    celosia_tty_close(&tty);
    free(text);
    if (code == 0 && fflush(stdout) != 0)
        code = fail("standard output", strerror(errno));
    return code;
}
