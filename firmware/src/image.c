/* SPDX-License-Identifier: BSD-2-Clause */
/* Images of models (gen/celosia/compiler/image.py has their layout): checked, then written. */

#include "internal.h"

/* The checksum is of all bytes behind it. */
#define CHECKED_AT (CELOSIA_IMAGE_CHECKSUM_AT + 4u)
#define WATCHDOG_SLACK 100000u

struct section {
    const struct celosia_source *source;
    uint32_t space, address, length, offset;
};

static bool read_memory(void *context, uint32_t offset, uint8_t *bytes, uint32_t count)
{
    const uint8_t *image = (const uint8_t *)context + offset;

    while (count--)
        *bytes++ = *image++;
    return true;
}

struct celosia_source celosia_memory(const void *image, uint32_t bytes)
{
    struct celosia_source source;

    source.read = read_memory;
    source.context = (void *)(uintptr_t)image;
    source.bytes = bytes;
    return source;
}

bool celosia_get(const struct celosia_source *source, uint32_t offset, uint8_t *bytes,
                 uint32_t count)
{
    return offset <= source->bytes && count <= source->bytes - offset &&
           source->read(source->context, offset, bytes, count);
}

bool celosia_get_record(const struct celosia_source *source, uint32_t offset, uint32_t *record,
                        uint32_t bytes)
{
    uint32_t i;

    if (!celosia_get(source, offset, (uint8_t *)record, bytes))
        return false;
    for (i = 0; i < bytes / 4; i++)
        record[i] = celosia_load_u32((const uint8_t *)&record[i]);
    return true;
}

static enum celosia_error check_sum(const struct celosia_source *source, uint32_t expected)
{
    uint32_t offset = CHECKED_AT;
    uint32_t sum = CHECKSUM_START;
    uint8_t bytes[CHUNK_BYTES];

    while (offset < source->bytes) {
        uint32_t left = source->bytes - offset;
        uint32_t count = left < sizeof bytes ? left : (uint32_t)sizeof bytes;

        if (!source->read(source->context, offset, bytes, count))
            return CELOSIA_ERROR_SOURCE;
        sum = celosia_checksum(sum, bytes, count);
        offset += count;
    }
    return sum == ~expected ? CELOSIA_OK : CELOSIA_ERROR_IMAGE_CHECKSUM;
}

static enum celosia_error get_section(const struct celosia *device, uint32_t index,
                                      struct section *section)
{
    const struct celosia_source *source = section->source;
    uint32_t record[CELOSIA_SECTION_RECORD_BYTES / 4];
    uint32_t capacity;

    if (!celosia_get_record(source, CELOSIA_IMAGE_RECORD_BYTES + index * CELOSIA_SECTION_RECORD_BYTES,
                    record, sizeof record))
        return CELOSIA_ERROR_SOURCE;
    section->space = FIELD(record, SECTION_SPACE);
    section->address = FIELD(record, SECTION_ADDRESS);
    section->length = FIELD(record, SECTION_LENGTH);
    section->offset = FIELD(record, SECTION_OFFSET);
    if (section->space > CELOSIA_IMAGE_SPACE_EXTERNAL || (section->address | section->length) & 3 ||
        section->offset > source->bytes || section->length > source->bytes - section->offset)
        return CELOSIA_ERROR_IMAGE_CONTENT;
    if (section->space == CELOSIA_IMAGE_SPACE_EXTERNAL)
        return CELOSIA_OK;
    capacity = device->scratch_bytes;
    if (section->space == CELOSIA_IMAGE_SPACE_WEIGHTS)
        capacity = device->weight_bytes;
    else if (section->space == CELOSIA_IMAGE_SPACE_PARAMETERS)
        capacity = device->parameter_bytes;
    if (section->address > capacity || section->length > capacity - section->address)
        return CELOSIA_ERROR_SPACE;
    return CELOSIA_OK;
}

enum celosia_error celosia_parse_tensor(const struct celosia *device, const uint32_t *record,
                                        struct celosia_tensor *tensor)
{
    uint32_t rank = FIELD(record, TENSOR_RANK);
    int32_t zero_point = (int32_t)FIELD(record, TENSOR_ZERO_POINT);
    uint32_t last = 0; /* offset of the last element */

