#pragma once

#include <ssugraph/config.hpp>
#include <ssugraph/device.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/ssu_problem.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace ssugraph::detail {

/** A validated call: canonical arguments (every axis present) and what they boil down to. */
struct validated_ssu {
  ssu_args args;
  ssu_problem problem;
  std::int64_t sequences = 0;
};

/**
 * Checks `config` alone. Throws invalid_argument. Its backend's name is the registry's to check.
 */
void validate(const mamba_config& config);

/** Throws invalid_argument unless all tensors pass check_reach, which comes before all else. */
void check_reach(const ssu_args& args);

/** For messages: `backend native, algorithm auto, philox-10 rounding`. */
[[nodiscard]] std::string describe(const mamba_config& config);

/**
 * Checks every promise of `args` that the host can see, without reading a tensor. Throws
 * invalid_argument. The CUDA runtime is asked where each address lives, unless all are known to lie
 * on `where`; nothing else.
 */
[[nodiscard]] validated_ssu validate(const ssu_args& args, const mamba_config& config,
                                     std::optional<device> where = {});

/** Throws invalid_argument unless T fits the kernels. */
void check_max_seqlen(std::int64_t max_seqlen);

}  // namespace ssugraph::detail
