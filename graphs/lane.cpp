#include "graphs/lane_engine.hpp"
#include "graphs/nvtx.hpp"

#include <ssugraph/error.hpp>
#include <ssugraph/pipeline.hpp>

#include <atomic>
#include <string>
#include <utility>

namespace ssugraph {

/** An engine with its entry in the pipeline's registry and its one-user flag. */
struct lane::resident {
  std::unique_ptr<detail::lane_engine> engine;
  std::atomic<bool> in_use = false;

  explicit resident(std::unique_ptr<detail::lane_engine> given) : engine{std::move(given)} {
    engine->core().lanes.enter(this, engine->stream(), engine->layout().row_tensors());
  }
  resident(const resident&) = delete;
  resident& operator=(const resident&) = delete;
  ~resident() { engine->core().lanes.leave(this); }
};

/** Exclusive use of a lane for the length of one call. */
class lane::visit {
 public:
  explicit visit(const std::unique_ptr<resident>& owner) {
    if (!owner) throw invalid_state{"the lane", "was moved from", "use the lane it moved to"};
    if (owner->in_use.exchange(true, std::memory_order_acquire)) {
      throw invalid_state{"the lane", "is in use by another thread", "make a lane a thread"};
    }
    resident_ = owner.get();
  }

  visit(const std::unique_ptr<resident>& owner, stream_handle stream) : visit{owner} {
    if (stream == engine().stream()) return;
    throw invalid_state{"the lane", "belongs to another stream", "call move_to(stream) first"};
  }

  visit(const visit&) = delete;
  visit& operator=(const visit&) = delete;
  ~visit() { resident_->in_use.store(false, std::memory_order_release); }

  [[nodiscard]] detail::lane_engine& engine() const noexcept { return *resident_->engine; }

 private:
  resident* resident_ = nullptr;
};

lane::lane(std::unique_ptr<detail::lane_engine> engine)
    : resident_{std::make_unique<resident>(std::move(engine))} {}

lane::lane(lane&&) noexcept = default;
lane& lane::operator=(lane&&) noexcept = default;
lane::~lane() = default;

void lane::run(const char* range_name, run_function function, std::int32_t batch,
               stream_handle stream) {
  const visit visit{resident_, stream};
  if (batch < 0) throw invalid_argument{"batch", "0 or more", std::to_string(batch)};
  if (batch == 0) return;
  const detail::nvtx_range range{range_name, batch};
  const auto bucket = static_cast<std::size_t>(visit.engine().core().buckets.index_for(batch));
  (visit.engine().*function)(batch, bucket);
}

void lane::replay(std::int32_t batch, stream_handle stream) {
  run("replay", &detail::lane_engine::replay, batch, stream);
}

void lane::run_eager(std::int32_t batch, stream_handle stream) {
  run("run_eager", &detail::lane_engine::run_eager, batch, stream);
}

random_state lane::random_state() {
  return visit{resident_}.engine().random_state();
}

void lane::set_random_state(ssugraph::random_state state, stream_handle stream) {
  visit{resident_, stream}.engine().set_random_state(state);
}

void lane::move_to(stream_handle stream) {
  const visit visit{resident_};
  detail::lane_engine& engine = visit.engine();
  engine.core().lanes.enter(resident_.get(), stream, engine.layout().row_tensors(),
                            [&] { engine.move_to(stream); });
}

stream_handle lane::stream() const {
  return visit{resident_}.engine().stream();
}

}  // namespace ssugraph
