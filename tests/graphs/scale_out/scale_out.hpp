#pragma once

#include "lib/step/planned_step.hpp"

#include <ssugraph/tensor_view.hpp>

#include <cstdint>
#include <memory>

/**
 * An operation that is none of the library's: out *= factor, element by element. What a folder of
 * lib/ops has to bring, and all that it has to bring, for a pipeline to plan, record, overlap,
 * rebind and describe its steps.
 */
namespace ssugraph::test {

/** Tensors and sizes of a launch, as the kernel and the CPU see them; strides in elements. */
struct scale_params {
  float* out;
  const float* factor;
  std::int64_t row_stride;
  std::int64_t rows;
  std::int64_t first;  ///< channel
  std::int64_t last;   ///< and the one behind the last
  bool inputs_ahead;
};

/**
 * out (rows, channels), fp32, channels next to each other; factor (1), fp32. `launches`: 1, or 2 of
 * half the channels each. Throws invalid_argument, which names the tensor.
 */
[[nodiscard]] std::shared_ptr<const detail::checked_step> check_scale_out(const tensor_view& out,
                                                                          const tensor_view& factor,
                                                                          int launches = 1);

/** What scale_out.cpp and scale_out.cu share: the places of the operands. */
enum scale_operand : std::uint8_t { scaled_out, scale_factor };

/** As a launch of channels `first`..`last`. */
[[nodiscard]] scale_params scale_params_of(std::span<const tensor_view> tensors, std::int64_t first,
                                           std::int64_t last);

/** A plan for sequences of one row, described and run on the CPU; on a GPU by what derives of it.
 */
class planned_scale : public detail::planned_step {
 public:
  planned_scale(std::int64_t sequences, std::int64_t channels, int launches)
      : sequences_{sequences}, channels_{channels}, parts_{launches} {}

  [[nodiscard]] std::int64_t sequences() const override { return sequences_; }
  [[nodiscard]] detail::plan_choice choice() const override {
    return {"scale", parts_ == 1 ? "whole" : "halves"};
  }
  [[nodiscard]] std::string text() const override;
  [[nodiscard]] detail::plan_fields fields() const override;
  [[nodiscard]] std::int64_t bytes(std::int64_t sequences, std::int64_t) const override {
    return sequences * channels_ * 2 * size_of(dtype::float32) + size_of(dtype::float32);
  }
  [[nodiscard]] bool equals(const planned_step& other) const override {
    return other.text() == text();
  }
  [[nodiscard]] const std::vector<candidate_timing>& timings() const override { return timings_; }
  void set_timings(std::vector<candidate_timing> timings) override {
    timings_ = std::move(timings);
  }
  void enqueue(std::span<const tensor_view> tensors, stream_handle stream) const override;

 protected:
  /** The first channel of launch `index`; for the one behind the last, all channels. */
  [[nodiscard]] std::int64_t first_channel(std::size_t index) const {
    return channels_ * static_cast<std::int64_t>(index) / parts_;
  }

 private:
  std::int64_t sequences_;
  std::int64_t channels_;
  int parts_;
  std::vector<candidate_timing> timings_;
};

/** The operands of the operation. */
[[nodiscard]] std::span<const detail::operand> scale_operands();

/** Only in a CUDA build: the same as kernel launches on `device`. */
[[nodiscard]] std::shared_ptr<detail::planned_step> plan_scale_kernels(std::int64_t sequences,
                                                                       std::int64_t channels,
                                                                       int launches, int device);

}  // namespace ssugraph::test
