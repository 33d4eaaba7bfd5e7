#include "lib/ops/ssu/backends/flashinfer/limits.hpp"

#include "lib/core/alignment.hpp"
#include "lib/core/launch_limits.hpp"
#include "lib/ops/ssu/problem/operands.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace ssugraph::detail::flashinfer {
namespace {

constexpr std::int64_t vector_bytes = 16;
/** Of addresses that a bulk copy or a tensor map takes. */
constexpr std::int64_t bulk_alignment = 128;
/** The kernels count the elements of a slot in 32 bits. */
constexpr std::int64_t max_slot_elements = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t max_ratio = 64;
/** A thread of the block loads dt of each token. */
constexpr std::int64_t max_tokens = 128;
constexpr std::int64_t max_shared_bytes = std::int64_t{227} * 1024;
constexpr std::int64_t max_vertical_dim = 128;
constexpr std::int64_t max_box = 256;

std::string in_bytes(std::int64_t bytes) {
  return std::to_string(bytes) + " bytes";
}

std::string a_multiple(std::string_view what, std::int64_t of) {
  return std::string{what} + " is no multiple of " + std::to_string(of);
}

/** A stride that a tensor must have on an axis of more than one element. */
struct wanted_stride {
  ssu_tensor tensor;
  int axis;
  std::int64_t extent;
  std::int64_t stride;
};

std::vector<wanted_stride> wanted_strides(const ssu_problem& problem) {
  const auto& [nheads, dim, dstate, ngroups] =
      std::tie(problem.nheads, problem.dim, problem.dstate, problem.ngroups);
  std::vector<wanted_stride> wanted{
      {ssu_tensor::state, 3, dstate, 1},
      {ssu_tensor::state, 2, dim, dstate},
      {ssu_tensor::state, 1, nheads, dim * dstate},
      {ssu_tensor::x, 2, dim, 1},
      {ssu_tensor::x, 1, nheads, dim},
      {ssu_tensor::out, 2, dim, 1},
      {ssu_tensor::out, 1, nheads, dim},
      {ssu_tensor::B, 2, dstate, 1},
      {ssu_tensor::B, 1, ngroups, dstate},
      {ssu_tensor::C, 2, dstate, 1},
      {ssu_tensor::C, 1, ngroups, dstate},
      {ssu_tensor::dt, 1, nheads, 1},
      {ssu_tensor::A, 0, nheads, 1},
  };
  if (is_scaled(problem.state_dtype)) {
    wanted.push_back({ssu_tensor::state_scale, 2, dim, 1});
    wanted.push_back({ssu_tensor::state_scale, 1, nheads, dim});
  }
  if (problem.z_dtype) {
    wanted.push_back({ssu_tensor::z, 2, dim, 1});
    wanted.push_back({ssu_tensor::z, 1, nheads, dim});
  }
  if (problem.D_dtype) {
    wanted.push_back({ssu_tensor::D, 0, nheads, 1});
    wanted.push_back({ssu_tensor::D, 1, dim, 0});
  }
  if (problem.dt_bias_dtype) wanted.push_back({ssu_tensor::dt_bias, 0, nheads, 1});
  // Extents of these are at least the bucket, which a problem does not know; a stride of 0 is one
  // of an extent of 1.
  for (const ssu_tensor tensor : {ssu_tensor::cu_seqlens, ssu_tensor::num_accepted_tokens}) {
    const std::int64_t stride = problem.layout(tensor).strides[0];
    if (stride != 0) wanted.push_back({tensor, 0, 2, 1});
  }
  return wanted;
}

std::string why_not_strides(const ssu_problem& problem) {
  for (const wanted_stride& want : wanted_strides(problem)) {
    const std::int64_t stride = problem.layout(want.tensor).strides[want.axis];
    if (want.extent == 1 || stride == want.stride) continue;
    return "stride " + std::to_string(want.axis) + " of " + std::string{name_of(want.tensor)} +
           " is " + std::to_string(stride) + ", and it takes " + std::to_string(want.stride);
  }
  return {};
}

/** Tensors that are read or written in 16-byte words. */
std::vector<ssu_tensor> vector_tensors(const ssu_problem& problem) {
  std::vector<ssu_tensor> tensors{ssu_tensor::state, ssu_tensor::x, ssu_tensor::B, ssu_tensor::C,
                                  ssu_tensor::out};
  if (problem.z_dtype) tensors.push_back(ssu_tensor::z);
  return tensors;
}

std::string why_not_alignment(const ssu_problem& problem) {
  for (const ssu_tensor tensor : vector_tensors(problem)) {
    const std::string name{name_of(tensor)};
    const tensor_layout& layout = problem.layout(tensor);
    const std::int64_t size =
        size_of(tensor == ssu_tensor::state ? problem.state_dtype : problem.x_dtype);
    if (layout.alignment % vector_bytes != 0) {
      return name + " is not aligned to " + in_bytes(vector_bytes);
    }
    if (layout.strides[0] * size % vector_bytes != 0) {
      return a_multiple("stride 0 of " + name, vector_bytes) + " bytes";
    }
  }
  return {};
}

/** Of the kernel of many tokens; its staging buffers, as read from its header. */
std::int64_t shared_bytes(const ssu_problem& problem, std::int64_t tokens) {
  constexpr std::int64_t bank_bytes = 128;
  constexpr std::int64_t staged_rows = 32;
  const std::int64_t io = size_of(problem.x_dtype);
  const std::int64_t row_bytes = aligned(problem.dstate * io, bank_bytes);
  const std::int64_t token_bytes = 2 * row_bytes + problem.dim * (io + 4) + 4 + 8;
  return tokens * token_bytes + staged_rows * row_bytes / io * size_of(problem.state_dtype);
}

std::string why_not_many_tokens(const ssu_problem& problem) {
  const std::string kernel = reads_scale_of_no_slot(problem)
                                 ? "its kernel for null_block_ids that are no slot "
                                 : "its kernel for destinations, varlen and speculative calls ";
  if (!many_tokens_take_dim(problem.dim)) {
    return kernel + "takes dim 32 or a multiple of 64";
  }
  if (!many_tokens_take_row(problem.dstate * size_of(problem.state_dtype))) {
    return kernel + "takes rows of state of 128 bytes or more";
  }
  const std::int64_t tokens = shape_of(problem).tokens;
  if (tokens < 1 || tokens > max_tokens) {
    return kernel + "takes 1 to " + std::to_string(max_tokens) + " tokens a sequence, not " +
           std::to_string(tokens);
  }
  if (shared_bytes(problem, tokens) > max_shared_bytes) {
    return kernel + "would need " + in_bytes(shared_bytes(problem, tokens)) +
           " of shared memory for " + std::to_string(tokens) + " tokens";
  }
  return {};
}

bool has_compiled_ratio(const ssu_problem& problem) {
  const std::int64_t ratio = problem.nheads / problem.ngroups;
  return ratio <= max_ratio && std::has_single_bit(static_cast<std::uint64_t>(ratio));
}

std::string ratio_reason() {
  return "nheads / ngroups is none of 1, 2, 4, 8, 16, 32, 64";
}

std::string why_not_sizes(const ssu_problem& problem) {
  if (problem.nheads > max_grid_yz) return "more than 65535 heads";
  if (problem.nheads * problem.dim * problem.dstate > max_slot_elements) {
    return "slots of 2^31 elements or more";
  }
  if (problem.dim % 16 != 0) return a_multiple("dim", 16);
  if (problem.dim < 32) return "dim is below 32";
  if (problem.dstate % 32 != 0) return a_multiple("dstate", 32);
  if (!takes_many_tokens(problem)) return {};
  if (!has_compiled_ratio(problem)) return ratio_reason();
  return why_not_many_tokens(problem);
}

std::string why_not_dtypes(const ssu_problem& problem) {
  if (problem.D_dtype.value_or(problem.dt_dtype) != problem.dt_dtype ||
      problem.dt_bias_dtype.value_or(problem.dt_dtype) != problem.dt_dtype) {
    return "dt, D and dt_bias differ in dtype";
  }
  if (problem.dst_index_dtype && problem.dst_index_dtype != problem.index_dtype) {
    return "state_batch_indices and dst_state_batch_indices differ in dtype";
  }
  if (problem.cu_seqlens_dtype && problem.accepted_dtype &&
      problem.cu_seqlens_dtype != problem.accepted_dtype) {
    return "cu_seqlens and num_accepted_tokens differ in dtype";
  }
  if (problem.index_dtype == dtype::int64 && !std::in_range<std::int32_t>(problem.null_block_id)) {
    return "its null_block_id is an int32, and beside int64 indices " +
           std::to_string(problem.null_block_id) + " does not fit";
  }
  if (problem.stochastic_rounding && problem.state_dtype != dtype::float16) {
    return "it rounds stochastically to float16 only";
  }
  return {};
}

std::string why_not_tma(const ssu_problem& problem) {
  if (problem.layout(ssu_tensor::state).alignment % bulk_alignment != 0) {
    return "state is not aligned to " + in_bytes(bulk_alignment);
  }
  if (problem.layout(ssu_tensor::state).strides[0] < 0) return "the stride of slots is negative";
  return {};
}

std::string why_not_vertical(const ssu_problem& problem) {
  if (problem.dim > max_vertical_dim) return "it leaves rows of out beyond dim 128 unwritten";
  if (problem.dim < min_tma_dim) return "its pipeline wants a dim of 64 or more";
  std::vector<ssu_tensor> copied{ssu_tensor::x, ssu_tensor::B, ssu_tensor::C};
  if (problem.z_dtype) copied.push_back(ssu_tensor::z);
  if (is_scaled(problem.state_dtype)) copied.push_back(ssu_tensor::state_scale);
  for (const ssu_tensor tensor : copied) {
    if (problem.layout(tensor).alignment % bulk_alignment == 0) continue;
    return std::string{name_of(tensor)} + " is not aligned to " + in_bytes(bulk_alignment);
  }
  const std::int64_t scale_stride = problem.layout(ssu_tensor::state_scale).strides[0];
  if (scale_stride * size_of(dtype::float32) % vector_bytes != 0) {
    return a_multiple("stride 0 of state_scale", vector_bytes) + " bytes";
  }
  return {};
}

std::string why_not_horizontal(const ssu_problem& problem) {
  if (is_scaled(problem.state_dtype)) return "it takes columns, and a scale is of a whole row";
  if (problem.dim % 64 != 0 || problem.dim > max_box) return "dim is none of 64, 128, 192, 256";
  if (!has_compiled_ratio(problem)) return ratio_reason();
  return {};
}

}  // namespace

