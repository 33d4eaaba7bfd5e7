#include "graphs/c_api/config.hpp"
#include "graphs/c_api/handles.hpp"
#include "graphs/c_api/status.hpp"
#include "graphs/c_api/tensors.hpp"
#include "graphs/c_api/values.hpp"

#include <string>

using namespace ssugraph;
using namespace ssugraph::c_api;

mamba_config ssugraph::c_api::config_of(const ssugraph_config* given) {
  const ssugraph_config known = optional("config", given);
  mamba_config config;
  config.backend = text("backend", known.backend, config.backend.c_str());
  config.algorithm = text("algorithm", known.algorithm, config.algorithm.c_str());
  config.stochastic_rounding = flag("stochastic_rounding", known.stochastic_rounding);
  config.philox_rounds = known.philox_rounds;
  return config;
}

namespace {

eager_options eager_of(const ssugraph_eager_options* given) {
  const ssugraph_eager_options known = optional("options", given);
  return {.checked = toggle("checked", known.checked),
          .programmatic_dependent_launch =
              flag("programmatic_dependent_launch", known.programmatic_dependent_launch)};
}

}  // namespace

ssugraph_status ssugraph_selective_state_update(const ssugraph_config* config,
                                                const ssugraph_ssu_args* args,
                                                ssugraph_stream stream) {
  return guarded([&] {
    if (config == nullptr) return selective_state_update(args_of(args), stream);
    ssu_dispatch once{config_of(config)};
    const ssu_args known = args_of(args);
    if (once.config().stochastic_rounding && !known.rand_seed) {
      throw invalid_argument{"rand_seed", "a seed for the stochastic rounding of a single call",
                             "nothing (a dispatch draws its own)"};
    }
    once.selective_state_update(known, stream);
  });
}

ssugraph_status ssugraph_initialize_mamba_ssu_backend(const ssugraph_config* config,
                                                      uint64_t seed) {
  return ssugraph_initialize_mamba_ssu_backend_with(config, seed, nullptr);
}

ssugraph_status ssugraph_initialize_mamba_ssu_backend_with(const ssugraph_config* config,
                                                           uint64_t seed,
                                                           const ssugraph_eager_options* options) {
  return guarded([&] { initialize_mamba_ssu_backend(config_of(config), seed, eager_of(options)); });
}

ssugraph_status ssugraph_get_mamba_ssu_backend(ssugraph_dispatch** dispatch) {
  return guarded([&] { hand_out("dispatch", dispatch, [] { return get_mamba_ssu_backend(); }); });
}

ssugraph_status ssugraph_backends_for(const ssugraph_config* config, const ssugraph_ssu_args* args,
                                      ssugraph_backend_visitor visitor, void* user_data) {
  return guarded([&] {
    if (visitor == nullptr) throw invalid_argument{"visitor", "a function", "null"};
    for (const auto& [backend, answer] : backends_for(args_of(args), config_of(config)))
      visitor(user_data, backend.c_str(), answer.why_not.c_str());
  });
}

ssugraph_status ssugraph_dispatch_create(const ssugraph_config* config, uint64_t seed,
                                         ssugraph_dispatch** dispatch) {
  return ssugraph_dispatch_create_with(config, seed, nullptr, dispatch);
}

ssugraph_status ssugraph_dispatch_create_with(const ssugraph_config* config, uint64_t seed,
                                              const ssugraph_eager_options* options,
                                              ssugraph_dispatch** dispatch) {
  return guarded([&] {
    hand_out("dispatch", dispatch, [&] {
      return std::make_shared<ssu_dispatch>(config_of(config), seed, eager_of(options));
    });
  });
}

ssugraph_status ssugraph_dispatch_destroy(ssugraph_dispatch* dispatch) {
  return guarded([&] { destroy(dispatch); });
}

ssugraph_status ssugraph_dispatch_plan(const ssugraph_dispatch* dispatch,
                                       const ssugraph_ssu_args* args, char* text, size_t capacity,
                                       size_t* length) {
  return guarded([&] {
    const auto object = object_of(dispatch);
    write_text(text, capacity, length, [&] { return to_string(object->plan(args_of(args))); });
  });
}

ssugraph_status ssugraph_dispatch_selective_state_update(ssugraph_dispatch* dispatch,
                                                         const ssugraph_ssu_args* args,
                                                         ssugraph_stream stream) {
  return guarded([&] { object_of(dispatch)->selective_state_update(args_of(args), stream); });
}

ssugraph_status ssugraph_dispatch_random_state(const ssugraph_dispatch* dispatch,
                                               ssugraph_random_state* state) {
  return guarded([&] {
    const random_state now = object_of(dispatch)->random_state();
    output("state", state) = {now.seed, now.next_draw};
  });
}

ssugraph_status ssugraph_dispatch_set_random_state(ssugraph_dispatch* dispatch,
                                                   ssugraph_random_state state) {
  return guarded([&] { object_of(dispatch)->set_random_state({state.seed, state.next_draw}); });
}
