#pragma once

#include "lib/ops/ssu/problem/operands.hpp"
#include "lib/step/ring.hpp"
#include "lib/step/sequence.hpp"

#include <ssugraph/backend.hpp>
#include <ssugraph/config.hpp>
#include <ssugraph/device.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/ssu_problem.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ssugraph::detail {

/** Of what is valid. */
inline constexpr std::int64_t max_dstate = 256;

/** Whether all entries along `axis` are one. */
[[nodiscard]] bool is_broadcast(const tensor_view& tensor, int axis);

/** The mode that `args` select by the tensors they bind. */
[[nodiscard]] ssu_mode mode_of(const ssu_args& args) noexcept;

/** T of `args`. */
[[nodiscard]] std::int64_t max_seqlen_of(const ssu_args& args);

/** What `args`, which are checked and canonical, boil down to on `where`. Addresses count by their
 *  alignment alone. */
[[nodiscard]] ssu_problem problem_of(const ssu_args& args, const mamba_config& config,
                                     device where);

/** `problem` of the tensors of `args`, which match it but for where they lie. */
[[nodiscard]] ssu_problem relocated(ssu_problem problem, const ssu_args& args);

/** What is true of two problems that differ in where their tensors lie: each is aligned as in the
 *  one where it is less. */
[[nodiscard]] ssu_problem less_aligned(ssu_problem problem, const ssu_problem& other);

/** Whether dt has a limit on any side. */
[[nodiscard]] bool has_dt_limits(const ssu_problem& problem);

/** Of a tensor; none where it is not bound. */
[[nodiscard]] std::optional<dtype> dtype_of(const ssu_problem& problem, ssu_tensor tensor);

/** What a user must know of how its states are stored, for the notes of a plan. */
[[nodiscard]] std::vector<std::string> notes_on_format(const ssu_problem& problem);

/** What sets measurements of `problem` apart: its words, and the dtype of every tensor. */
[[nodiscard]] std::string tuning_key(const ssu_problem& problem);

/** How many there are. Not of slots and rows, which a problem has any number of. */
[[nodiscard]] std::int64_t extent_of(const ssu_problem& problem, ssu_axis axis);

/** Of what the tables and policies were measured on, an H100. */
inline constexpr int measured_multiprocessors = 132;

/** That launches may use; where the problem does not say, `measured_multiprocessors`. */
[[nodiscard]] inline int multiprocessors_of(const ssu_problem& problem) {
  return problem.multiprocessors > 0 ? problem.multiprocessors : measured_multiprocessors;
}

/** Where the sequences of a launch are; of the scalars, the problem's count. */
[[nodiscard]] sequence_rule rule_of(const ssu_problem& problem, const ssu_args& args);

/** Of a checkpointed state. */
[[nodiscard]] std::optional<ring_rule> ring_rule_of(const ssu_args& args);

/** All that there is, of the dtypes that floating and index tensors have. */
[[nodiscard]] backend_features all_features();

/** Why `has` is not enough for `problem`; empty if it is. */
[[nodiscard]] std::string why_lacks(const backend_features& has, const ssu_problem& problem);

}  // namespace ssugraph::detail
