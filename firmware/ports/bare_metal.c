/* SPDX-License-Identifier: BSD-2-Clause */
/* A port for a microcontroller. To fill in: what follows here, for UART or for SPI. */

#include "bare_metal.h"

/* Yours: waits until a byte can be sent, and sends it. */
extern void board_uart_send(uint8_t byte);
/* Yours: whether a byte has been received; if so, takes it. At high rates, from a buffer that an
 * interrupt or DMA fills. */
extern bool board_uart_receive(uint8_t *byte);
/* Yours: begins a transfer, chip select low, or ends it. */
extern void board_spi_select(bool selected);
/* Yours: sends a byte by SPI, mode 0, and returns the one received. */
extern uint8_t board_spi_exchange(uint8_t byte);
/* Yours: a counter of milliseconds that wraps at 2^32. */
extern uint32_t board_milliseconds(void);

static bool uart_write(void *context, const uint8_t *bytes, uint32_t count)
{
    (void)context;
    while (count--)
        board_uart_send(*bytes++);
    return true;
}

static int uart_read(void *context, uint8_t *bytes, uint32_t count, uint32_t timeout_ms)
{
    uint32_t start = board_milliseconds();
    uint32_t got = 0;

    (void)context;
    do {
        while (got < count && board_uart_receive(bytes + got))
            got++;
    } while (got == 0 && board_milliseconds() - start < timeout_ms);
    return (int)got;
}

static bool spi_write(void *context, const uint8_t *bytes, uint32_t count)
{
    (void)context;
    board_spi_select(true);
    while (count--)
        (void)board_spi_exchange(*bytes++);
    board_spi_select(false);
    return true;
}

/* Sends flags until something else than flags comes back; one stands for those before it. A flag
 * that is the first byte of a transfer may have come within an answer, and is left out. */
static uint32_t spi_exchange(uint8_t *bytes, uint32_t count, uint32_t timeout_ms)
{
    uint32_t start = board_milliseconds();
    uint8_t byte = board_spi_exchange((uint8_t)CELOSIA_FLAG);
    uint32_t got = 0;

    while (byte == CELOSIA_FLAG) {
        if (board_milliseconds() - start >= timeout_ms)
            return 0;
        byte = board_spi_exchange((uint8_t)CELOSIA_FLAG);
        if (byte == CELOSIA_FLAG) {
            bytes[0] = byte;
            got = 1;
        }
    }
    bytes[got++] = byte;
    while (got < count)
        bytes[got++] = board_spi_exchange((uint8_t)CELOSIA_FLAG);
    return got;
}

static int spi_read(void *context, uint8_t *bytes, uint32_t count, uint32_t timeout_ms)
{
    uint32_t got;

    (void)context;
    board_spi_select(true);
    got = spi_exchange(bytes, count, timeout_ms);
    board_spi_select(false);
    return (int)got;
}

void celosia_use_uart(struct celosia *device)
{
    device->write = uart_write;
    device->read = uart_read;
}

void celosia_use_spi(struct celosia *device)
{
    device->write = spi_write;
    device->read = spi_read;
}
