#include "lib/core/log.hpp"
#include "lib/ops/ssu/eager.hpp"
#include "lib/ops/ssu/find_backend.hpp"
#include "lib/ops/ssu/problem/validate.hpp"
#include "lib/ops/ssu/resolve.hpp"

#include <ssugraph/config.hpp>
#include <ssugraph/dispatch.hpp>
#include <ssugraph/error.hpp>
#include <ssugraph/random.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/ssu_plan.hpp>
#include <ssugraph/stream.hpp>

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

ssu_dispatch::ssu_dispatch(mamba_config config, std::uint64_t seed, eager_options options)
    : state_{std::make_shared<detail::eager_state>()} {
  state_->backend = detail::find_backend(config.backend);
  detail::validate(config);
  state_->config = std::move(config);
  state_->checked = options.checked.value_or(SSUGRAPH_CHECKED);
  state_->programmatic = options.programmatic_dependent_launch;
  state_->random.seed = seed;
}

ssu_dispatch::~ssu_dispatch() = default;

const mamba_config& ssu_dispatch::config() const noexcept {
  return state_->config;
}

const mamba_ssu_backend& ssu_dispatch::backend() const noexcept {
  return *state_->backend;
}

ssu_plan ssu_dispatch::plan(const ssu_args& args) const {
  const mamba_config& config = state_->config;
  const detail::validated_ssu call = detail::validate_eager(args, config);
  return detail::resolve(state_->backend, call.problem, call.sequences, config.algorithm)->plan();
}

void ssu_dispatch::selective_state_update(const ssu_args& args, stream_handle stream) {
  const mamba_config& config = state_->config;
  const detail::validated_ssu call = detail::validate_eager(args, config);
  const auto planned =
      detail::resolve(state_->backend, call.problem, call.sequences, config.algorithm);
  if (call.sequences == 0) return;
  if (state_->programmatic) planned->load();
  detail::enqueue_eager(*state_, call.problem, *planned, call.args, call.sequences, stream);
}

random_state ssu_dispatch::random_state() const noexcept {
  const std::lock_guard lock{state_->random_mutex};
  return state_->random;
}

void ssu_dispatch::set_random_state(ssugraph::random_state state) noexcept {
  const std::lock_guard lock{state_->random_mutex};
  state_->random = state;
}

std::shared_ptr<ssu_dispatch> initialize_mamba_ssu_backend(mamba_config config, std::uint64_t seed,
                                                           eager_options options) {
  auto dispatch = std::make_shared<ssu_dispatch>(std::move(config), seed, options);
  detail::log_info("selective_state_update runs on " + detail::describe(dispatch->config()));
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
