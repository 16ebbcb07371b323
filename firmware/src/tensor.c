/* SPDX-License-Identifier: BSD-2-Clause */
/* Tensors in the scratchpad: their elements lie apart, and at any byte address. */

#include "internal.h"

/* A place in the bytes that a transfer goes through, in order of address. */
struct place {
    uint32_t offset;  /* in the transfer */
    uint32_t element; /* the next one */
    uint32_t next;    /* its offset */
    uint32_t index[CELOSIA_MAX_RANK];
};

struct walk {
    const struct celosia_tensor *tensor;
    const uint8_t *from; /* elements to write */
    uint8_t *to;         /* elements that are read */
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

static bool give_elements(void *state, uint32_t offset, uint8_t *bytes, uint32_t count)
{
    struct walk *walk = state;
    struct place *now = &walk->now;

    find(walk, offset);
    for (; count--; now->offset++, bytes++) {
        if (at_element(walk)) {
            *bytes = walk->from[now->element];
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
            walk->to[walk->now.element] = *bytes;
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

enum celosia_error celosia_write_input(struct celosia *device, const struct celosia_model *model,
                                       uint32_t index, const void *data)
{
    struct walk walk;
    uint32_t base, bytes;
    enum celosia_error error = CELOSIA_OK;

    if (index >= model->inputs)
        return CELOSIA_ERROR_ARGUMENT;
    bytes = begin(&walk, &model->tensor[index]);
    base = walk.tensor->address & ~3u;
    walk.from = data;
    if (walk.first)
        error = celosia_read(device, CELOSIA_SPACE_SCRATCH, base, walk.edge, 4);
    if (error == CELOSIA_OK && walk.end & 3)
        error = celosia_read(device, CELOSIA_SPACE_SCRATCH, base + walk.last_word, walk.edge + 4,
                             4);
    if (error != CELOSIA_OK)
        return error;
    return celosia_transfer(device, CELOSIA_COMMAND_WRITE, CELOSIA_SPACE_SCRATCH, base, bytes,
                            give_elements, &walk);
}

enum celosia_error celosia_read_output(struct celosia *device, const struct celosia_model *model,
                                       uint32_t index, void *data)
{
    struct walk walk;
    uint32_t bytes;

    if (index >= model->outputs)
        return CELOSIA_ERROR_ARGUMENT;
    bytes = begin(&walk, &model->tensor[model->inputs + index]);
    walk.to = data;
    return celosia_transfer(device, CELOSIA_COMMAND_READ, CELOSIA_SPACE_SCRATCH,
                            walk.tensor->address & ~3u, bytes, take_elements, &walk);
}
