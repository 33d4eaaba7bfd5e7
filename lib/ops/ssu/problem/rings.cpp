#include "lib/ops/ssu/problem/rings.hpp"

#include "lib/ops/ssu/problem/operands.hpp"
#include "lib/ops/ssu/problem/problem.hpp"
#include "lib/step/check_ring.hpp"

#include <ssugraph/error.hpp>
#include <ssugraph/rings.hpp>

#include <array>
#include <tuple>
#include <utility>

namespace ssugraph::detail {
namespace {

constexpr std::int64_t cursor_columns = sizeof(ring_cursor) / sizeof(std::int32_t);
constexpr std::int64_t plan_columns = sizeof(ring_plan_row) / sizeof(std::int32_t);

/** Throws unless `tensor` is not bound. */
void refuse_beside_rings(const ssu_args& args, tensor_view ssu_args::*member, const char* name) {
  if (!(args.*member)) return;
  throw invalid_argument{name, "nothing beside x_ring: a checkpoint is stored where it was read",
                         to_string(args.*member)};
}

void check_tied(const ssu_args& args) {
  for (const auto& [name, tensor, axis] :
       {std::tuple{"A", args.A, 1}, std::tuple{"A", args.A, 2}, std::tuple{"dt", args.dt, 2},
        std::tuple{"dt_bias", args.dt_bias, 1}}) {
    if (!tensor || is_broadcast(tensor, axis)) continue;
    throw invalid_argument{name,
                           "one value a head (stride 0 behind it) beside x_ring: a tied model",
                           to_string(tensor)};
  }
}

}  // namespace

void check_ring_partners(const ssu_args& args) {
  constexpr std::array rings{std::pair{"x_ring", &ssu_args::x_ring},
                             std::pair{"B_ring", &ssu_args::B_ring},
                             std::pair{"dt_ring", &ssu_args::dt_ring}};
  constexpr std::array beside{std::pair{"ring_cursor", &ssu_args::ring_cursor},
                              std::pair{"ring_plan", &ssu_args::ring_plan},
                              std::pair{"rounding_key", &ssu_args::rounding_key}};
  const char* bound = nullptr;
  for (const auto& each : {rings, beside}) {
    for (const auto& [name, member] : each) {
      if (args.*member && bound == nullptr) bound = name;
    }
  }
  if (bound == nullptr) return;
  for (const auto& [name, member] : rings) {
    if (!(args.*member))
      throw invalid_argument{name, std::string{"a tensor beside "} + bound, "nothing"};
  }
  if (args.ring_cursor && args.ring_plan) {
    throw invalid_argument{"ring_plan", "nothing beside ring_cursor, of which a plan is made",
                           to_string(args.ring_plan)};
  }
  if (!args.ring_cursor && !args.ring_plan) {
    throw invalid_argument{"ring_cursor", "a tensor (or ring_plan) beside x_ring", "nothing"};
  }
}

void check_rings(const ssu_args& args, std::int64_t sequences) {
  if (!args.x_ring) return;
  refuse_beside_rings(args, &ssu_args::dst_state, "dst_state");
  refuse_beside_rings(args, &ssu_args::dst_state_batch_indices, "dst_state_batch_indices");
  check_tied(args);
  check_ring_slots("state", args.state);
  if (args.num_accepted_tokens && args.num_accepted_tokens.rank() != 1) {
    throw invalid_argument{"num_accepted_tokens", "shape (n) = (" + std::to_string(sequences) + ")",
                           to_string(args.num_accepted_tokens)};
  }
  if (!args.cu_seqlens && args.max_seqlen > 1) {
    throw invalid_argument{
        "cu_seqlens",
        "a tensor beside x_ring, for max_seqlen is " + std::to_string(args.max_seqlen), "nothing"};
  }
  const std::int64_t max_seqlen = max_seqlen_of(args);
  const std::int64_t slots = args.state.extent(0);
  check_ring_interval(args.checkpoint_interval, max_seqlen);
  if (args.ring_cursor) {
    check_ring_length("x_ring", args.x_ring.extent(2), args.checkpoint_interval, max_seqlen);
    check_ring_rows("ring_cursor", args.ring_cursor, slots, cursor_columns);
  } else {
    check_ring_length("x_ring", args.x_ring.extent(2), 0, max_seqlen);
    check_ring_rows("ring_plan", args.ring_plan, sequences, plan_columns);
  }
  if (args.rounding_key &&
      (args.rounding_key.rank() != 1 || args.rounding_key.extent(0) != slots)) {
    throw invalid_argument{"rounding_key", "shape (slots) = (" + std::to_string(slots) + ")",
                           to_string(args.rounding_key)};
  }
}

}  // namespace ssugraph::detail
