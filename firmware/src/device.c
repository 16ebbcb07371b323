/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening an accelerator, its memories, its runs. */

#include "internal.h"

static uint32_t field(uint32_t status, unsigned lsb, uint32_t mask)
{
    return status >> lsb & mask;
}

static bool take_bytes(void *state, uint32_t offset, uint8_t *bytes, uint32_t count)
{
    uint8_t *data = (uint8_t *)state + offset;

    while (count--)
        *data++ = *bytes++;
    return true;
}

static bool give_bytes(void *state, uint32_t offset, uint8_t *bytes, uint32_t count)
{
    const uint8_t *data = *(const uint8_t *const *)state + offset;

    while (count--)
        *bytes++ = *data++;
    return true;
}

/* The hooks have no clock, but they can wait for bytes that do not come. */
static void pause(struct celosia *device)
{
    uint8_t bytes[CHUNK_BYTES];

    (void)device->read(device->context, bytes, sizeof bytes, 1);
}

enum celosia_error celosia_open(struct celosia *device)
{
    uint32_t registers[IDENTIFY_WORDS];
    struct celosia_status status;
    uint32_t left = BOOT_MS;
    enum celosia_error error;

    device->open = device->loaded = device->tested = false;
    error = celosia_identify(device, registers);
    if (error != CELOSIA_OK)
        return error;
    if ((registers[CELOSIA_REGISTER_IDENT] ^ CELOSIA_IDENT_VALUE) >> 8)
        return CELOSIA_ERROR_DEVICE;
    if ((registers[CELOSIA_REGISTER_LINK] & 0xFFu) != CELOSIA_PROTOCOL_VERSION)
        return CELOSIA_ERROR_PROTOCOL;
    if (registers[CELOSIA_REGISTER_IDENT] != CELOSIA_IDENT_VALUE)
        return CELOSIA_ERROR_VERSION;
    device->config = registers[CELOSIA_REGISTER_CONFIG];
    device->scratch_bytes = registers[CELOSIA_REGISTER_SCRATCH_BYTES];
    device->weight_bytes = registers[CELOSIA_REGISTER_WEIGHT_BYTES];
    device->parameter_bytes = registers[CELOSIA_REGISTER_PARAMETER_BYTES];
    device->cycles = 0;
    device->open = true;
    do {
        error = celosia_status(device, &status);
        if (error != CELOSIA_OK || status.boot != CELOSIA_BOOT_BUSY)
            return error;
        pause(device);
    } while (left--);
    return CELOSIA_ERROR_BUSY;
}

enum celosia_error celosia_reset(struct celosia *device)
{
    return celosia_set(device, CELOSIA_REGISTER_CONTROL, 1u << CELOSIA_CONTROL_RESET);
}

enum celosia_error celosia_read(struct celosia *device, uint32_t space, uint32_t address,
                                void *data, uint32_t bytes)
{
    if ((address | bytes) & 3)
        return CELOSIA_ERROR_ARGUMENT;
    return celosia_transfer(device, CELOSIA_COMMAND_READ, space, address, bytes, take_bytes, data);
}

enum celosia_error celosia_write(struct celosia *device, uint32_t space, uint32_t address,
                                 const void *data, uint32_t bytes)
{
    if ((address | bytes) & 3)
        return CELOSIA_ERROR_ARGUMENT;
    return celosia_transfer(device, CELOSIA_COMMAND_WRITE, space, address, bytes, give_bytes,
                            &data);
}

enum celosia_error celosia_status(struct celosia *device, struct celosia_status *status)
{
    uint8_t bytes[8];
    uint32_t value;
    enum celosia_error error = celosia_read(device, CELOSIA_SPACE_REGISTERS,
                                            4 * CELOSIA_REGISTER_STATUS, bytes, sizeof bytes);

    if (error != CELOSIA_OK)
        return error;
    value = celosia_load_u32(bytes);
    status->busy = field(value, CELOSIA_STATUS_BUSY, 1);
    status->done = field(value, CELOSIA_STATUS_DONE, 1);
    status->paused = field(value, CELOSIA_STATUS_PAUSED, 1);
    status->error = (uint8_t)field(value, CELOSIA_STATUS_ERROR, 15);
    status->boot = (uint8_t)field(value, CELOSIA_STATUS_BOOT, 3);
    status->instruction = (uint16_t)field(value, CELOSIA_STATUS_INSTRUCTION, 0xFFFF);
    status->cycles = celosia_load_u32(bytes + 4);
    return CELOSIA_OK;
}

static bool holds(const struct celosia *device, const struct celosia_model *model)
{
    return device->loaded && device->model == model->image_checksum;
}

enum celosia_error celosia_start(struct celosia *device, const struct celosia_model *model)
{
    if (device->open && !holds(device, model))
        return CELOSIA_ERROR_NOT_LOADED;
    return celosia_set(device, CELOSIA_REGISTER_CONTROL, 1u << CELOSIA_CONTROL_START);
}

enum celosia_error celosia_poll(struct celosia *device)
{
    struct celosia_status status;
    enum celosia_error error = celosia_status(device, &status);

    if (error != CELOSIA_OK)
        return error;
    if (status.busy)
        return CELOSIA_ERROR_BUSY;
    device->cycles = status.cycles;
    switch (status.error) {
    case CELOSIA_RUN_ERROR_NONE:
        return status.done ? CELOSIA_OK : CELOSIA_ERROR_STOPPED;
    case CELOSIA_RUN_ERROR_WATCHDOG:
        return CELOSIA_ERROR_WATCHDOG;
    case CELOSIA_RUN_ERROR_ACCESS:
        return CELOSIA_ERROR_ACCESS;
    default:
        return CELOSIA_ERROR_PROGRAM;
    }
}

enum celosia_error celosia_wait(struct celosia *device, uint32_t timeout_ms)
{
    for (;;) {
        enum celosia_error error = celosia_poll(device);

        if (error != CELOSIA_ERROR_BUSY || timeout_ms-- == 0)
            return error;
        pause(device);
    }
}

enum celosia_error celosia_run(struct celosia *device, const struct celosia_model *model,
                               const void *input, void *output)
{
    const uint8_t *from = input;
    uint8_t *to = output;
    enum celosia_error error = CELOSIA_OK;
    uint32_t i;

    for (i = 0; error == CELOSIA_OK && i < model->inputs; i++) {
        error = celosia_write_input(device, model, i, from);
        from += model->tensor[i].elements;
    }
    if (error == CELOSIA_OK)
        error = celosia_start(device, model);
    if (error == CELOSIA_OK)
        error = celosia_wait(device, RUN_MS(model));
    for (i = 0; error == CELOSIA_OK && i < model->outputs; i++) {
        error = celosia_read_output(device, model, i, to);
        to += model->tensor[model->inputs + i].elements;
    }
    return error;
}

enum celosia_error celosia_counters(struct celosia *device, const struct celosia_model *model,
                                    uint32_t first, uint32_t count, uint32_t *cycles)
{
    enum celosia_error error;

    /* END, the last instruction, stores none. */
    if (first >= model->instructions || count >= model->instructions - first)
        return CELOSIA_ERROR_ARGUMENT;
    error = celosia_read(device, CELOSIA_SPACE_SCRATCH, model->profile + 4 * first, cycles,
                         4 * count);
    if (error == CELOSIA_OK)
        while (count--)
            cycles[count] = celosia_load_u32((const uint8_t *)(cycles + count));
    return error;
}
