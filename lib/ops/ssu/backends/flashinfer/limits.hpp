#pragma once

#include "lib/ops/ssu/backends/flashinfer/specialization.hpp"

#include <ssugraph/ssu_problem.hpp>

#include <string>

/** What FlashInfer's kernels can do, as plain rules: no CUDA, no specialisation, no device. */
namespace ssugraph::detail::flashinfer {

/** Whether the kernels of one token would read the scale of a null_block_id that is no slot: they
 *  load that of every sequence. */
[[nodiscard]] bool reads_scale_of_no_slot(const ssu_problem& problem) noexcept;

/** Whether the kernel of many tokens runs `problem`: all but plain calls without destinations, and
 *  of those, scaled states whose null_block_id is no slot. */
[[nodiscard]] bool takes_many_tokens(const ssu_problem& problem) noexcept;

/** The variant that `problem` needs; one without indices takes the int32 one. */
[[nodiscard]] flashinfer_shape shape_of(const ssu_problem& problem) noexcept;

/** `shape` as a line of a list of shapes. */
[[nodiscard]] std::string to_string(const flashinfer_shape& shape);

/** Why none of FlashInfer's kernels can do `problem`, whatever is compiled; empty if one can. */
[[nodiscard]] std::string why_not(const ssu_problem& problem);

/** Why `algorithm` cannot do a problem that `simple` can; empty if it can. */
[[nodiscard]] std::string why_not(const ssu_problem& problem, flashinfer_algorithm algorithm);

}  // namespace ssugraph::detail::flashinfer
