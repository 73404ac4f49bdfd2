# The SDK's own board, with lwIP and PPP over a UART. Without a thread, mbedtls and lwIP take
# their memory from this heap of C's.
set(PICO_BOARD "pico")
set(MICROPY_PY_LWIP ON)
set(MICROPY_C_HEAP_SIZE 4096)
