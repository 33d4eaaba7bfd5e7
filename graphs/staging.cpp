#include "lib/core/alignment.hpp"
#include "lib/core/device.hpp"
#include "lib/core/reach.hpp"

#include <ssugraph/error.hpp>
#include <ssugraph/staging.hpp>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#if SSUGRAPH_CUDA
#include "lib/core/cuda_context.hpp"
#include "lib/core/cuda_handle.hpp"
#endif

namespace ssugraph {
namespace {

/** One copy of a batch. */
struct transfer {
  void* to;
  const std::byte* from;
  std::size_t bytes;
};

/** The memory of one batch in flight. */
class staging_memory {
 public:
  staging_memory() = default;
  staging_memory(const staging_memory&) = delete;
  staging_memory& operator=(const staging_memory&) = delete;
  virtual ~staging_memory() = default;

  [[nodiscard]] virtual std::byte* data() noexcept = 0;
  /** Until the copies enqueued last have run. */
  virtual void wait() = 0;
  virtual void enqueue(std::span<const transfer> transfers, stream_handle stream) = 0;
};

class plain_memory final : public staging_memory {
 public:
  explicit plain_memory(std::size_t bytes) : bytes_(bytes) {}

  [[nodiscard]] std::byte* data() noexcept override { return bytes_.data(); }
  void wait() override {}
  void enqueue(std::span<const transfer> transfers, stream_handle) override {
    for (const auto& [to, from, bytes] : transfers)
      std::memcpy(to, from, bytes);
  }

 private:
  std::vector<std::byte> bytes_;
};

#if SSUGRAPH_CUDA

using pinned_bytes = std::unique_ptr<std::byte, detail::cuda_destroy<cudaFreeHost>>;

/** Somebody's capture neither forbids what a ring does nor is spoiled by it. */
class pinned_memory final : public staging_memory {
 public:
  pinned_memory(std::size_t bytes, device where) : device_{where} {
    const detail::device_guard guard{where.ordinal};
    const detail::relaxed_capture relaxed;
    void* memory = nullptr;
    detail::check_cuda(cudaMallocHost(&memory, bytes), "cudaMallocHost of staging memory");
    bytes_.reset(static_cast<std::byte*>(memory));
    copied_ = detail::make_event();
  }

  ~pinned_memory() override {
    std::optional<detail::device_guard> guard;
    detail::try_enter(guard, device_.ordinal);
    const detail::relaxed_capture relaxed;
    const bool ours = !detail::cuda_is_inherited();
    if (ours && cudaEventSynchronize(copied_.get()) != cudaSuccess) cudaGetLastError();
    copied_.reset();
    bytes_.reset();
  }

  [[nodiscard]] std::byte* data() noexcept override { return bytes_.get(); }

  void wait() override {
    const detail::device_guard guard{device_.ordinal};
    const detail::relaxed_capture relaxed;
    detail::check_cuda(cudaEventSynchronize(copied_.get()), "cudaEventSynchronize of a batch");
  }

  void enqueue(std::span<const transfer> transfers, stream_handle stream) override {
    const detail::device_guard guard{device_.ordinal};
    cudaError_t copied = cudaSuccess;
    for (const auto& [to, from, bytes] : transfers) {
      if (copied != cudaSuccess) break;
      copied = cudaMemcpyAsync(to, from, bytes, cudaMemcpyHostToDevice, stream);
    }
    const cudaError_t recorded = cudaEventRecord(copied_.get(), stream);
    // Without the event only the stream's end tells when the memory may be written again.
    if (recorded != cudaSuccess && cudaStreamSynchronize(stream) != cudaSuccess) cudaGetLastError();
    detail::check_cuda(copied, "cudaMemcpyAsync of a batch");
    detail::check_cuda(recorded, "cudaEventRecord behind a batch");
  }

