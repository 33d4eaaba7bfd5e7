#pragma once

/** @file
 *  How index and count tensors of each batch reach the device, many batches ahead. */

#include <ssugraph/device.hpp>
#include <ssugraph/export.hpp>
#include <ssugraph/stream.hpp>
#include <ssugraph/tensor_view.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace ssugraph {

/**
 * A ring of pinned memory through which a serving loop hands the index and count tensors of each
 * batch to the device, many batches ahead of it:
 *
 * @code{.cpp}
 * ring.begin();
 * const std::span<std::int32_t> slots = ring.take<std::int32_t>(args.state_batch_indices, batch);
 * std::copy_n(indices, batch, slots.begin());  // write every element of slots
 * ring.submit(stream);                         // copies, in stream order
 * lane.replay(batch, stream);
 * @endcode
 *
 * Stream order keeps the copies and the replays apart on the device; the ring keeps the memory of a
 * batch as it is until its copies have run. One user at a time. Move-only. Destroying it waits, on
 * the host, for the copies that are still to run.
 */
class SSUGRAPH_EXPORT staging_ring {
 public:
  /**
   * Memory for `depth` batches in flight of `bytes` each, for tensors in the memory of `where`. For
   * `device::host()` it is plain memory, and `submit` copies before it returns. Throws
   * invalid_argument (`bytes` or `depth` 0), unsupported (a GPU where there is none), invalid_state
   * (one in a process forked from one that used CUDA), cuda_error.
   */
  staging_ring(std::size_t bytes, std::size_t depth, device where);
  staging_ring(staging_ring&&) noexcept;
  staging_ring& operator=(staging_ring&&) noexcept;
  ~staging_ring();

  /**
   * Starts a batch. Waits, on the host, until the copies of the batch `depth` submits ago have run;
   * that is all that ever waits. Drops a batch that was begun and not submitted. May be called
   * while streams are captured. Throws invalid_state (moved from), cuda_error.
   */
  void begin();

  /**
   * Memory for the first `rows` rows of `destination`, which is dense, of dtype `Index` and lives
   * where the ring copies to: `rows` elements, or rows * T of (n, T). Spans of a batch lie one
   * behind another, each aligned to its type. Write all of it before `submit`; not to be touched
   * afterwards. Throws invalid_argument (no tensor or address, bytes out of reach of 62 bits,
   * another dtype or place, not dense, fewer rows than that, more than the rest of `bytes` holds)
   * and invalid_state (no batch was begun; moved from); the batch then stays as it was.
   */
  template <class Index>
  requires std::same_as<Index, std::int32_t> || std::same_as<Index, std::int64_t>
  [[nodiscard]] std::span<Index> take(const tensor_view& destination, std::int64_t rows);

  /**
   * Ends the batch: copies each span to its destination, in stream order. `stream` belongs to the
   * ring's device. Refuses a stream that is being captured, for a graph would read the memory again
   * whenever it runs. Throws invalid_state (that; no batch was begun; moved from) before anything
   * was enqueued, and the batch stays as it was; cuda_error, and the batch is over.
   */
  void submit(stream_handle stream);

 private:
  struct resident;
  [[nodiscard]] resident& checked() const;
  [[nodiscard]] resident& begun() const;

  std::unique_ptr<resident> resident_;
};

}  // namespace ssugraph
