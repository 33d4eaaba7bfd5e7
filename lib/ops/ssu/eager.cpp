#include "lib/ops/ssu/eager.hpp"

#include "lib/core/device.hpp"
#include "lib/ops/ssu/problem/operands.hpp"
#include "lib/ops/ssu/problem/problem.hpp"
#include "lib/random/philox.hpp"
#include "lib/step/promises.hpp"

#include <ssugraph/error.hpp>

#if SSUGRAPH_CUDA
#include "lib/core/allocation.hpp"
#include "lib/core/cuda_context.hpp"
#include "lib/core/cuda_handle.hpp"
#include "lib/step/promises_kernel.hpp"
#endif

#include <string>

namespace ssugraph::detail {
namespace {

#if SSUGRAPH_CUDA

/** What the sequences break on a device; waits for the stream. */
broken_promise broken_on_device(const promised& of, std::int64_t sequences, stream_handle stream) {
  const mapped_report report;
  enqueue_promises(of, sequences, report.word(), stream);
  check_cuda(cudaStreamSynchronize(stream), "cudaStreamSynchronize of a checked call");
  return *report.word();
}

broken_promise broken_by(const ssu_args& args, const promised& of, std::int64_t sequences,
                         device where, stream_handle stream) {
  const device_guard guard{where.ordinal};
  const relaxed_capture relaxed;
  for (const ssu_operand& each : ssu_operands) {
    const tensor_view& tensor = args.*each.member;
    if (tensor && tensor.size() > 0) check_allocation(std::string{each.what.name}, tensor, where);
  }
  return broken_on_device(of, sequences, stream);
}

#else

broken_promise broken_by(const ssu_args&, const promised&, std::int64_t, device, stream_handle) {
  return none_broken;
}

#endif

/** Throws for the first promise that is broken. */
void verify(const ssu_problem& problem, const ssu_args& args, std::int64_t sequences,
            stream_handle stream) {
  if (is_capturing(stream, problem.device)) {
    throw invalid_state{"the stream", "is being captured, where a checked call cannot wait",
                        "capture calls of a dispatch that is not checked"};
  }
  const promised of{.rule = rule_of(problem, args),
                    .ring = ring_rule_of(args).value_or(ring_rule{}),
                    .plan = index_of(args.ring_plan),
                    .step = 0};
  const broken_promise broken = problem.device.is_host()
                                    ? first_broken(&of, 1, of.rule.rows, sequences, alone)
                                    : broken_by(args, of, sequences, problem.device, stream);
  if (broken != none_broken)
    throw_broken(entry_of(broken), operands_of_ssu(problem.has_dst_state), of);
}

}  // namespace

std::int64_t eager_state::draw_seed() noexcept {
  const std::lock_guard lock{random_mutex};
  return detail::draw_seed(random.seed, random.next_draw++);
}

validated_ssu validate_eager(const ssu_args& args, const mamba_config& config) {
  if (args.ring_cursor && !args.ring_plan) {
    throw invalid_argument{"ring_cursor",
                           "nothing for an eager call, whose ring_plan plan_rings makes of it",
                           to_string(args.ring_cursor)};
  }
  return validate(args, config);
}

void enqueue_eager(eager_state& state, const ssu_problem& problem, const planned_ssu& planned,
                   const ssu_args& args, std::int64_t sequences, stream_handle stream) {
  if (state.checked) verify(problem, args, sequences, stream);
  const bool draws = problem.stochastic_rounding && !args.rand_seed;
  if (draws && is_capturing(stream, problem.device)) {
    throw invalid_state{"the stream", "is being captured, so a seed drawn now would repeat",
                        "bind rand_seed"};
  }
  planned.enqueue(args,
                  {.drawn_seed = draws ? state.draw_seed() : 0,
                   .sequences = sequences,
                   .programmatic = state.programmatic},
                  stream);
}

}  // namespace ssugraph::detail
