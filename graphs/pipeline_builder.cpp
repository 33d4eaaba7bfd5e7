#include "graphs/builder.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <memory>
#include <utility>

namespace ssugraph {

using detail::pipeline_draft;

pipeline_builder::pipeline_builder(mamba_config config, bucket_policy buckets, target where,
                                   detail::callers_last_error last_error)
    : draft_{std::make_unique<pipeline_draft>(std::move(config), std::move(buckets), where,
                                              last_error)} {}

pipeline_builder::pipeline_builder(const pipeline_builder& other)
    : draft_{std::make_unique<pipeline_draft>(*other.draft_)} {}

pipeline_builder& pipeline_builder::operator=(const pipeline_builder& other) {
  draft_ = std::make_unique<pipeline_draft>(*other.draft_);
  return *this;
}

pipeline_builder::~pipeline_builder() = default;

pipeline_builder& pipeline_builder::ssu(std::string name, const ssu_args& args,
                                        ssu_options options) {
  const auto check = [&] {
    if (options.sequences.empty()) return detail::check_ssu(args, draft_->ssu);
    const detail::named_group& group = draft_->group_called(options.sequences);
    return detail::check_ssu(detail::with_sequences(args, group), draft_->ssu);
  };
  draft_->add(std::move(name), options.shares_state, check, options.sequences);
  return *this;
}

pipeline_builder& pipeline_builder::sequences(std::string name, const sequence_group& group) {
  draft_->add({std::move(name), group});
  return *this;
}

pipeline_builder& pipeline_builder::step(std::string name, step_function enqueue,
                                         step_options options) {
  draft_->add(std::move(name), detail::custom_step{std::move(enqueue), std::move(options)});
  return *this;
}

pipeline_builder& pipeline_builder::rows(std::int64_t count) {
  if (count < 0) throw invalid_argument{"rows", "0 or more", std::to_string(count)};
  const auto has_rows = [](const auto& step) { return step.library() != nullptr; };
  if (std::ranges::any_of(draft_->steps, has_rows)) {
    throw invalid_state{"the pipeline builder", "has steps with rows already",
                        "call rows(count) in front of the first"};
  }
  draft_->ssu.row_budget = count;
  return *this;
}

pipeline_builder& pipeline_builder::programmatic_dependent_launch(bool enabled) noexcept {
  draft_->programmatic_dependent_launch = enabled;
  return *this;
}

pipeline_builder& pipeline_builder::tuning(tuning_options options) {
  if (!(options.scratch_fraction > 0.0 && options.scratch_fraction <= 1.0)) {
    throw invalid_argument{"scratch_fraction", "above 0, at most 1",
                           std::to_string(options.scratch_fraction)};
  }
  draft_->tuning = std::move(options);
  return *this;
}

pipeline_builder& pipeline_builder::recording(recording_options options) noexcept {
  draft_->recording = options;
  return *this;
}

pipeline pipeline_builder::build() const {
  return pipeline{draft_->resolve()};
}

}  // namespace ssugraph
