#include "CCompression.h"
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

struct photofinish_unpacker {
  z_stream inflate;
  ZSTD_DStream *zstd;
  int is_between;
};

photofinish_unpacker *photofinish_unpacker_open(int zstd) {
  photofinish_unpacker *unpacker = calloc(1, sizeof *unpacker);
  if (!unpacker) return NULL;
  unpacker->is_between = 1;
  if (zstd) {
    unpacker->zstd = ZSTD_createDStream();
    // A window above 128 MiB would let a small file claim all memory.
    if (unpacker->zstd && !ZSTD_isError(ZSTD_DCtx_setParameter(unpacker->zstd, ZSTD_d_windowLogMax, 27))) return unpacker;
    ZSTD_freeDStream(unpacker->zstd);
    free(unpacker);
    return NULL;
  }
  if (inflateInit2(&unpacker->inflate, 15 + 16) == Z_OK) return unpacker;
  free(unpacker);
  return NULL;
}

void photofinish_unpacker_close(photofinish_unpacker *unpacker) {
  if (unpacker->zstd) {
    ZSTD_freeDStream(unpacker->zstd);
  } else {
    inflateEnd(&unpacker->inflate);
  }
  free(unpacker);
}

photofinish_unpack_status photofinish_unpack(photofinish_unpacker *unpacker, const uint8_t *source, size_t source_count,
                                             size_t *consumed, uint8_t *target, size_t target_count, size_t *produced) {
  *consumed = 0;
  *produced = 0;
  if (unpacker->zstd) {
    ZSTD_inBuffer in = {source, source_count, 0};
    ZSTD_outBuffer out = {target, target_count, 0};
    size_t result = ZSTD_decompressStream(unpacker->zstd, &out, &in);
    *consumed = in.pos;
    *produced = out.pos;
    if (ZSTD_isError(result)) return photofinish_unpack_damaged;
    unpacker->is_between = result == 0;
    return photofinish_unpack_ok;
  }
  if (unpacker->is_between && source_count > 0) {
    unpacker->is_between = 0;
  }
  unpacker->inflate.next_in = (Bytef *)source;
  unpacker->inflate.avail_in = source_count > 1u << 30 ? 1u << 30 : (uInt)source_count;
  unpacker->inflate.next_out = target;
  unpacker->inflate.avail_out = target_count > 1u << 30 ? 1u << 30 : (uInt)target_count;
  int result = inflate(&unpacker->inflate, Z_NO_FLUSH);
  *consumed = (size_t)(unpacker->inflate.next_in - source);
  *produced = (size_t)(unpacker->inflate.next_out - target);
  if (result == Z_STREAM_END) {
    unpacker->is_between = 1;
    return inflateReset(&unpacker->inflate) == Z_OK ? photofinish_unpack_ok : photofinish_unpack_damaged;
  }
  return result == Z_OK || result == Z_BUF_ERROR ? photofinish_unpack_ok : photofinish_unpack_damaged;
}

int photofinish_unpacker_is_between(const photofinish_unpacker *unpacker) { return unpacker->is_between; }
