#ifndef PHOTOFINISH_C_PACKET_H
#define PHOTOFINISH_C_PACKET_H

#include <stdint.h>

// A packet socket with a ring that it shares with the kernel (TPACKET_V3).

// One instruction of a classic BPF program, as the kernel's sock_filter.
struct pf_filter_instruction {
  uint16_t code;
  uint8_t jump_true;
  uint8_t jump_false;
  uint32_t value;
};

// A packet from its IP header on. The bytes are valid until the next call of `pf_packet_ring_next`.
struct pf_packet {
  const uint8_t *bytes;
  uint32_t captured;
  uint32_t length;
  // Nanoseconds since 1970.
  int64_t nanoseconds;
};

struct pf_packet_counts {
  // Packets that the filter let pass, dropped ones among them.
  uint32_t seen;
  // Packets for which the ring had no room.
  uint32_t dropped;
};

struct pf_packet_ring;

// Opens a socket, attaches the filter, and only then begins to receive, so that no packet passes unfiltered.
//   interface: index of an interface; 0 for all of them.
//   error:     the errno of what failed, when the result is null.
// A block that holds packets is handed over when it is full, or after `patience_milliseconds`.
struct pf_packet_ring *pf_packet_ring_open(
    int32_t interface, uint32_t block_bytes, uint32_t block_count, uint32_t patience_milliseconds,
    const struct pf_filter_instruction *program, uint16_t program_length, int32_t *error);
void pf_packet_ring_close(struct pf_packet_ring *ring);

// To be waited for as readable.
int32_t pf_packet_ring_descriptor(const struct pf_packet_ring *ring);

// 1 with the next packet, 0 when there is none now. Gives blocks back to the kernel as they are used up.
int32_t pf_packet_ring_next(struct pf_packet_ring *ring, struct pf_packet *packet);

// What happened since the last call.
struct pf_packet_counts pf_packet_ring_counts(struct pf_packet_ring *ring);

// Whether the interface that had `index` under this name is up (2), down (1), or there no more (0).
int32_t pf_packet_ring_interface_state(const struct pf_packet_ring *ring, const char *name, int32_t index);

// SO_ATTACH_FILTER; 0 or a negative errno.
int32_t pf_attach_filter(int32_t descriptor, const struct pf_filter_instruction *program, uint16_t program_length);

#endif
