#include "lib/core/device.hpp"
#include "lib/core/log.hpp"
#include "lib/random/philox.hpp"
#include "lib/ssu/backends.hpp"
#include "lib/ssu/validate.hpp"

#include <ssugraph/error.hpp>
#include <ssugraph/ssu.hpp>

#include <mutex>
#include <utility>

namespace ssugraph {
namespace {

struct process_default {
  std::mutex mutex;
  std::shared_ptr<ssu_dispatch> dispatch;
};

/** Never destroyed: objects with static lifetime may call later than this would. */
process_default& the_default() {
  static process_default& instance = *new process_default;
  return instance;
}

}  // namespace

ssu_dispatch::ssu_dispatch(mamba_config config, std::uint64_t seed)
    : config_{std::move(config)},
      backend_{detail::find_backend(config_.backend)},
      random_{.seed = seed, .next_draw = 0} {
  detail::validate(config_);
}

ssu_plan ssu_dispatch::plan(const ssu_args& args) const {
  const detail::ssu_call call = detail::validate(args, config_);
  return detail::resolve(backend_, call.problem, call.sequences, config_.algorithm)->plan();
}

void ssu_dispatch::selective_state_update(const ssu_args& args, stream_handle stream) {
  const detail::ssu_call call = detail::validate(args, config_);
  const auto planned = detail::resolve(backend_, call.problem, call.sequences, config_.algorithm);
  if (call.sequences == 0) return;
  const bool draws = call.problem.stochastic_rounding && !call.args.rand_seed;
  if (draws && detail::is_capturing(stream, call.problem.device)) {
    throw invalid_state{"the stream", "is being captured, so a seed drawn now would repeat",
                        "bind rand_seed"};
  }
  const std::int64_t drawn = draws ? draw_seed() : 0;
  planned->enqueue(call.args, drawn, stream);
}

std::int64_t ssu_dispatch::draw_seed() noexcept {
  const std::lock_guard lock{random_mutex_};
  return detail::draw_seed(random_.seed, random_.next_draw++);
}

random_state ssu_dispatch::random_state() const noexcept {
  const std::lock_guard lock{random_mutex_};
  return random_;
}

void ssu_dispatch::set_random_state(ssugraph::random_state state) noexcept {
  const std::lock_guard lock{random_mutex_};
  random_ = state;
}

std::shared_ptr<ssu_dispatch> initialize_mamba_ssu_backend(mamba_config config,
                                                           std::uint64_t seed) {
  auto dispatch = std::make_shared<ssu_dispatch>(std::move(config), seed);
  detail::log_line("selective_state_update runs on " + detail::describe(dispatch->config()));
  const std::lock_guard lock{the_default().mutex};
  the_default().dispatch = dispatch;
  return dispatch;
}

std::shared_ptr<ssu_dispatch> get_mamba_ssu_backend() {
  const std::lock_guard lock{the_default().mutex};
  if (the_default().dispatch) return the_default().dispatch;
  throw invalid_state{"the default SSU backend", "is not chosen",
                      "call initialize_mamba_ssu_backend(config)"};
}

void selective_state_update(const ssu_args& args, stream_handle stream) {
  get_mamba_ssu_backend()->selective_state_update(args, stream);
}

}  // namespace ssugraph
