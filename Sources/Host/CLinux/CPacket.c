#define _GNU_SOURCE
#include "CPacket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

// The two are handed to the kernel as one and the same.
_Static_assert(sizeof(struct pf_filter_instruction) == sizeof(struct sock_filter), "sock_filter has this layout");

struct pf_packet_ring {
  int descriptor;
  uint8_t *memory;
  size_t size;
  uint32_t block_bytes;
  uint32_t block_count;
  // The block whose turn it is, and whether it is ours at the moment.
  uint32_t block;
  int holds_block;
  uint32_t remaining;
  const uint8_t *next;
};

int32_t pf_attach_filter(int32_t descriptor, const struct pf_filter_instruction *program, uint16_t program_length) {
  struct sock_fprog filter = {.len = program_length, .filter = (struct sock_filter *)program};
  return setsockopt(descriptor, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0 ? 0 : -errno;
}

static int set_up(
    struct pf_packet_ring *ring, int32_t interface, uint32_t patience, const struct pf_filter_instruction *program,
    uint16_t program_length) {
  // Without a protocol nothing is received until the socket is bound. SOCK_DGRAM: packets begin with their IP header,
  // whatever the link.
  ring->descriptor = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (ring->descriptor < 0) return -errno;
  int version = TPACKET_V3;
  if (setsockopt(ring->descriptor, SOL_PACKET, PACKET_VERSION, &version, sizeof version) != 0) return -errno;
  struct tpacket_req3 request = {
      .tp_block_size = ring->block_bytes,
      .tp_block_nr = ring->block_count,
      // Not the size of anything in version 3, but it must divide a block.
      .tp_frame_size = 2048,
      .tp_frame_nr = ring->block_bytes / 2048 * ring->block_count,
      .tp_retire_blk_tov = patience,
  };
  if (setsockopt(ring->descriptor, SOL_PACKET, PACKET_RX_RING, &request, sizeof request) != 0) return -errno;
  void *memory = mmap(NULL, ring->size, PROT_READ | PROT_WRITE, MAP_SHARED, ring->descriptor, 0);
  if (memory == MAP_FAILED) return -errno;
  ring->memory = memory;
  int code = pf_attach_filter(ring->descriptor, program, program_length);
  if (code != 0) return code;
  struct sockaddr_ll address = {
      .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = interface};
  return bind(ring->descriptor, (struct sockaddr *)&address, sizeof address) == 0 ? 0 : -errno;
}

struct pf_packet_ring *pf_packet_ring_open(
    int32_t interface, uint32_t block_bytes, uint32_t block_count, uint32_t patience_milliseconds,
    const struct pf_filter_instruction *program, uint16_t program_length, int32_t *error) {
  struct pf_packet_ring *ring = calloc(1, sizeof *ring);
  if (!ring) {
    *error = ENOMEM;
    return NULL;
  }
  ring->descriptor = -1;
  ring->block_bytes = block_bytes;
  ring->block_count = block_count;
  ring->size = (size_t)block_bytes * block_count;
  int code = set_up(ring, interface, patience_milliseconds, program, program_length);
  if (code == 0) return ring;
  *error = -code;
  pf_packet_ring_close(ring);
  return NULL;
}

void pf_packet_ring_close(struct pf_packet_ring *ring) {
  if (ring->memory) munmap(ring->memory, ring->size);
  if (ring->descriptor >= 0) close(ring->descriptor);
  free(ring);
}

int32_t pf_packet_ring_descriptor(const struct pf_packet_ring *ring) { return ring->descriptor; }

int32_t pf_packet_ring_next(struct pf_packet_ring *ring, struct pf_packet *packet) {
  for (;;) {
    struct tpacket_block_desc *block =
        (struct tpacket_block_desc *)(ring->memory + (size_t)ring->block * ring->block_bytes);
    if (!ring->holds_block) {
      // The kernel writes the status last; what it wrote before must be visible after.
      if (!(__atomic_load_n(&block->hdr.bh1.block_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) return 0;
      ring->holds_block = 1;
      ring->remaining = block->hdr.bh1.num_pkts;
      ring->next = (const uint8_t *)block + block->hdr.bh1.offset_to_first_pkt;
    }
    if (ring->remaining > 0) {
      const struct tpacket3_hdr *header = (const struct tpacket3_hdr *)ring->next;
      packet->bytes = ring->next + header->tp_net;
      packet->captured = header->tp_snaplen;
      packet->length = header->tp_len;
      packet->nanoseconds = (int64_t)header->tp_sec * 1000000000 + header->tp_nsec;
      ring->next += header->tp_next_offset;
      ring->remaining -= 1;
      return 1;
    }
    __atomic_store_n(&block->hdr.bh1.block_status, TP_STATUS_KERNEL, __ATOMIC_RELEASE);
    ring->holds_block = 0;
    ring->block = (ring->block + 1) % ring->block_count;
  }
}

struct pf_packet_counts pf_packet_ring_counts(struct pf_packet_ring *ring) {
  struct tpacket_stats_v3 counts;
  socklen_t length = sizeof counts;
  struct pf_packet_counts result = {0, 0};
  if (getsockopt(ring->descriptor, SOL_PACKET, PACKET_STATISTICS, &counts, &length) != 0) return result;
  result.seen = counts.tp_packets;
  result.dropped = counts.tp_drops;
  return result;
}

int32_t pf_packet_ring_interface_state(const struct pf_packet_ring *ring, const char *name, int32_t index) {
  // Asked through the ring's socket, since that is in the network namespace of the interface.
  struct ifreq request;
  memset(&request, 0, sizeof request);
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(ring->descriptor, SIOCGIFINDEX, &request) != 0 || request.ifr_ifindex != index) return 0;
  if (ioctl(ring->descriptor, SIOCGIFFLAGS, &request) != 0) return 0;
  return request.ifr_flags & IFF_UP ? 2 : 1;
}
