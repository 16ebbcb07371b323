/* SPDX-License-Identifier: BSD-2-Clause */
/* Driver of a Celosia accelerator behind a serial port or SPI, in C99 for hosts and
 * microcontrollers: no allocation, no globals, no floating point.
 *
 * A program fills in the two hooks of `struct celosia`, calls celosia_open() and celosia_load(),
 * and then celosia_run() for each input. docs/microcontroller.md goes through it.
 *
 * Requests that get lost or damaged are repeated within each call. Every call returns CELOSIA_OK
 * or what went wrong; then nothing that it was to write is valid. */

#ifndef CELOSIA_H
#define CELOSIA_H

#include <stdbool.h>
#include <stdint.h>

#include "celosia_protocol.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Inputs and outputs that a model may have together. */
#ifndef CELOSIA_TENSORS
#define CELOSIA_TENSORS 4
#endif

enum celosia_error {
    CELOSIA_OK = 0,
    /* What the accelerator answered, numbered as in the protocol. */
    CELOSIA_ERROR_CHECKSUM = CELOSIA_RESULT_CHECKSUM,
    CELOSIA_ERROR_COMMAND = CELOSIA_RESULT_COMMAND,
    CELOSIA_ERROR_LENGTH = CELOSIA_RESULT_LENGTH,
    CELOSIA_ERROR_ADDRESS = CELOSIA_RESULT_ADDRESS,
    CELOSIA_ERROR_STATE = CELOSIA_RESULT_STATE,
    CELOSIA_ERROR_SEQUENCE = CELOSIA_RESULT_SEQUENCE,
    CELOSIA_ERROR_MISMATCH = CELOSIA_RESULT_MISMATCH,
    /* The link. */
    CELOSIA_ERROR_RESULT,   /* an answer of a later protocol */
    CELOSIA_ERROR_IO,       /* a hook failed */
    CELOSIA_ERROR_TIMEOUT,  /* no answer to any repetition */
    CELOSIA_ERROR_DEVICE,   /* what answers is not an accelerator */
    CELOSIA_ERROR_PROTOCOL, /* another version of the protocol */
    CELOSIA_ERROR_VERSION,  /* another version of the instruction set */
    CELOSIA_ERROR_CLOSED,   /* celosia_open() must come first */
    CELOSIA_ERROR_ARGUMENT, /* a length that is not a multiple of 4, a tensor that is not there */
    /* The image. */
    CELOSIA_ERROR_SOURCE,         /* its source failed or ended early */
    CELOSIA_ERROR_IMAGE,          /* not an image */
    CELOSIA_ERROR_IMAGE_VERSION,  /* of another version */
    CELOSIA_ERROR_IMAGE_LENGTH,   /* truncated, or something behind it */
    CELOSIA_ERROR_IMAGE_CHECKSUM, /* damaged */
    CELOSIA_ERROR_IMAGE_CONTENT,  /* what it says cannot be */
    CELOSIA_ERROR_CONFIG,         /* for another accelerator */
    CELOSIA_ERROR_SPACE,          /* a section or tensor is outside of the memories */
    CELOSIA_ERROR_TENSORS,        /* more than CELOSIA_TENSORS inputs and outputs */
    /* The run. */
    CELOSIA_ERROR_NOT_LOADED, /* the accelerator does not hold this model */
    CELOSIA_ERROR_BOOT,       /* the accelerator did not boot this image from its flash */
    CELOSIA_ERROR_BUSY,       /* not done within the time */
    CELOSIA_ERROR_STOPPED,    /* no run has reached its end */
    CELOSIA_ERROR_WATCHDOG,   /* ended by the watchdog */
    CELOSIA_ERROR_PROGRAM,    /* unknown instruction */
    CELOSIA_ERROR_ACCESS,     /* memory was accessed in a run */
    /* The known-answer test. */
    CELOSIA_ERROR_SELF_TEST,  /* a layer differs from the reference: `failed` of struct celosia */
    CELOSIA_ERROR_NO_SELF_TEST /* there are no known answers */
};

/* An English sentence without a full stop. */
const char *celosia_error_text(enum celosia_error error);