 private:
  device device_;
  pinned_bytes bytes_;
  detail::cuda_event copied_;
};

#endif

std::unique_ptr<staging_memory> make_memory(std::size_t bytes, device where) {
  if (where.is_host()) return std::make_unique<plain_memory>(bytes);
#if SSUGRAPH_CUDA
  if (has_cuda_device()) return std::make_unique<pinned_memory>(bytes, where);
#endif
  throw detail::no_cuda_device("staging_ring", "ask for device::host() by name");
}

bool is_dense(const tensor_view& tensor) {
  std::int64_t step = 1;
  for (int axis = tensor.rank() - 1; axis >= 0; --axis) {
    if (tensor.extent(axis) > 1 && tensor.stride(axis) != step) return false;
    step *= tensor.extent(axis);
  }
  return true;
}

void check_destination(const tensor_view& destination, dtype type, device where) {
  if (!destination) throw invalid_argument{"destination", "a tensor", "none"};
  detail::check_reach("destination", destination);
  if (destination.dtype() != type || !is_dense(destination)) {
    throw invalid_argument{"destination", "dense " + std::string{to_string(type)},
                           to_string(destination)};
  }
  if (destination.size() > 0 && destination.data() == nullptr)
    throw invalid_argument{"destination", "an address", "null"};
  const device lives = detail::device_of(destination.data());
  if (lives == where) return;
  throw invalid_argument{"destination", detail::describe_memory(where),
                         detail::describe_memory(lives)};
}

}  // namespace

struct staging_ring::resident {
  resident(std::size_t bytes_a_batch, std::size_t depth, device place)
      : bytes{bytes_a_batch}, where{place} {
    if (bytes == 0) throw invalid_argument{"bytes", "at least 1", "0"};
    if (depth == 0) throw invalid_argument{"depth", "at least 1", "0"};
    for (std::size_t i = 0; i < depth; ++i)
      parts.push_back(make_memory(bytes, where));
  }

  std::size_t bytes;
  device where;
  std::vector<std::unique_ptr<staging_memory>> parts;  ///< one a batch in flight
  std::size_t part = 0;                                ///< of the batch that is begun, or is next
  bool begun = false;
  std::size_t used = 0;  ///< bytes of the part
  std::vector<transfer> transfers;
};

staging_ring::staging_ring(std::size_t bytes, std::size_t depth, device where)
    : resident_{std::make_unique<resident>(bytes, depth, where)} {}
staging_ring::staging_ring(staging_ring&&) noexcept = default;
staging_ring& staging_ring::operator=(staging_ring&&) noexcept = default;
staging_ring::~staging_ring() = default;

staging_ring::resident& staging_ring::checked() const {
  if (resident_) return *resident_;
  throw invalid_state{"the staging ring", "was moved from", "use the ring it moved to"};
}

staging_ring::resident& staging_ring::begun() const {
  if (checked().begun) return *resident_;
  throw invalid_state{"the staging ring", "has no batch", "call begin() first"};
}

void staging_ring::begin() {
  resident& ring = checked();
  ring.begun = false;
  ring.parts[ring.part]->wait();
  ring.begun = true;
  ring.used = 0;
  ring.transfers.clear();
}

template <class Index>
requires std::same_as<Index, std::int32_t> || std::same_as<Index, std::int64_t> std::span<Index>
staging_ring::take(const tensor_view& destination, std::int64_t rows) {
  resident& ring = begun();
  constexpr dtype type = std::same_as<Index, std::int32_t> ? dtype::int32 : dtype::int64;
  check_destination(destination, type, ring.where);
  if (rows < 0 || rows > destination.extent(0)) {
    throw invalid_argument{"rows",
                           "0 to the destination's " + std::to_string(destination.extent(0)),
                           std::to_string(rows)};
  }
  const auto count = static_cast<std::size_t>(destination.with_extent(0, rows).size());
  const std::size_t begin = detail::aligned(ring.used, sizeof(Index));
  const std::size_t room = (ring.bytes - std::min(begin, ring.bytes)) / sizeof(Index);
  if (count > room) {
    throw invalid_argument{"rows",
                           "at most " + std::to_string(room) + " elements, which the ring's " +
                               std::to_string(ring.bytes) + " bytes a batch still hold",
                           std::to_string(count) + " elements"};
  }
  std::byte* const memory = ring.parts[ring.part]->data() + begin;
  ring.transfers.push_back({destination.data(), memory, count * sizeof(Index)});
  ring.used = begin + count * sizeof(Index);
  return {reinterpret_cast<Index*>(memory), count};
}

template std::span<std::int32_t> staging_ring::take(const tensor_view&, std::int64_t);
template std::span<std::int64_t> staging_ring::take(const tensor_view&, std::int64_t);

void staging_ring::submit(stream_handle stream) {
  resident& ring = begun();
  if (detail::is_capturing(stream, ring.where)) {
    throw invalid_state{"the stream", "is being captured", "submit before or after the capture"};
  }
  staging_memory& memory = *ring.parts[ring.part];
  ring.begun = false;
  ring.part = (ring.part + 1) % ring.parts.size();
  memory.enqueue(ring.transfers, stream);
}

}  // namespace ssugraph
