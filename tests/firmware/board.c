/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions that bare_metal.c asks for, and spidev's ioctl, made of functions of the test. */

#include "bare_metal.h"
#include "linux_spidev.h"

#include <linux/spi/spidev.h>
#include <stdarg.h>

void board_set(uint8_t (*exchange)(uint8_t), void (*send)(uint8_t), int (*receive)(void),
               uint32_t (*milliseconds)(void));
uint8_t board_spi_exchange(uint8_t byte);
void board_uart_send(uint8_t byte);
bool board_uart_receive(uint8_t *byte);
uint32_t board_milliseconds(void);
int board_ioctl(int file, unsigned long request, ...);

static uint8_t (*spi_exchange)(uint8_t);
static void (*uart_send)(uint8_t);
static int (*uart_receive)(void);
static uint32_t (*clock_ms)(void);

void board_set(uint8_t (*exchange)(uint8_t), void (*send)(uint8_t), int (*receive)(void),
               uint32_t (*milliseconds)(void))
{
    spi_exchange = exchange;
    uart_send = send;
    uart_receive = receive;
    clock_ms = milliseconds;
}

uint8_t board_spi_exchange(uint8_t byte)
{
    return spi_exchange(byte);
}

void board_uart_send(uint8_t byte)
{
    uart_send(byte);
}

bool board_uart_receive(uint8_t *byte)
{
    int got = uart_receive();

    if (got >= 0)
        *byte = (uint8_t)got;
    return got >= 0;
}

uint32_t board_milliseconds(void)
{
    return clock_ms();
}

int board_ioctl(int file, unsigned long request, ...)
{
    const struct spi_ioc_transfer *message;
    va_list arguments;
    uint32_t i;

    va_start(arguments, request);
    message = va_arg(arguments, const struct spi_ioc_transfer *);
    va_end(arguments);
    if (request != SPI_IOC_MESSAGE(1))
        return file < 0 ? -1 : 0;
    for (i = 0; i < message->len; i++) {
        const uint8_t *out = (const uint8_t *)(uintptr_t)message->tx_buf;
        uint8_t *in = (uint8_t *)(uintptr_t)message->rx_buf;
        uint8_t byte = spi_exchange(out[i]);

        if (in)
            in[i] = byte;
    }
    return (int)message->len;
}