/* An accelerator. Set the hooks, and what else is not to be zero, before celosia_open(); the
 * driver uses one only from within calls for it. */
struct celosia {
    /* Sends all bytes; false if that failed. */
    bool (*write)(void *context, const uint8_t *bytes, uint32_t count);
    /* Receives 1 to `count` bytes as soon as there are any, and returns how many; 0 after
     * `timeout_ms` without one; negative if that failed. Behind SPI, where CELOSIA_FLAG comes all
     * the time, flags alone count as none, and flags in a row may be cut to one. */
    int (*read)(void *context, uint8_t *bytes, uint32_t count, uint32_t timeout_ms);
    void *context;       /* handed to the hooks */
    uint16_t timeout_ms; /* for an answer to begin, time to send a request included; 0: 250 */
    uint8_t attempts;    /* to send a request; 0: 8 */
    bool no_self_test;   /* celosia_load() leaves out the known-answer test */

    /* Read only, from celosia_open() on. */
    uint32_t config; /* fingerprint of the configuration */
    uint32_t scratch_bytes, weight_bytes, parameter_bytes;
    uint32_t cycles; /* of the last run that celosia_wait() saw the end of */
    bool tested;     /* the model that is loaded has passed its known-answer test */
    /* After CELOSIA_ERROR_SELF_TEST, the first layer that differed: its number, from 0, and operator
     * and name, such as "Conv2D conv_1". Behind the layers are the outputs, as they are at the end. */
    uint16_t failed_layer;
    char failed[CELOSIA_CHECK_TEXT_BYTES];

    /* The driver's own. */
    uint32_t model;
    uint8_t number, reads;
    bool open, unsure, loaded;
};

/* An 8-bit tensor in the scratchpad: element (i, j, ...) at address + i*stride[0] + ... */
struct celosia_tensor {
    uint32_t address;
    uint32_t elements;
    uint8_t rank;
    int16_t zero_point;
    uint32_t size[CELOSIA_MAX_RANK];
    uint32_t stride[CELOSIA_MAX_RANK];
};

/* What the driver knows of a model, from its image or from model.h. Inputs come first. */
struct celosia_model {
    uint32_t image_bytes, image_checksum;
    uint32_t fingerprint;
    uint32_t entry;
    uint32_t instructions; /* END included */
    uint32_t profile;      /* address of the cycle counters */
    uint32_t cycles;       /* predicted */
    bool external;         /* weights are read from the board's flash, see celosia_load() */
    uint8_t inputs, outputs;
    struct celosia_tensor tensor[CELOSIA_TENSORS];
};

/* Where an image comes from. */
struct celosia_source {
    /* Reads `count` bytes at `offset`, all within `bytes`; false if that failed. */
    bool (*read)(void *context, uint32_t offset, uint8_t *bytes, uint32_t count);
    void *context;
    uint32_t bytes; /* length of the image */
};

struct celosia_status {
    bool busy, done, paused;
    uint8_t error; /* CELOSIA_RUN_ERROR_... */
    uint8_t boot;  /* CELOSIA_BOOT_... */
    uint16_t instruction;
    uint32_t cycles;
};

/* --- accelerator ------------------------------------------------------------------------------ */

/* Identifies the accelerator, checks versions, waits for a boot from flash. Call it first, and
 * again (with celosia_load() behind it) after CELOSIA_ERROR_SEQUENCE: the accelerator was
 * restarted, or another host spoke to it. */
enum celosia_error celosia_open(struct celosia *device);

/* Ends a run, clears error and flags; the memories stay. */
enum celosia_error celosia_reset(struct celosia *device);

enum celosia_error celosia_status(struct celosia *device, struct celosia_status *status);

/* Any words of a space; `address` and `bytes` are multiples of 4. */
enum celosia_error celosia_read(struct celosia *device, uint32_t space, uint32_t address,
                                void *data, uint32_t bytes);
enum celosia_error celosia_write(struct celosia *device, uint32_t space, uint32_t address,
                                 const void *data, uint32_t bytes);
enum celosia_error celosia_set(struct celosia *device, uint32_t number, uint32_t value);

