/* SPDX-License-Identifier: BSD-2-Clause */
/* An SPI controller of Linux, through spidev. */

#ifndef CELOSIA_LINUX_SPIDEV_H
#define CELOSIA_LINUX_SPIDEV_H

#include "celosia.h"

struct celosia_spi {
    int file;
};

/* Opens the device (`/dev/spidev0.0`) in mode 0 and sets the hooks of `device`. `hertz` is an eighth
 * of the accelerator's clock at most. False if that failed; errno tells why. */
bool celosia_spi_open(struct celosia_spi *spi, struct celosia *device, const char *path,
                      uint32_t hertz);
void celosia_spi_close(struct celosia_spi *spi);

#endif
