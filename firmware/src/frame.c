/* SPDX-License-Identifier: BSD-2-Clause */
/* Requests and answers between flags, with escapes and checksums (docs/protocol.md). */

#include "internal.h"

#define DEFAULT_TIMEOUT_MS 250u
#define CHECKSUM_BYTES 4u
/* What the checksum's register holds behind a checksum that is right. */
#define CHECKSUM_RESIDUE 0xDEBB20E3u
/* Bytes that are read in vain before a line that is never silent counts as silent. */
#define NOISE_BYTES 4096u

struct sender {
    struct celosia *device;
    uint32_t checksum;
    uint32_t used;
    bool good;
    uint8_t bytes[CHUNK_BYTES];
};

/* A nibble at a time: a table of 64 bytes is small, a bit at a time would be slow. */
uint32_t celosia_checksum(uint32_t sum, const uint8_t *bytes, uint32_t count)
{
    static const uint32_t table[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
        0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
        0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };

    while (count--) {
        sum ^= *bytes++;
        sum = sum >> 4 ^ table[sum & 15];
        sum = sum >> 4 ^ table[sum & 15];
    }
    return sum;
}

uint32_t celosia_load_u32(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

void celosia_store_u32(uint8_t *bytes, uint32_t value)
{
    unsigned i;

    for (i = 0; i < 4; i++, value >>= 8)
        bytes[i] = (uint8_t)value;
}

/* --- requests --------------------------------------------------------------------------------- */

static void flush(struct sender *sender)
{
    struct celosia *device = sender->device;

    if (sender->good)
        sender->good = device->write(device->context, sender->bytes, sender->used);
    sender->used = 0;
}

static void send_raw(struct sender *sender, uint8_t byte)
{
    sender->bytes[sender->used++] = byte;
    if (sender->used == sizeof sender->bytes)
        flush(sender);
}

static void send_bytes(struct sender *sender, const uint8_t *bytes, uint32_t count)
{
    sender->checksum = celosia_checksum(sender->checksum, bytes, count);
    while (count--) {
        uint8_t byte = *bytes++;

        if (byte == CELOSIA_FLAG || byte == CELOSIA_ESCAPE) {
            send_raw(sender, CELOSIA_ESCAPE);
            byte ^= CELOSIA_ESCAPE_CHANGE;
        }
        send_raw(sender, byte);
    }
}

static void send_checksum(struct sender *sender)
{
    uint8_t bytes[CHECKSUM_BYTES];

    celosia_store_u32(bytes, ~sender->checksum);
    send_bytes(sender, bytes, sizeof bytes);
    sender->checksum = CHECKSUM_START;
}

enum celosia_error celosia_send(struct celosia *device, const struct request *request)
{
    struct sender sender;
    uint8_t bytes[CHUNK_BYTES];

    sender.device = device;
    sender.checksum = CHECKSUM_START;
    sender.used = 0;
    sender.good = true;
    /* The accelerator may still be sending the flag behind its last answer, and miss the first. */
    send_raw(&sender, CELOSIA_FLAG);
    send_raw(&sender, CELOSIA_FLAG);
    bytes[0] = request->command;
    bytes[1] = request->number;
    bytes[2] = (uint8_t)request->count;
    bytes[3] = (uint8_t)(request->count >> 8);
    celosia_store_u32(bytes + 4, request->argument);
    send_bytes(&sender, bytes, CELOSIA_REQUEST_BYTES);
    send_checksum(&sender);
    if (request->command == CELOSIA_COMMAND_WRITE) {
        uint32_t left = 4u * request->count;
        uint32_t offset = request->offset;

        while (left) {
            uint32_t count = left < sizeof bytes ? left : (uint32_t)sizeof bytes;

            /* The flag that begins the next request makes the accelerator forget this one. */
            if (!request->stream(request->state, offset, bytes, count))
                return CELOSIA_ERROR_SOURCE;
            send_bytes(&sender, bytes, count);
            offset += count;
            left -= count;
        }
        send_checksum(&sender);
    }
    send_raw(&sender, CELOSIA_FLAG);
    flush(&sender);
    return sender.good ? CELOSIA_OK : CELOSIA_ERROR_IO;
}

/* --- answers ---------------------------------------------------------------------------------- */

/* Bytes of the words that an answer brings. */
static uint32_t words_bytes(const struct request *request)
{
    if (request->command == CELOSIA_COMMAND_WRITE || request->command == CELOSIA_COMMAND_SET)
        return 0;
    return 4u * request->count;
}

/* Whether this is all of the answer but for the flag behind it. */
static bool answers(const struct answer *answer, const struct request *request)
{
    uint32_t length = CELOSIA_ANSWER_BYTES + CHECKSUM_BYTES;

    if (answer->length < length || answer->checksum != CHECKSUM_RESIDUE ||
        answer->head[0] != request->number)
        return false;
    if (answer->head[1] == CELOSIA_RESULT_OK)
        length += words_bytes(request);
    return answer->length == length;
}

void celosia_begin(struct answer *answer)
{
    answer->checksum = CHECKSUM_START;
    answer->length = 0;
    answer->escaped = false;
    answer->head[1] = CELOSIA_RESULT_OK;
}

/* Words go on as they come; those of an answer that turns out bad come again. */
static void take_byte(struct answer *answer, const struct request *request, uint8_t byte)
{
    uint32_t at = answer->length++;

    answer->checksum = celosia_checksum(answer->checksum, &byte, 1);
    if (at < CELOSIA_ANSWER_BYTES) {
        answer->head[at] = byte;
        return;
    }
    at -= CELOSIA_ANSWER_BYTES;
    if (at >= words_bytes(request) || answer->head[0] != request->number ||
        answer->head[1] != CELOSIA_RESULT_OK)
        return;
    answer->word[at & 3] = byte;
    if ((at & 3) == 3)
        (void)request->stream(request->state, request->offset + (at & ~3u), answer->word, 4);
}

enum celosia_error celosia_receive(struct celosia *device, const struct request *request,
                                   struct answer *answer)
{
    uint32_t limit = CELOSIA_ANSWER_BYTES + CHECKSUM_BYTES + words_bytes(request);
    uint32_t noise = NOISE_BYTES + 2 * limit;
    uint32_t timeout = device->timeout_ms ? device->timeout_ms : DEFAULT_TIMEOUT_MS;
    uint8_t bytes[CHUNK_BYTES];

    for (;;) {
        /* The accelerator hears nothing before it has sent that flag, which SPI may hide. */
        bool complete = answers(answer, request);
        int got = device->read(device->context, bytes, sizeof bytes, complete ? 1 : timeout);
        int i;

        if (got < 0 || got > (int)sizeof bytes)
            return CELOSIA_ERROR_IO;
        if (got == 0 && complete)
            return CELOSIA_OK;
        if (got == 0 || noise < (uint32_t)got)
            return CELOSIA_ERROR_TIMEOUT;
        noise -= (uint32_t)got;
        for (i = 0; i < got; i++) {
            uint8_t byte = bytes[i];

            if (byte == CELOSIA_FLAG) {
                if (answers(answer, request))
                    return CELOSIA_OK;
                celosia_begin(answer);
            } else if (answer->length > limit) {
                continue;
            } else if (byte == CELOSIA_ESCAPE) {
                answer->escaped = true;
            } else {
                if (answer->escaped)
                    byte ^= CELOSIA_ESCAPE_CHANGE;
                answer->escaped = false;
                take_byte(answer, request, byte);
            }
        }
    }
}
