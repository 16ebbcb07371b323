/* SPDX-License-Identifier: BSD-2-Clause */
/* What the driver's files share. */

#ifndef CELOSIA_INTERNAL_H
#define CELOSIA_INTERNAL_H

#include "celosia.h"

/* Bytes that one request reads or writes at most: a multiple of every row's. */
#define PIECE_BYTES 1024u
#define CHUNK_BYTES 32u
/* Time in which a board boots from flash. */
#define BOOT_MS 10000u
/* Time in which a run ends: the watchdog ends it long before, as a clock has more than a megahertz. */
#define RUN_MS(model) (((model)->cycles >> 9) + 1000u)

/* Produces or takes the bytes of a transfer. `offset` counts from the transfer's beginning on; it
 * goes back to the last multiple of PIECE_BYTES when a piece is sent again. `count` is at most
 * CHUNK_BYTES. */
typedef bool stream_function(void *state, uint32_t offset, uint8_t *bytes, uint32_t count);

struct request {
    uint8_t command, number;
    uint16_t count;
    uint32_t argument;
    stream_function *stream; /* of WRITE, READ and IDENTIFY */
    void *state;
    uint32_t offset; /* of this piece in the transfer */
};

struct answer {
    uint32_t checksum;
    uint32_t length; /* bytes so far; those beyond what can be are not looked at */
    bool escaped;
    uint8_t head[CELOSIA_ANSWER_BYTES];
    uint8_t word[4];
};

void celosia_begin(struct answer *answer);
enum celosia_error celosia_send(struct celosia *device, const struct request *request);
/* Until all of the answer has come. A part of it may have come before a timeout. */
enum celosia_error celosia_receive(struct celosia *device, const struct request *request,
                                   struct answer *answer);

/* Reads or writes `bytes`, a multiple of 4, in pieces. */
enum celosia_error celosia_transfer(struct celosia *device, uint32_t command, uint32_t space,
                                    uint32_t address, uint32_t bytes, stream_function *stream,
                                    void *state);

/* IDENTIFY: reads the registers from IDENT to CYCLES. */
#define IDENTIFY_WORDS (CELOSIA_REGISTER_CYCLES + 1u)
enum celosia_error celosia_identify(struct celosia *device, uint32_t *registers);

/* Records of numbers of 32 bits in an image, whose fields have the offsets of celosia_protocol.h.
 * Reading fails beyond the source's end. */
bool celosia_get(const struct celosia_source *source, uint32_t offset, uint8_t *bytes,
                 uint32_t count);
bool celosia_get_record(const struct celosia_source *source, uint32_t offset, uint32_t *record,
                        uint32_t bytes);
#define FIELD(record, name) (record)[CELOSIA_##name##_AT / 4]

/* An element lies behind the one before it in order of its indices: transfers rely on it. */
enum celosia_error celosia_parse_tensor(const struct celosia *device, const uint32_t *record,
                                        struct celosia_tensor *tensor);

/* Writes a tensor's elements from `data`, or without it those of the random generator that
 * `*random` is the state of (docs/files.md). */
enum celosia_error celosia_write_tensor(struct celosia *device,
                                        const struct celosia_tensor *tensor, const void *data,
                                        uint32_t *random);
/* Reads a tensor's elements into `data`, or without it goes on with the checksum `*sum`. */
enum celosia_error celosia_read_tensor(struct celosia *device, const struct celosia_tensor *tensor,
                                       void *data, uint32_t *sum);

uint32_t celosia_checksum(uint32_t sum, const uint8_t *bytes, uint32_t count);
#define CHECKSUM_START 0xFFFFFFFFu

uint32_t celosia_load_u32(const uint8_t *bytes);
void celosia_store_u32(uint8_t *bytes, uint32_t value);

#endif
