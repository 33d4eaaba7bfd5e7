#pragma once

#include "lib/ssu/backends.hpp"

#include <ssugraph/pipeline.hpp>

#include <map>
#include <string>
#include <vector>

namespace ssugraph::detail {

/** Plans a problem for every bucket. Steps that share a problem share the choice. */
class bucket_planner {
 public:
  /** `back_to_back`: SSU steps follow one another in the pipeline, without others between. */
  bucket_planner(const mamba_ssu_backend& backend, std::string algorithm,
                 const bucket_policy& buckets, bool back_to_back, const tuning_options& options);

  /**
   * One plan a bucket. `args` are canonical and cut to the largest bucket; `problem` is theirs.
   * Measures only for backend `automatic` on a GPU. Throws unsupported and cuda_error.
   */
  [[nodiscard]] std::vector<ssu_plan> plans(const ssu_args& args, const ssu_problem& problem);

  /** For the log: what was measured; empty if nothing was. */
  [[nodiscard]] std::string summary() const;

 private:
  [[nodiscard]] std::vector<ssu_plan> fixed(const ssu_problem& problem) const;
  [[nodiscard]] std::vector<ssu_plan> measured(const ssu_args& args, const ssu_problem& problem);

  const mamba_ssu_backend& backend_;
  std::string algorithm_;
  const bucket_policy& buckets_;
  bool back_to_back_;
  const tuning_options& options_;
  /** By problem and candidates: the plans of a step measured earlier. */
  std::map<std::string, std::vector<ssu_plan>> known_;
  std::size_t measurements_ = 0;
  double milliseconds_ = 0.0;
};

}  // namespace ssugraph::detail
