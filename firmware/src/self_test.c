/* SPDX-License-Identifier: BSD-2-Clause */
/* The known-answer test (docs/files.md): what each layer makes of a known input. */

#include "internal.h"

/* Where the answers are: those of model.h are alone, an image says it. */
static enum celosia_error find(const struct celosia_source *source, uint32_t *offset)
{
    static const uint8_t magic[] = CELOSIA_IMAGE_MAGIC;
    uint32_t record[CELOSIA_IMAGE_RECORD_BYTES / 4];

    *offset = 0;
    if (!celosia_get_record(source, 0, record, sizeof magic))
        return CELOSIA_ERROR_SOURCE;
    if (record[0] != celosia_load_u32(magic) || record[1] != celosia_load_u32(magic + 4))
        return CELOSIA_OK;
    if (!celosia_get_record(source, 0, record, sizeof record))
        return CELOSIA_ERROR_SOURCE;
    *offset = FIELD(record, IMAGE_SELF_TEST);
    return *offset ? CELOSIA_OK : CELOSIA_ERROR_NO_SELF_TEST;
}

/* Goes on until `end` instructions are complete, or the run is over. */
static enum celosia_error run_part(struct celosia *device, const struct celosia_model *model,
                                   uint32_t first, uint32_t end)
{
    bool pauses = end < model->instructions;
    struct celosia_status status;
    enum celosia_error error = celosia_set(device, CELOSIA_REGISTER_BREAKPOINT, pauses ? end : 0);

    if (error == CELOSIA_OK && first)
        error = celosia_set(device, CELOSIA_REGISTER_CONTROL, 1u << CELOSIA_CONTROL_CONTINUE);
    else if (error == CELOSIA_OK)
        error = celosia_start(device, model);
    if (error == CELOSIA_OK)
        error = celosia_wait(device, RUN_MS(model));
    if (error == CELOSIA_ERROR_STOPPED && pauses) {
        error = celosia_status(device, &status);
        if (error == CELOSIA_OK && !status.paused)
            error = CELOSIA_ERROR_STOPPED;
    }
    return error;
}

/* Runs up to where the check at `offset` looks, and compares. `done` instructions are complete. */
static enum celosia_error check(struct celosia *device, const struct celosia_model *model,
                                const struct celosia_source *source, uint32_t offset,
                                uint32_t *done)
{
    uint8_t head[CELOSIA_CHECK_RECORD_BYTES];
    uint32_t record[CELOSIA_TENSOR_RECORD_BYTES / 4];
    struct celosia_tensor tensor;
    uint32_t sum = CHECKSUM_START;
    uint32_t instructions, i;
    enum celosia_error error;

    if (!celosia_get(source, offset, head, sizeof head) ||
        !celosia_get_record(source, offset + (uint32_t)sizeof head, record, sizeof record))
        return CELOSIA_ERROR_SOURCE;
    instructions = celosia_load_u32(head + CELOSIA_CHECK_INSTRUCTIONS_AT);
    error = celosia_parse_tensor(device, record, &tensor);
    if (error == CELOSIA_OK && instructions > *done) {
        error = run_part(device, model, *done, instructions);
        *done = instructions;
    }
    if (error == CELOSIA_OK)
        error = celosia_read_tensor(device, &tensor, 0, &sum);
    if (error != CELOSIA_OK || ~sum == celosia_load_u32(head + CELOSIA_CHECK_CHECKSUM_AT))
        return error;
    for (i = 0; i < CELOSIA_CHECK_TEXT_BYTES; i++)
        device->failed[i] = (char)head[CELOSIA_CHECK_TEXT_AT + i];
    return CELOSIA_ERROR_SELF_TEST;
}

static enum celosia_error run_checks(struct celosia *device, const struct celosia_model *model,
                                     const struct celosia_source *source, uint32_t offset)
{
    uint32_t record[CELOSIA_SELF_TEST_RECORD_BYTES / 4];
    uint32_t done = 0, random, i;
    enum celosia_error error = CELOSIA_OK;

    if (!celosia_get_record(source, offset, record, sizeof record))
        return CELOSIA_ERROR_SOURCE;
    random = FIELD(record, SELF_TEST_SEED);
    for (i = 0; error == CELOSIA_OK && i < model->inputs; i++)
        error = celosia_write_tensor(device, &model->tensor[i], 0, &random);
    offset += (uint32_t)sizeof record;
    for (i = 0; error == CELOSIA_OK && i < FIELD(record, SELF_TEST_CHECKS); i++) {
        device->failed_layer = (uint16_t)i;
        error = check(device, model, source, offset, &done);
        offset += CELOSIA_CHECK_RECORD_BYTES + CELOSIA_TENSOR_RECORD_BYTES;
    }
    if (error == CELOSIA_OK && done < model->instructions)
        error = run_part(device, model, done, model->instructions);
    return error;
}

enum celosia_error celosia_self_test(struct celosia *device, const struct celosia_model *model,
                                     const struct celosia_source *source)
{
    uint32_t offset;
    enum celosia_error error = find(source, &offset);

    if (error != CELOSIA_OK)
        return error;
    device->tested = false;
    error = run_checks(device, model, source, offset);
    device->tested = error == CELOSIA_OK;
    if (error == CELOSIA_OK)
        return error;
    /* The run may be paused, and the next one would be. */
    (void)celosia_reset(device);
    (void)celosia_set(device, CELOSIA_REGISTER_BREAKPOINT, 0);
    device->loaded = false;
    return error;
}
