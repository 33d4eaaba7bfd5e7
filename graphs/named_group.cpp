#include "graphs/named_group.hpp"

#include <ssugraph/error.hpp>

#include <array>
#include <cstdint>

namespace ssugraph::detail {
namespace {

struct group_tensor {
  const char* name;
  tensor_view sequence_group::*of_group;
  tensor_view ssu_args::*of_step;
};

constexpr std::array group_tensors{
    group_tensor{"state_batch_indices", &sequence_group::state_batch_indices,
                 &ssu_args::state_batch_indices},
    group_tensor{"dst_state_batch_indices", &sequence_group::dst_state_batch_indices,
                 &ssu_args::dst_state_batch_indices},
    group_tensor{"num_accepted_tokens", &sequence_group::num_accepted_tokens,
                 &ssu_args::num_accepted_tokens},
    group_tensor{"cu_seqlens", &sequence_group::cu_seqlens, &ssu_args::cu_seqlens},
    group_tensor{"ring_cursor", &sequence_group::ring_cursor, &ssu_args::ring_cursor},
    group_tensor{"ring_plan", &sequence_group::ring_plan, &ssu_args::ring_plan},
    group_tensor{"rounding_key", &sequence_group::rounding_key, &ssu_args::rounding_key}};

struct group_number {
  const char* name;
  std::int64_t sequence_group::*of_group;
  std::int64_t ssu_args::*of_step;
};

constexpr std::array group_numbers{
    group_number{"null_block_id", &sequence_group::null_block_id, &ssu_args::null_block_id},
    group_number{"max_seqlen", &sequence_group::max_seqlen, &ssu_args::max_seqlen},
    group_number{"checkpoint_interval", &sequence_group::checkpoint_interval,
                 &ssu_args::checkpoint_interval}};

}  // namespace

ssu_args with_sequences(ssu_args args, const named_group& group) {
  const std::string whose = "sequences '" + group.name + "', which ";
  for (const auto& [name, of_group, of_step] : group_tensors) {
    if (args.*of_step) {
      throw invalid_argument{std::string{name}, "nothing beside " + whose + "have it",
                             to_string(args.*of_step)};
    }
    args.*of_step = group.sequences.*of_group;
  }
  for (const auto& [name, of_group, of_step] : group_numbers) {
    const std::int64_t its = group.sequences.*of_group;
    if (args.*of_step != its && args.*of_step != ssu_args{}.*of_step) {
      throw invalid_argument{name, "that of " + whose + "say " + std::to_string(its),
                             std::to_string(args.*of_step)};
    }
    args.*of_step = its;
  }
  return args;
}

}  // namespace ssugraph::detail