bool reads_scale_of_no_slot(const ssu_problem& problem) noexcept {
  const bool is_plain = problem.mode == ssu_mode::plain && !problem.has_dst_indices;
  const bool null_is_a_slot = problem.null_block_id >= 0 && problem.null_block_id < problem.slots;
  return is_plain && is_scaled(problem.state_dtype) && problem.has_indices && !null_is_a_slot;
}

bool takes_many_tokens(const ssu_problem& problem) noexcept {
  return problem.mode != ssu_mode::plain || problem.has_dst_indices ||
         reads_scale_of_no_slot(problem);
}

flashinfer_shape shape_of(const ssu_problem& problem) noexcept {
  const bool one_token = problem.mode == ssu_mode::plain || !problem.has_cu_seqlens;
  return {
      .dim = problem.dim,
      .dstate = problem.dstate,
      .state = problem.state_dtype,
      .io = problem.x_dtype,
      .weights = problem.dt_dtype,
      .A = problem.A_dtype,
      .index = problem.index_dtype.value_or(dtype::int32),
      .tokens = one_token ? 1 : problem.max_seqlen,
      .philox_rounds = problem.philox_rounds,
      .counts = problem.cu_seqlens_dtype.value_or(problem.accepted_dtype.value_or(dtype::int32)),
  };
}

