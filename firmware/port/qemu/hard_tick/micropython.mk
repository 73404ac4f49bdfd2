SRC_USERMOD_C += $(USERMOD_DIR)/hard_tick.c $(USERMOD_DIR)/time.c
CFLAGS_USERMOD += -include $(USERMOD_DIR)/atomic.h
