#include "CCompression.h"
#include <lzma.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

struct photofinish_unpacker {
  photofinish_packing packing;
  z_stream inflate;
  ZSTD_DStream *zstd;
  lzma_stream xz;
  int is_between;
};

// A dictionary above that would let a small file claim all memory; `xz -9` asks for 65 MiB.
static const uint64_t maximum_xz_memory = 192u << 20;

photofinish_unpacker *photofinish_unpacker_open(photofinish_packing packing) {
  photofinish_unpacker *unpacker = calloc(1, sizeof *unpacker);
  if (!unpacker) return NULL;
  unpacker->packing = packing;
  unpacker->is_between = 1;
  if (packing == photofinish_packing_xz) {
    lzma_stream empty = LZMA_STREAM_INIT;
    unpacker->xz = empty;
    if (lzma_stream_decoder(&unpacker->xz, maximum_xz_memory, 0) == LZMA_OK) return unpacker;
    free(unpacker);
    return NULL;
  }
  if (packing == photofinish_packing_zstd) {
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
  switch (unpacker->packing) {
  case photofinish_packing_gzip: inflateEnd(&unpacker->inflate); break;
  case photofinish_packing_zstd: ZSTD_freeDStream(unpacker->zstd); break;
  case photofinish_packing_xz: lzma_end(&unpacker->xz); break;
  }
  free(unpacker);
}

static photofinish_unpack_status unpack_xz(photofinish_unpacker *unpacker, const uint8_t *source, size_t source_count,
                                           size_t *consumed, uint8_t *target, size_t target_count, size_t *produced) {
  // Between streams there may be padding: zeros.
  if (unpacker->is_between) {
    while (*consumed < source_count && source[*consumed] == 0) ++*consumed;
    if (*consumed == source_count) return photofinish_unpack_ok;
    unpacker->is_between = 0;
  }
  unpacker->xz.next_in = source + *consumed;
  unpacker->xz.avail_in = source_count - *consumed;
  unpacker->xz.next_out = target;
  unpacker->xz.avail_out = target_count;
  lzma_ret result = lzma_code(&unpacker->xz, LZMA_RUN);
  *consumed = source_count - unpacker->xz.avail_in;
  *produced = target_count - unpacker->xz.avail_out;
  if (result == LZMA_STREAM_END) {
    unpacker->is_between = 1;
    result = lzma_stream_decoder(&unpacker->xz, maximum_xz_memory, 0);
  }
  return result == LZMA_OK || result == LZMA_BUF_ERROR ? photofinish_unpack_ok : photofinish_unpack_damaged;
}

photofinish_unpack_status photofinish_unpack(photofinish_unpacker *unpacker, const uint8_t *source, size_t source_count,
                                             size_t *consumed, uint8_t *target, size_t target_count, size_t *produced) {
  *consumed = 0;
  *produced = 0;
  if (unpacker->packing == photofinish_packing_xz) {
    return unpack_xz(unpacker, source, source_count, consumed, target, target_count, produced);
  }
  if (unpacker->packing == photofinish_packing_zstd) {
    // Behind the end of a frame an empty input would count as the beginning of the next one.
    if (unpacker->is_between && source_count == 0) return photofinish_unpack_ok;
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

size_t photofinish_pack_gzip(const uint8_t *source, size_t source_count, uint8_t *target, size_t target_count) {
  if (source_count > UINT32_MAX || target_count > UINT32_MAX) return 0;
  z_stream stream;
  memset(&stream, 0, sizeof stream);
  if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) return 0;
  stream.next_in = (Bytef *)source;
  stream.avail_in = (uInt)source_count;
  stream.next_out = target;
  stream.avail_out = (uInt)target_count;
  int status = deflate(&stream, Z_FINISH);
  size_t used = stream.total_out;
  deflateEnd(&stream);
  return status == Z_STREAM_END ? used : 0;
}

size_t photofinish_pack_bound(size_t source_count) { return source_count + source_count / 1000 + 128; }
