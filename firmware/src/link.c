/* SPDX-License-Identifier: BSD-2-Clause */
/* Sequence numbers, repetitions, and pieces of transfers (docs/protocol.md). */

#include "internal.h"

#define DEFAULT_ATTEMPTS 8u

/* Sends a request until it is answered. */
static enum celosia_error exchange(struct celosia *device, const struct request *request)
{
    uint8_t attempts = device->attempts ? device->attempts : DEFAULT_ATTEMPTS;
    struct answer answer;
    enum celosia_error error;

    celosia_begin(&answer);
    do {
        error = celosia_send(device, request);
        if (error == CELOSIA_OK)
            error = celosia_receive(device, request, &answer);
        if (error == CELOSIA_OK && answer.head[1] != CELOSIA_RESULT_OK) {
            error = CELOSIA_ERROR_RESULT;
            if (answer.head[1] <= CELOSIA_RESULT_MISMATCH)
                error = (enum celosia_error)answer.head[1];
            celosia_begin(&answer);
        }
    } while ((error == CELOSIA_ERROR_TIMEOUT || error == CELOSIA_ERROR_CHECKSUM) && --attempts);
    return error;
}

/* Requests that do not count are numbered far from those that do, and each in another way than
 * the last ones, so that a late answer is not taken for that of another request. */
static uint8_t free_number(struct celosia *device)
{
    device->reads = (uint8_t)((device->reads + 1u) & 63u);
    return (uint8_t)(device->number + 128u + device->reads);
}

static bool take_words(void *state, uint32_t offset, uint8_t *bytes, uint32_t count)
{
    uint32_t *words = state;

    (void)count;
    words[offset / 4] = celosia_load_u32(bytes);
    return true;
}

enum celosia_error celosia_identify(struct celosia *device, uint32_t *registers)
{
    struct request request = {CELOSIA_COMMAND_IDENTIFY, 0, IDENTIFY_WORDS,
                              CELOSIA_SPACE_REGISTERS << CELOSIA_SPACE_LSB,
                              take_words, registers, 0};
    enum celosia_error error;

    request.number = free_number(device);
    device->unsure = true;
    error = exchange(device, &request);
    if (error == CELOSIA_OK) {
        device->number = request.number;
        device->unsure = false;
    }
    return error;
}

/* A request that counts: WRITE or SET. After one without a good answer nobody knows whether it was
 * done, so its number is used up first by one that changes nothing. A number out of order means
 * that the accelerator was restarted, and that its memories are not to be trusted. */
static enum celosia_error counted(struct celosia *device, struct request *request)
{
    enum celosia_error error = CELOSIA_OK;

    request->number = (uint8_t)(device->number + 1u);
    if (device->unsure) {
        struct request nothing = {CELOSIA_COMMAND_SET, 0, CELOSIA_REGISTER_IDENT,
                                  CELOSIA_IDENT_VALUE, 0, 0, 0};

        nothing.number = request->number++;
        error = exchange(device, &nothing);
        if (error == CELOSIA_OK) {
            device->number = nothing.number;
            device->unsure = false;
        }
    }
    if (error == CELOSIA_OK) {
        error = exchange(device, request);
        device->unsure = error != CELOSIA_OK;
        if (error == CELOSIA_OK)
            device->number = request->number;
    }
    if (error == CELOSIA_ERROR_SEQUENCE)
        device->open = device->loaded = device->tested = false;
    return error;
}

static enum celosia_error perform(struct celosia *device, struct request *request)
{
    if (!device->open)
        return CELOSIA_ERROR_CLOSED;
    if (request->command != CELOSIA_COMMAND_READ)
        return counted(device, request);
    request->number = free_number(device);
    return exchange(device, request);
}

enum celosia_error celosia_set(struct celosia *device, uint32_t number, uint32_t value)
{
    struct request request = {CELOSIA_COMMAND_SET, 0, (uint16_t)number, value, 0, 0, 0};

    return perform(device, &request);
}

enum celosia_error celosia_transfer(struct celosia *device, uint32_t command, uint32_t space,
                                    uint32_t address, uint32_t bytes, stream_function *stream,
                                    void *state)
{
    struct request request = {(uint8_t)command, 0, 0, 0, stream, state, 0};
    enum celosia_error error = CELOSIA_OK;

    while (error == CELOSIA_OK && request.offset < bytes) {
        uint32_t left = bytes - request.offset;
        uint32_t piece = left < PIECE_BYTES ? left : PIECE_BYTES;

        request.count = (uint16_t)(piece / 4);
        request.argument = space << CELOSIA_SPACE_LSB | (address + request.offset);
        error = perform(device, &request);
        request.offset += piece;
    }
    return error;
}
