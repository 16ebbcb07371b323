/* SPDX-License-Identifier: BSD-2-Clause */
/* Tensors in the scratchpad: their elements lie apart, and at any byte address. */

#include "internal.h"

/* A place in the bytes that a transfer goes through, in order of address. */
struct place {
    uint32_t offset;  /* in the transfer */
    uint32_t element; /* the next one */
    uint32_t next;    /* its offset */
    uint32_t sum;     /* of the elements so far, or the random generator's state behind them */
    uint32_t index[CELOSIA_MAX_RANK];
};

struct walk {
    const struct celosia_tensor *tensor;
    const uint8_t *from; /* elements to write; none: random ones */
    uint8_t *to;         /* elements that are read; none: their checksum is kept */
    uint32_t first, end; /* offsets of the tensor's first byte and behind its last one */
    uint8_t edge[8];     /* the words that hold those, as they were */
    uint32_t last_word;
    struct place piece, now;
};

static void advance(struct walk *walk)
{
    const struct celosia_tensor *tensor = walk->tensor;
    struct place *now = &walk->now;
    unsigned i = tensor->rank;

    now->element++;
    while (i-- > 0) {
        now->next += tensor->stride[i];
        if (++now->index[i] < tensor->size[i])
            return;
        now->next -= now->index[i] * tensor->stride[i];
        now->index[i] = 0;
    }
}

/* A transfer that goes back begins a piece again. */
static void find(struct walk *walk, uint32_t offset)
{
    if (offset % PIECE_BYTES)
        return;
    if (offset == walk->now.offset)
        walk->piece = walk->now;
    else
        walk->now = walk->piece;
}

/* Whether an element lies at this offset: then it is the next one. */
static bool at_element(const struct walk *walk)
{
    return walk->now.offset == walk->now.next && walk->now.element < walk->tensor->elements;
}

static uint8_t next_random(uint32_t *state)
{
    uint32_t x = *state;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    *state = x;
    return (uint8_t)(x >> 24);
}

static bool give_elements(void *state, uint32_t offset, uint8_t *bytes, uint32_t count)
{
    struct walk *walk = state;
    struct place *now = &walk->now;

    find(walk, offset);
    for (; count--; now->offset++, bytes++) {
        if (at_element(walk)) {
            *bytes = walk->from ? walk->from[now->element] : next_random(&now->sum);
            advance(walk);
        } else if (now->offset < walk->first) {
            *bytes = walk->edge[now->offset];
        } else if (now->offset >= walk->end) {
            *bytes = walk->edge[4 + now->offset - walk->last_word];
        } else {
            *bytes = (uint8_t)walk->tensor->zero_point;
        }
    }
    return true;
}

static bool take_elements(void *state, uint32_t offset, uint8_t *bytes, uint32_t count)
{
    struct walk *walk = state;

    find(walk, offset);
    for (; count--; walk->now.offset++, bytes++) {
        if (at_element(walk)) {
            if (walk->to)
                walk->to[walk->now.element] = *bytes;
            else
                walk->now.sum = celosia_checksum(walk->now.sum, bytes, 1);
            advance(walk);
        }
    }
    return true;
}

/* Prepares a walk, and returns the number of bytes of the words that it goes through. */
static uint32_t begin(struct walk *walk, const struct celosia_tensor *tensor)
{
    uint32_t i;

    walk->tensor = tensor;
    walk->first = tensor->address & 3;
    walk->end = walk->first + 1;
    for (i = 0; i < CELOSIA_MAX_RANK; i++) {
        if (i < tensor->rank)
            walk->end += (tensor->size[i] - 1) * tensor->stride[i];
        walk->now.index[i] = 0;
    }
    walk->now.offset = 0;
    walk->now.element = 0;
    walk->now.next = walk->first;
    walk->last_word = (walk->end - 1) & ~3u;
    return walk->last_word + 4;
}

enum celosia_error celosia_write_tensor(struct celosia *device,
                                        const struct celosia_tensor *tensor, const void *data,
                                        uint32_t *random)
{
    struct walk walk;
    uint32_t bytes = begin(&walk, tensor);
    uint32_t base = tensor->address & ~3u;
    enum celosia_error error = CELOSIA_OK;

    walk.from = data;
    walk.now.sum = *random;
    if (walk.first)
        error = celosia_read(device, CELOSIA_SPACE_SCRATCH, base, walk.edge, 4);
    if (error == CELOSIA_OK && walk.end & 3)
        error = celosia_read(device, CELOSIA_SPACE_SCRATCH, base + walk.last_word, walk.edge + 4,
                             4);
    if (error == CELOSIA_OK)
        error = celosia_transfer(device, CELOSIA_COMMAND_WRITE, CELOSIA_SPACE_SCRATCH, base, bytes,
                                 give_elements, &walk);
    *random = walk.now.sum;
    return error;
}

enum celosia_error celosia_read_tensor(struct celosia *device, const struct celosia_tensor *tensor,
                                       void *data, uint32_t *sum)
{
    struct walk walk;
    uint32_t bytes = begin(&walk, tensor);
    enum celosia_error error;

    walk.to = data;
    walk.now.sum = *sum;
    error = celosia_transfer(device, CELOSIA_COMMAND_READ, CELOSIA_SPACE_SCRATCH,
                             tensor->address & ~3u, bytes, take_elements, &walk);
    *sum = walk.now.sum;
    return error;
}

enum celosia_error celosia_write_input(struct celosia *device, const struct celosia_model *model,
                                       uint32_t index, const void *data)
{
    uint32_t unused = 0;

    if (index >= model->inputs)
        return CELOSIA_ERROR_ARGUMENT;
    return celosia_write_tensor(device, &model->tensor[index], data, &unused);
}

enum celosia_error celosia_read_output(struct celosia *device, const struct celosia_model *model,
                                       uint32_t index, void *data)
{
    uint32_t unused = 0;

    if (index >= model->outputs)
        return CELOSIA_ERROR_ARGUMENT;
    return celosia_read_tensor(device, &model->tensor[model->inputs + index], data, &unused);
}