std::string to_string(const flashinfer_shape& shape) {
  std::string line = std::to_string(shape.dim) + " " + std::to_string(shape.dstate);
  for (const dtype type : {shape.state, shape.io, shape.weights, shape.A, shape.index})
    line += " " + std::string{ssugraph::to_string(type)};
  return line + " " + std::to_string(shape.tokens) + " " + std::to_string(shape.philox_rounds) +
         " " + std::string{ssugraph::to_string(shape.counts)};
}

std::string why_not(const ssu_problem& problem) {
  if (problem.device.is_host()) return "it runs on CUDA and the tensors live in host memory";
  if (problem.out_in_place) return "out lies on x or z";
  if (problem.checkpoint_interval > 0) {
    return "its checkpointing_ssu decides by itself when a checkpoint is stored, whatever the "
           "position, and takes rows of a ring that are not live as values";
  }
  for (const auto rule : {why_not_dtypes, why_not_sizes, why_not_strides, why_not_alignment}) {
    if (std::string reason = rule(problem); !reason.empty()) return reason;
  }
  return {};
}

std::string why_not(const ssu_problem& problem, flashinfer_algorithm algorithm) {
  if (algorithm == flashinfer_algorithm::simple) return {};
  if (problem.mode != ssu_mode::plain) return "it serves plain calls only";
  if (problem.has_dst_indices) return "it writes null destinations";
  if (reads_scale_of_no_slot(problem))
    return "it reads the scale of null_block_id, which is no slot";
  const bool vertical = algorithm == flashinfer_algorithm::vertical;
  std::string reason = why_not_tma(problem);
  if (!reason.empty()) return reason;
  return vertical ? why_not_vertical(problem) : why_not_horizontal(problem);
}

}  // namespace ssugraph::detail::flashinfer