    if (rank > CELOSIA_MAX_RANK || FIELD(record, TENSOR_ELEMENT_BYTES) != 1 ||
        zero_point < -128 || zero_point > 255)
        return CELOSIA_ERROR_IMAGE_CONTENT;
    tensor->address = FIELD(record, TENSOR_ADDRESS);
    tensor->rank = (uint8_t)rank;
    tensor->zero_point = (int16_t)zero_point;
    tensor->elements = 1;
    if (tensor->address >= device->scratch_bytes)
        return CELOSIA_ERROR_SPACE;
    while (rank-- > 0) {
        uint32_t size = (&FIELD(record, TENSOR_SIZE))[rank];
        uint32_t stride = (&FIELD(record, TENSOR_STRIDE))[rank];
        uint32_t room = device->scratch_bytes - 1 - tensor->address - last;

        if (size == 0 || (size > 1 && stride <= last))
            return CELOSIA_ERROR_IMAGE_CONTENT;
        /* A product of 64 bits without its division. */
        if (size > 1 && (uint64_t)(size - 1) * stride > room)
            return CELOSIA_ERROR_SPACE;
        if (size > 1)
            last += (size - 1) * stride;
        tensor->elements *= size;
        tensor->size[rank] = size;
        tensor->stride[rank] = stride;
    }
    return CELOSIA_OK;
}

static enum celosia_error check_tensors(const struct celosia *device,
                                        const struct celosia_source *source, uint32_t offset,
                                        struct celosia_model *model)
{
    uint32_t record[CELOSIA_TENSOR_RECORD_BYTES / 4];
    enum celosia_error error = CELOSIA_OK;
    unsigned i;

    for (i = 0; error == CELOSIA_OK && i < (unsigned)model->inputs + model->outputs; i++) {
        if (!celosia_get_record(source, offset, record, sizeof record))
            return CELOSIA_ERROR_SOURCE;
        error = celosia_parse_tensor(device, record, &model->tensor[i]);
        offset += sizeof record;
    }
    return error;
}

static enum celosia_error check_header(const struct celosia *device,
                                       const struct celosia_source *source,
                                       struct celosia_model *model, uint32_t *sections)
{
    static const uint8_t magic[] = CELOSIA_IMAGE_MAGIC;
    uint32_t record[CELOSIA_IMAGE_RECORD_BYTES / 4];
    uint32_t inputs, outputs, limit, i;
    enum celosia_error error;

    if (source->bytes < sizeof record)
        return CELOSIA_ERROR_IMAGE;
    if (!celosia_get_record(source, 0, record, sizeof record))
        return CELOSIA_ERROR_SOURCE;
    for (i = 0; i < sizeof magic; i += 4)
        if (record[i / 4] != celosia_load_u32(magic + i))
            return CELOSIA_ERROR_IMAGE;
    if (FIELD(record, IMAGE_VERSION) != CELOSIA_IMAGE_VERSION)
        return CELOSIA_ERROR_IMAGE_VERSION;
    if (FIELD(record, IMAGE_LENGTH) != source->bytes)
        return CELOSIA_ERROR_IMAGE_LENGTH;
    model->image_bytes = source->bytes;
    model->image_checksum = FIELD(record, IMAGE_CHECKSUM);
    error = check_sum(source, model->image_checksum);
    if (error != CELOSIA_OK)
        return error;
    model->fingerprint = FIELD(record, IMAGE_FINGERPRINT);
    if (model->fingerprint != device->config)
        return CELOSIA_ERROR_CONFIG;
    model->entry = FIELD(record, IMAGE_ENTRY);
    model->instructions = FIELD(record, IMAGE_INSTRUCTIONS);
    model->profile = FIELD(record, IMAGE_PROFILE);
    model->cycles = FIELD(record, IMAGE_CYCLES);
    *sections = FIELD(record, IMAGE_SECTIONS);
    inputs = FIELD(record, IMAGE_INPUTS);
    outputs = FIELD(record, IMAGE_OUTPUTS);
    limit = device->scratch_bytes / 4;
    if ((model->entry | model->profile) & 3 || model->instructions > limit ||
        *sections > source->bytes / CELOSIA_SECTION_RECORD_BYTES)
        return CELOSIA_ERROR_IMAGE_CONTENT;
    if (model->entry >= 4 * limit || model->profile > 4 * limit - 4 * model->instructions)
        return CELOSIA_ERROR_SPACE;
    if (inputs > CELOSIA_TENSORS || outputs > CELOSIA_TENSORS - inputs)
        return CELOSIA_ERROR_TENSORS;
    if (CELOSIA_IMAGE_RECORD_BYTES + *sections * CELOSIA_SECTION_RECORD_BYTES +
            (inputs + outputs) * CELOSIA_TENSOR_RECORD_BYTES > source->bytes)
        return CELOSIA_ERROR_IMAGE_CONTENT;
    model->inputs = (uint8_t)inputs;
    model->outputs = (uint8_t)outputs;
    return CELOSIA_OK;
}

