#pragma once

#include <ssugraph/ssu.hpp>
#include <ssugraph/stream.hpp>

#include <cstdint>
#include <string>

/** The kernels of ours that FlashInfer's need beside them. */
namespace ssugraph::detail {

/**
 * Zeroes the `out` rows of the sequences whose source slot is null or outside of the state. Needs
 * contiguous rows of `out` and 16-byte alignment. Does nothing where no indices are bound. Starts
 * while the launch in front runs, and waits for it. Throws cuda_error.
 */
void enqueue_null_rows(const ssu_problem& problem, const ssu_args& args, stream_handle stream);

/** Writes `seed` to `address` in stream order, without a copy from host memory. */
void enqueue_seed(std::int64_t* address, std::int64_t seed, stream_handle stream);

/** Why the current device cannot run what was compiled here; empty if it can. */
[[nodiscard]] std::string why_no_image();

}  // namespace ssugraph::detail
