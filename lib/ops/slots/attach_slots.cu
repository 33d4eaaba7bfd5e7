#include "lib/core/cuda_check.hpp"
#include "lib/device/programmatic.cuh"
#include "lib/ops/slots/attach_slots.hpp"

#include <algorithm>

namespace ssugraph::detail {
namespace {

constexpr int block_threads = 128;
/** Of one launch: they fill most of the 32,764 bytes a kernel's arguments may have. */
constexpr std::size_t max_cursors = 1024;

struct attach_params {
  attached_cursor cursors[max_cursors];
  slot_entries entries;
  std::int64_t count;
};
static_assert(sizeof(attach_params) <= 32764, "what a kernel's arguments may have");

/** Grid: (entries, cursors). */
__global__ void __launch_bounds__(block_threads)
    attach_kernel(const __grid_constant__ attach_params p) {
  wait_for_predecessor();
  const attached_cursor& cursor = p.cursors[blockIdx.y];
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * block_threads + threadIdx.x;
  if (i >= p.count) return;
  const std::int64_t slot = slot_of(p.entries, cursor.slots, i);
  if (slot != no_slot) empty_ring(cursor.rows, slot, position_of(p.entries, i));
}

}  // namespace

void launch_attach_slots(std::span<const attached_cursor> cursors, const slot_entries& entries,
                         std::int64_t count, stream_handle stream) {
  for (std::size_t begin = 0; begin < cursors.size(); begin += max_cursors) {
    const auto some = cursors.subspan(begin, std::min(max_cursors, cursors.size() - begin));
    attach_params params{};
    std::ranges::copy(some, params.cursors);
    params.entries = entries;
    params.count = count;
    const dim3 grid{static_cast<unsigned>((count + block_threads - 1) / block_threads),
                    static_cast<unsigned>(some.size())};
    void* arguments[] = {&params};
    check_cuda(cudaLaunchKernel(reinterpret_cast<const void*>(&attach_kernel), grid,
                                dim3{block_threads}, arguments, 0, stream),
               "cudaLaunchKernel of attach_slots");
  }
}

}  // namespace ssugraph::detail
