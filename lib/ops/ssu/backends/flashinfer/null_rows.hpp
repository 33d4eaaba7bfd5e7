#pragma once

#include "lib/step/sequence.hpp"

#include <ssugraph/stream.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cstdint>

/** The kernels of ours that FlashInfer's need beside them. */
namespace ssugraph::detail::flashinfer {

/**
 * Zeroes the rows of `out` (rows, nheads, dim) of the sequences whose source slot is null or
 * outside of the state. Needs contiguous rows and 16-byte alignment. Does nothing where no indices
 * are bound. Starts while the launch in front runs, and waits for it. Throws cuda_error.
 */
void enqueue_null_rows(const sequence_rule& rule, std::int64_t sequences, const tensor_view& out,
                       stream_handle stream);

/** Writes `seed` to `address` in stream order, without a copy from host memory. */
void enqueue_seed(std::int64_t* address, std::int64_t seed, stream_handle stream);

/** Loads the first of them onto the current device without running it. Throws cuda_error where no
 *  image is for that device; then there is none of FlashInfer's kernels, either. */
void load_null_rows();

}  // namespace ssugraph::detail::flashinfer
