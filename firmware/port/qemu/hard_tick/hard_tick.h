#include <stdint.h>

#define TIME_MASK (0x3fffffff)

uint32_t hard_tick_us(void); // the time in microseconds, modulo 2**30
