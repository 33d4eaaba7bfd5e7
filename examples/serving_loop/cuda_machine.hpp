#pragma once

#include "inputs.hpp"
#include "machine.hpp"

#include <ssugraph/stream.hpp>

#include <cstddef>
#include <memory>

namespace serving_loop {

/** Of the current CUDA device; only in builds with CUDA. */
[[nodiscard]] std::unique_ptr<machine> make_cuda_machine(std::size_t table_size);

/** One kernel makes the inputs of all layers. */
void enqueue_inputs(const input_job& job, ssugraph::stream_handle stream);

}  // namespace serving_loop
