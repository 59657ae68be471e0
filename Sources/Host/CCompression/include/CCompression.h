#ifndef C_COMPRESSION_H
#define C_COMPRESSION_H
#include <stddef.h>
#include <stdint.h>

/// Unpacks one stream of gzip, zstd or xz, piece by piece, also of several members or frames behind each other.
typedef struct photofinish_unpacker photofinish_unpacker;

typedef enum {
  photofinish_unpack_ok = 0,
  /// The packed bytes are damaged.
  photofinish_unpack_damaged = 1,
} photofinish_unpack_status;

typedef enum {
  photofinish_packing_gzip = 0,
  photofinish_packing_zstd = 1,
  photofinish_packing_xz = 2,
} photofinish_packing;

/// Returns a null pointer when there is no memory.
photofinish_unpacker *_Nullable photofinish_unpacker_open(photofinish_packing packing);
void photofinish_unpacker_close(photofinish_unpacker *_Nonnull unpacker);

/// Unpacks from `source` into `target`; tells how many bytes of each were used.
photofinish_unpack_status photofinish_unpack(photofinish_unpacker *_Nonnull unpacker, const uint8_t *_Nonnull source,
                                             size_t source_count, size_t *_Nonnull consumed, uint8_t *_Nonnull target,
                                             size_t target_count, size_t *_Nonnull produced);
/// Whether the packed bytes given so far end where a member or frame ends.
int photofinish_unpacker_is_between(const photofinish_unpacker *_Nonnull unpacker);

/// Packs all of `source` with gzip, fast rather than small. Returns how many bytes of `target` were used; 0 when it has no room.
size_t photofinish_pack_gzip(const uint8_t *_Nonnull source, size_t source_count, uint8_t *_Nonnull target,
                             size_t target_count);
/// Room that the packed bytes surely fit in.
size_t photofinish_pack_bound(size_t source_count);
#endif
