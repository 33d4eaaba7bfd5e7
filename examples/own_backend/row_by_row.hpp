#pragma once

#include <ssugraph/backend.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/ssu_plan.hpp>
#include <ssugraph/ssu_problem.hpp>
#include <ssugraph/stream.hpp>

#include <cstdint>
#include <string>

/**
 * A backend of your own: four functions, and a fifth where it has less than the library's. It
 * updates the state by one thread a row, on the GPU or on the host, wherever the tensors are.
 */
class row_by_row final : public ssugraph::mamba_ssu_backend {
 public:
  [[nodiscard]] std::string name() const override { return "row_by_row"; }

  /** A problem that needs more is refused, by name, before it gets here. */
  [[nodiscard]] ssugraph::backend_features features() const override;

  /** Empty where it serves a problem, else the reason in words, which the user gets to read. */
  [[nodiscard]] ssugraph::support supports(const ssugraph::ssu_problem& problem) const override;

  [[nodiscard]] ssugraph::ssu_plan plan(const ssugraph::ssu_problem& problem,
                                        std::int64_t sequences,
                                        const std::string& algorithm) const override;

  /** A pipeline captures this once a bucket; a replay does not call it. */
  void enqueue(const ssugraph::ssu_plan& plan, const ssugraph::ssu_args& args,
               std::int64_t drawn_seed, ssugraph::stream_handle stream) const override;
};
