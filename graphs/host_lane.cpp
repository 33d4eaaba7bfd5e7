#include "graphs/lane_engine.hpp"

#include <algorithm>
#include <cstddef>
#include <new>
#include <utility>

namespace ssugraph::detail {
namespace {

struct aligned_delete {
  void operator()(std::byte* arena) const noexcept {
    ::operator delete[](arena, std::align_val_t{lane_layout::alignment});
  }
};

using aligned_arena = std::unique_ptr<std::byte[], aligned_delete>;

/** Runs each step before it returns; replay and run_eager are one. */
class host_lane final : public lane_engine {
 public:
  host_lane(std::shared_ptr<const pipeline_core> core, stream_handle stream,
            std::vector<ssu_args> arguments)
      : lane_engine{std::move(core), stream, std::move(arguments)},
        arena_{new (std::align_val_t{lane_layout::alignment}) std::byte[layout_.bytes()]} {
    layout_.place(arena_.get());
    *layout_.random() = {};
    std::ranges::copy(layout_.jobs(), layout_.table());
  }

  void replay(std::int32_t batch, std::size_t bucket_index) override {
    const std::int32_t bucket = core_->buckets.buckets()[bucket_index];
    const prologue_params prologue = layout_.prologue(batch, bucket);
    constexpr worker alone{.index = 0, .count = 1};
    for (const copy_job& job : layout_.jobs())
      write_copy(prologue, job, alone);
    draw_seeds(prologue, alone);
    advance(prologue);
    for (std::size_t step = 0; step < core_->steps.size(); ++step) {
      const step_plan& resolved = core_->steps[step].plans[bucket_index];
      resolved.backend->enqueue(resolved.plan, layout_.step_arguments(step, bucket), 0, stream_);
    }
  }

  void run_eager(std::int32_t batch, std::size_t bucket_index) override {
    replay(batch, bucket_index);
  }

  ssugraph::random_state random_state() override { return *layout_.random(); }
  void set_random_state(ssugraph::random_state state) override { *layout_.random() = state; }
  void move_to(stream_handle stream) override { stream_ = stream; }

 private:
  aligned_arena arena_;
};

}  // namespace

std::unique_ptr<lane_engine> make_host_lane(std::shared_ptr<const pipeline_core> core,
                                            stream_handle stream, std::vector<ssu_args> arguments) {
  return std::make_unique<host_lane>(std::move(core), stream, std::move(arguments));
}

}  // namespace ssugraph::detail
