#include "machine.hpp"

#include "cuda_machine.hpp"

#include <ssugraph/error.hpp>

#include <array>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

namespace serving_loop {
namespace {

class host_machine final : public machine {
 public:
  explicit host_machine(std::size_t table_size) : table_(table_size) {}

  [[nodiscard]] std::string name() const override { return "the host"; }
  [[nodiscard]] ssugraph::stream_handle stream() const override { return nullptr; }
  [[nodiscard]] std::size_t free_bytes() const override {
    return std::numeric_limits<std::size_t>::max();
  }
  memory allocate(std::size_t bytes) override { return allocate_host(bytes); }
  void copy(void* to, const void* from, std::size_t bytes) override {
    std::memcpy(to, from, bytes);
  }
  void make_inputs(const input_job& job) override { serving_loop::make_inputs(job); }
  void synchronize() override {}

  std::int32_t* begin_step() override {
    mark(moment::begin);
    return table_.data();
  }

  void mark(moment point) override {
    marks_[static_cast<std::size_t>(point)] = clock::now();
    if (point == moment::replayed) {
      times_.push_back({milliseconds(moment::begin, moment::prepared),
                        milliseconds(moment::replay, moment::replayed)});
    }
  }

  std::vector<step_time> finish() override { return std::move(times_); }

 private:
  using clock = std::chrono::steady_clock;

  [[nodiscard]] double milliseconds(moment from, moment to) const {
    const std::chrono::duration<double, std::milli> time =
        marks_[static_cast<std::size_t>(to)] - marks_[static_cast<std::size_t>(from)];
    return time.count();
  }

  std::vector<std::int32_t> table_;
  std::array<clock::time_point, moments> marks_;
  std::vector<step_time> times_;
};

}  // namespace

memory allocate_host(std::size_t bytes) {
  void* data = std::calloc(bytes, 1);
  if (data == nullptr && bytes > 0) throw std::bad_alloc{};
  return {static_cast<std::byte*>(data), [](std::byte* owned) { std::free(owned); }};
}

std::unique_ptr<machine> make_machine(ssugraph::target where, std::size_t table_size) {
  if (where == ssugraph::target::host) return std::make_unique<host_machine>(table_size);
#if SSUGRAPH_CUDA
  if (ssugraph::has_cuda_device()) return make_cuda_machine(table_size);
#endif
  throw ssugraph::invalid_argument{"--target cuda", "a CUDA device",
                                   "none (--target host runs on the CPU)"};
}

}  // namespace serving_loop
