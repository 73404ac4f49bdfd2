// A Raspberry Pi Pico with a network: lwIP, and PPP over a UART.
#define MICROPY_HW_BOARD_NAME "Raspberry Pi Pico with PPP"
#define MICROPY_HW_FLASH_STORAGE_BYTES (1024 * 1024)
#define MICROPY_PY_NETWORK (1)
#define MICROPY_PY_NETWORK_PPP_LWIP (1)