static enum celosia_error check(const struct celosia *device, const struct celosia_source *source,
                                struct celosia_model *model, uint32_t *sections)
{
    struct section section;
    enum celosia_error error;
    uint32_t i;

    if (!device->open)
        return CELOSIA_ERROR_CLOSED;
    error = check_header(device, source, model, sections);
    model->external = false;
    section.source = source;
    for (i = 0; error == CELOSIA_OK && i < *sections; i++) {
        error = get_section(device, i, &section);
        if (error == CELOSIA_OK && section.space == CELOSIA_IMAGE_SPACE_EXTERNAL)
            model->external = true;
    }
    if (error != CELOSIA_OK)
        return error;
    return check_tensors(device, source,
                         CELOSIA_IMAGE_RECORD_BYTES + *sections * CELOSIA_SECTION_RECORD_BYTES,
                         model);
}

enum celosia_error celosia_check(const struct celosia *device, const struct celosia_source *source,
                                 struct celosia_model *model)
{
    uint32_t sections;

    return check(device, source, model, &sections);
}

static bool give_section(void *state, uint32_t offset, uint8_t *bytes, uint32_t count)
{
    const struct section *section = state;

    return celosia_get(section->source, section->offset + offset, bytes, count);
}

/* Twice the prediction and some: a run that takes longer is hung. */
static uint32_t watchdog(uint32_t cycles)
{
    uint32_t most = UINT32_MAX - WATCHDOG_SLACK;

    return cycles > most / 2 ? UINT32_MAX : 2 * cycles + WATCHDOG_SLACK;
}

static enum celosia_error set_up(struct celosia *device, const struct celosia_model *model)
{
    enum celosia_error error = celosia_set(device, CELOSIA_REGISTER_START, model->entry);

    if (error == CELOSIA_OK)
        error = celosia_set(device, CELOSIA_REGISTER_WATCHDOG, watchdog(model->cycles));
    if (error == CELOSIA_OK)
        error = celosia_set(device, CELOSIA_REGISTER_BREAKPOINT, 0);
    device->loaded = error == CELOSIA_OK;
    device->tested = false;
    device->model = model->image_checksum;
    return error;
}

/* Asks for the accelerator that the model is for, and ends what it does. With `booted`, also that it
 * booted this image from its flash: that left the image's checksum in the scratchpad's last word. */
static enum celosia_error prepare(struct celosia *device, const struct celosia_model *model,
                                  bool booted)
{
    struct celosia_status status;
    uint8_t mark[4];
    enum celosia_error error = celosia_set(device, CELOSIA_REGISTER_IDENT, CELOSIA_IDENT_VALUE);

    if (error == CELOSIA_OK)
        error = celosia_set(device, CELOSIA_REGISTER_CONFIG, model->fingerprint);
    if (error == CELOSIA_OK)
        error = celosia_reset(device);
    if (error == CELOSIA_OK && booted) {
        error = celosia_status(device, &status);
        if (error == CELOSIA_OK)
            error = celosia_read(device, CELOSIA_SPACE_SCRATCH, device->scratch_bytes - 4, mark,
                                 sizeof mark);
        if (error == CELOSIA_OK && (status.boot != CELOSIA_BOOT_DONE ||
                                    celosia_load_u32(mark) != model->image_checksum))
            error = CELOSIA_ERROR_BOOT;
    }
    return error;
}

enum celosia_error celosia_load(struct celosia *device, const struct celosia_source *source,
                                struct celosia_model *model)
{
    struct section section;
    uint32_t sections, i;
    enum celosia_error error = check(device, source, model, &sections);

    if (error == CELOSIA_OK)
        error = prepare(device, model, model->external);
    if (error != CELOSIA_OK)
        return error;
    device->loaded = device->tested = false;
    section.source = source;
    for (i = 0; error == CELOSIA_OK && i < sections; i++) {
        error = get_section(device, i, &section);
        if (error == CELOSIA_OK && section.space != CELOSIA_IMAGE_SPACE_EXTERNAL)
            error = celosia_transfer(device, CELOSIA_COMMAND_WRITE, section.space, section.address,
                                     section.length, give_section, &section);
    }
    if (error == CELOSIA_OK)
        error = set_up(device, model);
    if (error != CELOSIA_OK || device->no_self_test)
        return error;
    error = celosia_self_test(device, model, source);
    return error == CELOSIA_ERROR_NO_SELF_TEST ? CELOSIA_OK : error;
}

enum celosia_error celosia_attach(struct celosia *device, const struct celosia_model *model)
{
    enum celosia_error error = prepare(device, model, true);

    return error == CELOSIA_OK ? set_up(device, model) : error;
}