/* --- model ------------------------------------------------------------------------------------ */

/* Checks all of an image, also that it is for this accelerator, and tells what is in it. */
enum celosia_error celosia_check(const struct celosia *device, const struct celosia_source *source,
                                 struct celosia_model *model);

/* Checks an image as celosia_check() does, only if it is good writes it, piece by piece, and then
 * runs its known-answer test, if it has one and `no_self_test` is not set. A section for the board's flash is left out; `model->external` tells. Then the accelerator must
 * have booted this very image from there, or the error is CELOSIA_ERROR_BOOT, and what was loaded
 * before stays. */
enum celosia_error celosia_load(struct celosia *device, const struct celosia_source *source,
                                struct celosia_model *model);

/* A source that is memory. */
struct celosia_source celosia_memory(const void *image, uint32_t bytes);

/* Instead of celosia_load(), where the accelerator booted this model from its flash and nothing was
 * loaded since. Nothing is tested; celosia_self_test() may follow. */
enum celosia_error celosia_attach(struct celosia *device, const struct celosia_model *model);

/* Runs a model that is loaded on a known input, and compares what each layer makes of it with what
 * the integer reference says. It is one run, and all that the layers compute is read. The answers
 * come from the image, or from MODEL_SELF_TEST of model.h:
 *     static const uint8_t answers[] = MODEL_SELF_TEST;
 *     struct celosia_source source = celosia_memory(answers, sizeof answers);
 * After any error but CELOSIA_ERROR_NO_SELF_TEST the model is not loaded any more. */
enum celosia_error celosia_self_test(struct celosia *device, const struct celosia_model *model,
                                     const struct celosia_source *source);

/* --- runs ------------------------------------------------------------------------------------- */

/* A whole run: the elements of all inputs, one tensor behind the other, and of all outputs. */
enum celosia_error celosia_run(struct celosia *device, const struct celosia_model *model,
                               const void *input, void *output);

/* Its steps. `index` counts inputs, or outputs, from 0; data are `elements` bytes. */
enum celosia_error celosia_write_input(struct celosia *device, const struct celosia_model *model,
                                       uint32_t index, const void *data);
enum celosia_error celosia_start(struct celosia *device, const struct celosia_model *model);
/* CELOSIA_OK once the run is done, CELOSIA_ERROR_BUSY before. Sets `device->cycles`. */
enum celosia_error celosia_poll(struct celosia *device);
/* The same, waiting for `timeout_ms` at least, with pauses of a millisecond. */
enum celosia_error celosia_wait(struct celosia *device, uint32_t timeout_ms);
enum celosia_error celosia_read_output(struct celosia *device, const struct celosia_model *model,
                                       uint32_t index, void *data);
/* The value of CYCLES when each of `count` instructions was complete, from instruction `first`. */
enum celosia_error celosia_counters(struct celosia *device, const struct celosia_model *model,
                                    uint32_t first, uint32_t count, uint32_t *cycles);

/* --- arithmetic around a model ---------------------------------------------------------------- */

/* x * multiplier * 2^(shift - 31), rounded twice, as TensorFlow Lite does it: multipliers of
 * 0..2^31 - 1, shifts of -31..31. model.h has them for each scale. */
int32_t celosia_multiply(int32_t x, int32_t multiplier, int shift);

/* zero_point + x * multiplier * 2^(shift - 31) as int8, saturated. */
int8_t celosia_requantize(int32_t x, int32_t multiplier, int shift, int32_t zero_point);

/* A pixel of 0..255 for an input with the zero point -128. */
int8_t celosia_pixel(uint8_t pixel);

/* Index of the first of the largest values; `count` is at least 1. */
uint32_t celosia_argmax(const int8_t *values, uint32_t count);

/* TensorFlow Lite's int8 SOFTMAX of 1..4095 classes, byte for byte; scale 1/256, zero point -128.
 * model.h has the three constants. `output` may be `input`. */
void celosia_softmax(const int8_t *input, int8_t *output, uint32_t count, int32_t multiplier,
                     int shift, int32_t least_difference);

#ifdef __cplusplus
}
#endif

#endif
