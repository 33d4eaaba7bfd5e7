#include "graphs/builder.hpp"

#include "graphs/c_api/config.hpp"
#include "graphs/c_api/handles.hpp"
#include "graphs/c_api/status.hpp"
#include "graphs/c_api/tensors.hpp"
#include "graphs/c_api/values.hpp"

#include <string>
#include <vector>

using namespace ssugraph;
using namespace ssugraph::c_api;

namespace {

/** A C function with its data, which it ends with, once the step has been taken. */
class callback {
 public:
  callback(ssugraph_step_function function, void* user_data)
      : function_{function}, user_data_{user_data} {}
  callback(const callback&) = delete;
  callback& operator=(const callback&) = delete;
  ~callback() {
    if (destroy_ == nullptr) return;
    try {
      destroy_(user_data_);
    } catch (...) {  // NOLINT(bugprone-empty-catch): a C++ function, which was told not to
    }
  }

  void own(ssugraph_destroy_function destroy) noexcept { destroy_ = destroy; }

  [[nodiscard]] int operator()(const step_context& given, stream_handle stream) const {
    const described_tensor indices{given.state_batch_indices};
    const described_tensor destinations{given.dst_state_batch_indices};
    const described_tensor accepted{given.num_accepted_tokens};
    const described_tensor boundaries{given.cu_seqlens};
    const described_tensor plan{given.ring_plan};
    ssugraph_step_context context{};
    context.struct_size = sizeof context;
    context.live_sequences = given.live_sequences;
    context.live_rows = given.live_rows;
    context.state_batch_indices = indices.get();
    context.dst_state_batch_indices = destinations.get();
    context.num_accepted_tokens = accepted.get();
    context.cu_seqlens = boundaries.get();
    context.seeds = given.seeds.data();
    context.seed_count = given.seeds.size();
    context.scratch = given.scratch.data();
    context.scratch_bytes = given.scratch.size();
    context.null_block_id = given.null_block_id;
    context.rows = given.rows;
    context.bucket = given.bucket;
    context.first_row = given.first_row;
    context.ring_plan = plan.get();
    return function_(user_data_, &context, stream);
  }

 private:
  ssugraph_step_function function_;
  void* user_data_;
  ssugraph_destroy_function destroy_ = nullptr;
};

step_options step_options_of(const ssugraph_step_options* given) {
  const ssugraph_step_options known = optional("options", given);
  step_options options;
  options.seeds = known.seeds;
  options.scratch_bytes = known.scratch_bytes;
  options.triggers_early = flag("triggers_early", known.triggers_early);
  options.warm_up = flag("warm_up", known.warm_up);
  const auto writes = array("writes", known.writes, known.write_count);
  if (known.writes == nullptr) return options;
  std::vector<byte_range>& declared = options.writes.emplace();
  for (const auto& [data, bytes] : writes)
    declared.push_back({data, bytes});
  return options;
}

tuning_options tuning_of(const ssugraph_tuning_options* given) {
  const ssugraph_tuning_options known = optional("options", given);
  tuning_options options;
  options.measure = toggle("measure", known.measure).value_or(options.measure);
  options.batch_invariant = flag("batch_invariant", known.batch_invariant);
  if (known.scratch_fraction != 0.0) options.scratch_fraction = known.scratch_fraction;
  options.cache_file = text("cache_file", known.cache_file, "");
  return options;
}

recording_options recording_of(const ssugraph_recording_options* given) {
  const ssugraph_recording_options known = optional("options", given);
  check_reserved("reserved", known.reserved);
  recording_options options;
  options.lazy = flag("lazy", known.lazy);
  options.strict_capture = flag("strict_capture", known.strict_capture);
  options.max_graphs = known.max_graphs;
  options.max_bytes = known.max_bytes;
  options.checked = toggle("checked", known.checked);
  return options;
}

}  // namespace

