#pragma once

#include "graphs/core/pipeline_core.hpp"
#include "graphs/named_group.hpp"
#include "lib/ops/ssu/ssu_step.hpp"

#include <ssugraph/bucket_policy.hpp>
#include <ssugraph/config.hpp>
#include <ssugraph/detail/callers_runtime.hpp>
#include <ssugraph/pipeline.hpp>
#include <ssugraph/pipeline_builder.hpp>
#include <ssugraph/recording.hpp>
#include <ssugraph/tuning.hpp>

#include <functional>
#include <string>
#include <vector>

namespace ssugraph::detail {

/** What a builder has collected. An operation of the library has a builder method, which makes a
 *  checked step and adds it here: no graph, plan or lane knows which operation a step is of. */
struct pipeline_draft {
  pipeline_draft(mamba_config given_config, bucket_policy given_buckets, target given_where,
                 callers_last_error given_last_error);

  mamba_config config;
  bucket_policy buckets;
  target where;
  callers_last_error last_error;
  ssu_setup ssu;  ///< of the SSU steps
  bool programmatic_dependent_launch = true;
  tuning_options tuning;
  recording_options recording;
  std::vector<pipeline_step> steps;
  std::vector<named_group> groups;

  [[nodiscard]] static pipeline_draft& of(pipeline_builder& builder) { return *builder.draft_; }

  /**
   * Appends the step that `check` makes, of the group called `sequences` if that is not empty.
   * Throws what it throws, and invalid_argument: a name that is empty or taken, tensors on another
   * device or of another mode than the steps before, the state of an earlier step unless it is
   * shared. All but the name's names the step. Throws unsupported if the step has no plan. The
   * draft is then unchanged.
   */
  void add(std::string name, bool shares_state, const std::function<checked_pointer()>& check,
           std::string sequences = {});

  /** Appends a step of the user's. Throws invalid_argument; the draft is then unchanged. */
  void add(std::string name, custom_step step);

  /** Appends sequences for steps to come. Throws invalid_argument: a name that is empty or taken.
   */
  void add(named_group group);

  /** The sequences called `name`. Throws invalid_argument. */
  [[nodiscard]] const named_group& group_called(const std::string& name) const;

  /** Resolves every step for every bucket. Throws as pipeline_builder::build. */
  [[nodiscard]] std::shared_ptr<pipeline_core> resolve() const;

 private:
  void check_name(const std::string& name) const;
  void check_place(const checked_step& step) const;
  void check_states(const checked_step& step, bool shares_state) const;
};

}  // namespace ssugraph::detail
