"""A write into a socket of lwIP's that shall not wait finds out at once whether there is room.

lwIP queues what is written until the peer has acknowledged it: in memory that all connections
share, 8,000 bytes, where the queue of one takes 6,400. Where that memory is full MicroPython
tries again each 50 ms, 10 s long, whatever the timeout is; one connection whose peer has stopped
reading had `net` killed for its budget as soon as another wrote. And `poll` says that there is
room, so that who waits for it would try again without end.

What is queued and does not fit into the line's buffer is sent again by lwIP's timer: it is taken,
and no error of the connection.
"""

from bulkhead_host.image.change import Change

_MODULE = "extmod/modlwip.c"
_SEND = """\
static mp_uint_t lwip_tcp_send(lwip_socket_obj_t *socket, const byte *buf, mp_uint_t len, int \
*_errno) {
"""
# What tcp_write takes at most, of memory and of segments, for what fits into one segment.
_HAS_ROOM = """\
static bool lwip_tcp_has_room(struct tcp_pcb *pcb) {
    if (tcp_sndbuf(pcb) == 0 || tcp_sndqueuelen(pcb) >= TCP_SND_QUEUELEN) {
        return false;
    }
    void *segment = memp_malloc(MEMP_TCP_SEG);
    if (segment == NULL) {
        return false;
    }
    memp_free(MEMP_TCP_SEG, segment);
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, tcp_mss(pcb), PBUF_RAM);
    if (p == NULL) {
        return false;
    }
    pbuf_free(p);
    return true;
}

"""
_AGAIN = """\
        if (err != ERR_OK) {
            break;
        }
        MICROPY_PY_LWIP_EXIT
        mp_hal_delay_ms(50);
"""
_AT_ONCE = """\
        if (socket->timeout == 0) {
            MICROPY_PY_LWIP_EXIT
            *_errno = MP_EAGAIN;
            return MP_STREAM_ERROR;
        }
"""
_OUTPUT = """\
        err = tcp_output_nagle(socket->pcb.tcp);
"""
_TAKEN = """\
        if (err == ERR_MEM || err == ERR_BUF || err == ERR_IF) {
            err = ERR_OK;
        }
"""
_INCLUDE = '#include "lwip/tcp.h"\n'

SOCKET_ROOM_CHANGES = (
    Change(path=_MODULE, before=_INCLUDE, after='#include "lwip/memp.h"\n' + _INCLUDE),
    Change(path=_MODULE, before=_SEND, after=_HAS_ROOM + _SEND),
    Change(path=_MODULE, before=_AGAIN, after=_AT_ONCE + _AGAIN),
    Change(path=_MODULE, before=_OUTPUT, after=_OUTPUT + _TAKEN),
    Change(
        path=_MODULE,
        before="socket->pcb.tcp != NULL && tcp_sndbuf(socket->pcb.tcp) > 0)",
        after="socket->pcb.tcp != NULL && lwip_tcp_has_room(socket->pcb.tcp))",
    ),
)