ssugraph_status ssugraph_builder_create(const ssugraph_config* config, const int32_t* buckets,
                                        size_t bucket_count, int32_t target_number,
                                        ssugraph_builder** builder) {
  return guarded([&] {
    hand_out("builder", builder, [&] {
      const auto given = array("buckets", buckets, bucket_count);
      const auto where = static_cast<target>(enumerator("target", target_number, 2));
      return std::make_shared<builder_object>(config_of(config),
                                              bucket_policy{{given.begin(), given.end()}}, where);
    });
  });
}

ssugraph_status ssugraph_builder_destroy(ssugraph_builder* builder) {
  return guarded([&] { destroy(builder); });
}

ssugraph_status ssugraph_builder_ssu(ssugraph_builder* builder, const char* name,
                                     const ssugraph_ssu_args* args,
                                     const ssugraph_ssu_options* options) {
  return guarded([&] {
    const auto visit = visit_of(builder);
    const ssugraph_ssu_options known = optional("options", options);
    check_reserved("reserved", known.reserved);
    ssu_args given = args_of(args);
    if (known.sequences != nullptr) {
      if (required("args", args).has_null_block != 0)
        throw invalid_argument{"has_null_block", "0, for the null block is that of the sequences",
                               "1"};
      given.null_block_id = ssu_args{}.null_block_id;
    }
    visit->ssu(text("name", name), given,
               {.shares_state = flag("shares_state", known.shares_state),
                .sequences = text("sequences", known.sequences, "")});
  });
}

ssugraph_status ssugraph_builder_sequences(ssugraph_builder* builder, const char* name,
                                           const ssugraph_sequence_group* group) {
  return guarded([&] {
    const auto visit = visit_of(builder);
    visit->sequences(text("name", name), group_of(group));
  });
}

ssugraph_status ssugraph_builder_step(ssugraph_builder* builder, const char* name,
                                      ssugraph_step_function function, void* user_data,
                                      ssugraph_destroy_function destroy,
                                      const ssugraph_step_options* options) {
  return guarded([&] {
    const auto visit = visit_of(builder);
    if (function == nullptr) throw invalid_argument{"function", "a function", "null"};
    const std::string step = text("name", name);
    const auto call = std::make_shared<callback>(function, user_data);
    visit->step(
        step,
        [call, step](const step_context& context, stream_handle stream) {
          const int value = (*call)(context, stream);
          if (value != 0) throw callback_failed{step, context.bucket, value};
        },
        step_options_of(options));
    call->own(destroy);
  });
}

ssugraph_status ssugraph_builder_last_error(ssugraph_builder* builder,
                                            ssugraph_last_error_function peek,
                                            ssugraph_last_error_function get) {
  return guarded([&] {
    const auto visit = visit_of(builder);
    if ((peek == nullptr) != (get == nullptr)) {
      throw invalid_argument{peek == nullptr ? "peek" : "get",
                             "a function as the other one, or both NULL", "NULL"};
    }
    detail::pipeline_draft::of(*visit.operator->()).last_error = {peek, get};
  });
}

ssugraph_status ssugraph_builder_rows(ssugraph_builder* builder, int64_t count) {
  return guarded([&] { visit_of(builder)->rows(count); });
}

ssugraph_status ssugraph_builder_programmatic_dependent_launch(ssugraph_builder* builder,
                                                               int32_t enabled) {
  return guarded([&] {
    const auto visit = visit_of(builder);
    visit->programmatic_dependent_launch(flag("enabled", enabled));
  });
}

ssugraph_status ssugraph_builder_tuning(ssugraph_builder* builder,
                                        const ssugraph_tuning_options* options) {
  return guarded([&] {
    const auto visit = visit_of(builder);
    visit->tuning(tuning_of(options));
  });
}

ssugraph_status ssugraph_builder_recording(ssugraph_builder* builder,
                                           const ssugraph_recording_options* options) {
  return guarded([&] {
    const auto visit = visit_of(builder);
    visit->recording(recording_of(options));
  });
}

ssugraph_status ssugraph_builder_build(ssugraph_builder* builder, ssugraph_pipeline** pipeline) {
  return guarded([&] {
    hand_out("pipeline", pipeline, [&] {
      const auto visit = visit_of(builder);
      return std::make_shared<ssugraph::pipeline>(visit->build());
    });
  });
}
