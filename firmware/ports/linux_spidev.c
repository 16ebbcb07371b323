/* SPDX-License-Identifier: BSD-2-Clause */
#define _POSIX_C_SOURCE 199309L

#include "linux_spidev.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/spi/spidev.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

/* Bytes of a transfer: spidev takes at least a page. */
#define TRANSFER_BYTES 512u

static bool transfer(int file, const uint8_t *out, uint8_t *in, uint32_t count)
{
    struct spi_ioc_transfer message;

    memset(&message, 0, sizeof message);
    message.tx_buf = (uintptr_t)out;
    message.rx_buf = (uintptr_t)in;
    message.len = count;
    return ioctl(file, SPI_IOC_MESSAGE(1), &message) >= 0;
}

/* The accelerator sends only flags until it has all of a request. */
static bool write_bytes(void *context, const uint8_t *bytes, uint32_t count)
{
    const struct celosia_spi *spi = context;

    while (count) {
        uint32_t part = count < TRANSFER_BYTES ? count : TRANSFER_BYTES;

        if (!transfer(spi->file, bytes, NULL, part))
            return false;
        bytes += part;
        count -= part;
    }
    return true;
}

static uint64_t now_ms(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Sends flags until something else than flags comes back; one stands for those before it. A flag
 * that is the first byte of a transfer may have come within an answer, and is left out. */
static int read_bytes(void *context, uint8_t *bytes, uint32_t count, uint32_t timeout_ms)
{
    const struct celosia_spi *spi = context;
    uint64_t end = now_ms() + timeout_ms;
    uint8_t flags[TRANSFER_BYTES];
    uint8_t back[TRANSFER_BYTES];
    uint32_t kept = 0;

    if (count > TRANSFER_BYTES)
        count = TRANSFER_BYTES;
    memset(flags, (int)CELOSIA_FLAG, sizeof flags);
    for (;;) {
        uint32_t got = count - kept;

        if (!transfer(spi->file, flags, back, got))
            return -1;
        if (memcmp(back, flags, got) != 0) {
            uint32_t first = back[0] == CELOSIA_FLAG;

            memcpy(bytes + kept, back + first, got - first);
            return (int)(kept + got - first);
        }
        if (now_ms() >= end)
            return 0;
        bytes[0] = (uint8_t)CELOSIA_FLAG;
        kept = 1;
    }
}

bool celosia_spi_open(struct celosia_spi *spi, struct celosia *device, const char *path,
                      uint32_t hertz)
{
    uint8_t mode = SPI_MODE_0;
    uint8_t bits = 8;
    int error;

    spi->file = open(path, O_RDWR);
    if (spi->file < 0)
        return false;
    if (ioctl(spi->file, SPI_IOC_WR_MODE, &mode) == 0 &&
        ioctl(spi->file, SPI_IOC_WR_BITS_PER_WORD, &bits) == 0 &&
        ioctl(spi->file, SPI_IOC_WR_MAX_SPEED_HZ, &hertz) == 0) {
        device->write = write_bytes;
        device->read = read_bytes;
        device->context = spi;
        return true;
    }
    error = errno;
    (void)close(spi->file);
    errno = error;
    return false;
}

void celosia_spi_close(struct celosia_spi *spi)
{
    (void)close(spi->file);
}
