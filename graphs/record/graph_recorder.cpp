#include "graphs/record/graph_recorder.hpp"

#include "graphs/record/capture.hpp"
#include "graphs/record/launch_path.hpp"
#include "graphs/record/node_checks.hpp"
#include "graphs/record/prologue_kernel.hpp"
#include "graphs/record/tool_report.hpp"
#include "lib/core/cuda_context.hpp"
#include "lib/step/promises_kernel.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace ssugraph::detail {
namespace {

cuda_stream make_capture_stream(const stream_place& place, bool strict) {
  if (!strict) return make_stream(place);
  if (place.part != nullptr) {
    throw invalid_argument{"strict_capture", "off for a stream of a part of the multiprocessors",
                           "on, which wants a blocking stream there"};
  }
  cudaStream_t stream = nullptr;
  check_cuda(cudaStreamCreate(&stream), "cudaStreamCreate");
  return cuda_stream{stream};
}

/** At the end of a scope, however that is left, waits for a stream: memory that its work uses may
 *  be freed next. */
class stream_wait {
 public:
  explicit stream_wait(cudaStream_t stream) noexcept : stream_{stream} {}
  stream_wait(const stream_wait&) = delete;
  stream_wait& operator=(const stream_wait&) = delete;
  ~stream_wait() {
    if (cudaStreamSynchronize(stream_) != cudaSuccess) cudaGetLastError();
  }

 private:
  cudaStream_t stream_;
};

}  // namespace

graph_recorder::graph_recorder(const pipeline_core& core, const stream_place& place)
    : core_{core},
      part_{place.part_context},
      stream_{make_capture_stream(place, core.recording.strict_capture)} {
  name_stream(stream_.get(), "ssugraph capture");
}

/** One try at the graph of a bucket; what was captured before a spoiled step is lost with it. */
class graph_recorder::attempt {
 public:
  attempt(const pipeline_core& core, const lane_layout& layout, std::size_t bucket_index,
          cudaStream_t stream, context_handle part)
      : core_{core},
        layout_{layout},
        bucket_index_{bucket_index},
        bucket_{core.buckets.buckets()[bucket_index]},
        path_{stream, part, core.programmatic_dependent_launch} {}

  /** The step that the attempt is at. */
  [[nodiscard]] std::size_t step() const noexcept { return step_; }

  bucket_graph record(const prologue_params& prologue) {
    bucket_graph recorded;
    recorded.bucket = bucket_;
    recorded.prologue = path_.add(lower_prologue(prologue));
    if (core_.checked) recorded.promises = path_.add(lower_promises(layout_.promises(bucket_)));
    for (step_ = 0; step_ < core_.steps.size(); ++step_) {
      const pipeline_step& step = core_.steps[step_];
      try {
        recorded.steps.push_back(step.library() != nullptr ? add(*step.library())
                                                           : add(*step.custom()));
      } catch (const cuda_error& error) {
        if (!error.step().empty()) throw;
        throw cuda_error{error, step.name, bucket_};
      } catch (const ended_capture&) {
        throw_ended_capture(place());
      }
    }
    recorded.graph = std::move(path_).take_graph();
    return recorded;
  }

 private:
  recorded_step add(const library_step& step) {
    recorded_step recorded =
        path_.add(step.plans[bucket_index_], layout_.step_tensors(step_, bucket_), next_plan());
    if (!recorded.is_ours()) check_replayable(recorded.nodes, place());
    return recorded;
  }

  recorded_step add(const custom_step& step) {
    recorded_step recorded = path_.add(custom_launch{&step, layout_.context(step_, bucket_)});
    check_replayable(recorded.nodes, place());
    path_.overlap(step, recorded.nodes);
    return recorded;
  }

  /** The plan of the step behind, if that is one of the library's. */
  [[nodiscard]] const planned_step* next_plan() const {
    if (step_ + 1 == core_.steps.size()) return nullptr;
    const library_step* next = core_.steps[step_ + 1].library();
    return next != nullptr ? next->plans[bucket_index_].get() : nullptr;
  }

  [[nodiscard]] std::string place() const { return place_of(core_.steps[step_].name, bucket_); }

  const pipeline_core& core_;
  const lane_layout& layout_;
  std::size_t bucket_index_;
  std::int32_t bucket_;
  launch_path path_;
  std::size_t step_ = 0;
};

bucket_graph graph_recorder::record(const lane_layout& layout, std::size_t bucket_index,
                                    const prologue_params& prologue) {
  const std::int32_t bucket = core_.buckets.buckets()[bucket_index];
  const nvtx_range range{nvtx_category::record, core_.ranges[bucket_index].record, bucket};
  std::vector<int> spoiled_before(core_.steps.size(), 0);
  while (true) {
    attempt attempt{core_, layout, bucket_index, stream_.get(), part_};
    try {
      const kept_last_error kept{core_.last_error};
      bucket_graph recorded = attempt.record(prologue);
      if (tool_listens())
        report_to_tool(recorded.graph.get(), bucket, owned_nodes(recorded, core_));
      return recorded;
    } catch (const spoiled_capture& spoiled) {
      if (spoiled_before[attempt.step()]++ == max_capture_retries) {
        try {
          std::rethrow_exception(spoiled.cause);
        } catch (const cuda_error& error) {
          throw cuda_error{error, core_.steps[attempt.step()].name, bucket};
        }
      }
      ++retries_;
    }
  }
}

void graph_recorder::warm_up(const lane_layout& layout) {
  const std::int32_t bucket = core_.buckets.max_batch();
  const auto asks = [](const pipeline_step& step) {
    return step.custom() != nullptr && step.custom()->options.warm_up;
  };
  if (std::ranges::none_of(core_.steps, asks)) return;
  const kept_last_error kept{core_.last_error};
  const stream_wait before_leaving{stream_.get()};
  lower_prologue(layout.prologue(0, bucket)).launch(stream_.get());
  for (std::size_t step = 0; step < core_.steps.size(); ++step) {
    if (!asks(core_.steps[step])) continue;
    core_.steps[step].custom()->enqueue(layout.context(step, bucket), stream_.get());
    try {
      check_cuda(cudaStreamSynchronize(stream_.get()), "cudaStreamSynchronize of a warm-up");
    } catch (const cuda_error& error) {
      throw cuda_error{error, core_.steps[step].name, bucket};
    }
  }
}

}  // namespace ssugraph::detail
