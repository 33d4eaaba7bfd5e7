#include "graphs/plan/scratch.hpp"

#include "graphs/plan/spread_rings.hpp"
#include "lib/core/cuda_check.hpp"
#include "lib/core/reach.hpp"

#include <numeric>

namespace ssugraph::detail {
namespace {

/** All bytes from the lowest to the highest of `tensor`, which has an address. */
std::span<std::byte> bytes_of(const tensor_view& tensor) {
  const auto [lowest, bytes] = reach_of(tensor);
  return {static_cast<std::byte*>(const_cast<void*>(lowest)), bytes};
}

void write_integers(const tensor_view& tensor, const std::vector<std::int64_t>& values,
                    cudaStream_t stream) {
  const auto copy = [&](const auto& typed) {
    check_cuda(cudaMemcpyAsync(tensor.data(), typed.data(), typed.size() * sizeof typed[0],
                               cudaMemcpyHostToDevice, stream),
               "cudaMemcpyAsync of scratch indices");
    check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize of scratch indices");
  };
  if (tensor.dtype() == dtype::int64) return copy(values);
  copy(std::vector<std::int32_t>(values.begin(), values.end()));
}

std::int64_t cache_bytes(device where) {
  int bytes = 0;
  check_cuda(cudaDeviceGetAttribute(&bytes, cudaDevAttrL2CacheSize, where.ordinal),
             "cudaDeviceGetAttribute");
  return bytes;
}

std::size_t share_of_free_memory(double fraction) {
  std::size_t free_bytes = 0;
  std::size_t total_bytes = 0;
  check_cuda(cudaMemGetInfo(&free_bytes, &total_bytes), "cudaMemGetInfo");
  return static_cast<std::size_t>(fraction * static_cast<double>(free_bytes));
}

}  // namespace

scratch_tensors::scratch_tensors(const step_traits& traits, double fraction, cudaStream_t stream)
    : traits_{traits},
      stream_{stream},
      layout_{traits, cache_bytes(traits.device)},
      most_sequences_{layout_.most_sequences_in(share_of_free_memory(fraction))} {
  if (most_sequences_ == 0) return;
  memory_ = std::make_unique<stream_ordered_memory>(layout_.bytes_for(most_sequences_), stream_);
  tensors_ = layout_.placed(most_sequences_, memory_->data()).first;
  fill();
}

scratch_tensors::~scratch_tensors() {
  memory_.reset();
  if (cudaStreamSynchronize(stream_) != cudaSuccess) cudaGetLastError();
}

/** The slots that sequences read, from the first of their launch on. */
std::vector<std::int64_t> scratch_tensors::slots_of(std::int64_t sequences) const {
  const std::int64_t null_block = traits_.sequences.null_block_id;
  std::vector<std::int64_t> slots(
      static_cast<std::size_t>(sequences * layout_.rotation().slots_a_sequence));
  std::iota(slots.begin(), slots.end(), 0);
  for (std::int64_t& slot : slots)
    slot += slot >= null_block && null_block >= 0 ? 1 : 0;
  return slots;
}

/** What index and count tensors of `most_sequences_` sequences hold, however many rows these have;
 *  empty for other operands. */
std::vector<std::int64_t> scratch_tensors::integers_of(operand_role role) const {
  switch (role) {
    case operand_role::source_slots:
    case operand_role::destination_slots:
      return slots_of(most_sequences_);
    case operand_role::counts:
      return std::vector<std::int64_t>(static_cast<std::size_t>(most_sequences_), 1);
    case operand_role::bounds:
    case operand_role::data:
    case operand_role::state:
    case operand_role::seed:
    case operand_role::ring_cursor:
    case operand_role::ring_plan:
    case operand_role::rounding_key:
      break;
  }
  return {};
}

void scratch_tensors::fill() {
  for (std::size_t i = 0; i < tensors_.size(); ++i) {
    if (!tensors_[i]) continue;
    const std::span<std::byte> bytes = bytes_of(tensors_[i]);
    check_cuda(
        cudaMemsetAsync(bytes.data(), traits_.operands[i].scratch_byte, bytes.size(), stream_),
        "cudaMemsetAsync of scratch");
    const std::vector<std::int64_t> values = integers_of(traits_.operands[i].role);
    if (!values.empty()) write_integers(tensors_[i], values, stream_);
  }
}

void scratch_tensors::share_rows(std::int64_t sequences) {
  const std::size_t bounds = find_operand(traits_.operands, operand_role::bounds);
  if (bounds == tensors_.size() || !tensors_[bounds]) return;
  std::vector<std::int64_t> values(static_cast<std::size_t>(sequences) + 1);
  for (std::size_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<std::int64_t>(i) * rows_of(sequences) / sequences;
  write_integers(tensors_[bounds], values, stream_);
}

void scratch_tensors::spread_rings(std::int64_t sequences) {
  if (!traits_.ring) return;
  const std::size_t plan = find_operand(traits_.operands, operand_role::ring_plan);
  const std::vector<std::int64_t> slots = slots_of(sequences);
  std::vector<ring_plan_row> rows;
  rows.reserve(static_cast<std::size_t>(sequences));
  for (std::int64_t i = 0; i < sequences; ++i)
    rows.push_back(spread_ring(*traits_.ring, traits_.sequences.max_seqlen, i, sequences,
                               slots[static_cast<std::size_t>(i)]));
  check_cuda(cudaMemcpyAsync(tensors_[plan].data(), rows.data(), rows.size() * sizeof rows[0],
                             cudaMemcpyHostToDevice, stream_),
             "cudaMemcpyAsync of a scratch plan");
  check_cuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize of a scratch plan");
}

std::span<std::byte> scratch_tensors::largest() const {
  std::span<std::byte> largest;
  for (const tensor_view& tensor : tensors_) {
    const auto bytes = tensor ? bytes_of(tensor) : std::span<std::byte>{};
    if (bytes.size() > largest.size()) largest = bytes;
  }
  return largest;
}

}  // namespace ssugraph::detail
